/** What an SshAccess can take away. */
import type { Finished } from '../../support/process.ts';
import { type Feature, saw, see } from '../feature.ts';

/** For both roles. */
export const NARROWED = { commands: ['id -u'], sftp: { paths: ['/data', '/tmp'] } } as const;

const refused = (finished: Finished): void => see(finished.code !== 0 && finished.stdout === '', finished);

export const NARROW: readonly Feature[] = [
  {
    title: '`commands`: those run, no other does, and there is no shell',
    attempt: async ({ client }) => {
      saw(await client.ssh('id -u'), /^\d+\n$/);
      refused(await client.ssh('id -u; id'));
      refused(await client.ssh('id'));
      refused(await client.ssh('', { ssh: ['-T'], input: 'echo a shell\n' }));
    },
  },
  {
    title: '`sftp.paths`: what is below is reached, what is not is not',
    attempt: async ({ client, column }) => {
      const inside = column.place === 'app' ? '/data' : '/tmp';
      saw(await client.sftp(`ls ${inside}\n`), /ls /);
      for (const outside of ['/etc', `${inside}/../etc`, '/proc/self/root/etc']) {
        const finished = await client.sftp(`ls -l ${outside}\n`);
        see(finished.code !== 0 && !finished.stdout.includes('hostname'), finished);
      }
    },
  },
];
