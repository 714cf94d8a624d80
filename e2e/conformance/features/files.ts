/** sftp, scp and rsync. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Feature, type Obstacle, saw, see, type Subject } from '../feature.ts';
import { scratch } from '../../support/openssh.ts';

type Program = 'sudo' | 'tmux' | 'rsync' | 'scp';
let count = 0;
const local = (): string => join(scratch, `file-${count++}`);
const remote = ({ column, role }: Subject): string => `${column.place === 'app' ? '/data' : '/tmp'}/${role}-${count++}`;

/** The image that sessions are in has no such program. */
export const lacks =
  (program: Program) =>
  ({ column }: Subject): Obstacle | undefined => {
    if (column.place !== 'app') return { why: `the toolbox has no ${program}`, seen: missing(program) };
    if (column.image === 'debian') return undefined;
    return { why: `the image has no ${program}, and the shell says so`, seen: missing(program) };
  };

const missing = (program: Program): RegExp => new RegExp(`${program}: (command )?not found`);

const readOnly = ({ policy, role }: Subject): Obstacle | undefined =>
  policy.sftp.access === 'read-only'
    ? { policy: `\`policy.${role}.sftp.access\` is read-only`, seen: /Permission denied|read-only/i }
    : undefined;

/** Of every image, and of the toolbox: the kubelet writes it. */
const HOSTNAME = '/etc/hostname';

export const READ_FILES: readonly Feature[] = [
  {
    title: 'sftp: ls, get, df (statvfs), limits',
    attempt: async ({ client }) => {
      const back = local();
      const finished = await client.sftp(`ls -l /etc\ndf /etc\nget ${HOSTNAME} ${back}\n`, '-vv');
      saw(finished, /Avail[\s\S]*%/);
      see(/^-.* hostname$/m.test(finished.stdout), finished);
      see(finished.stderr.includes('limits@openssh.com'), finished);
      see(readFileSync(back, 'utf8').endsWith('\n'), 'an empty file');
    },
  },
  {
    title: 'scp: from the app',
    attempt: async ({ client }) => {
      const back = local();
      saw(await client.scp(`remote:${HOSTNAME}`, back), '');
      see(readFileSync(back, 'utf8').endsWith('\n'), 'an empty file');
    },
  },
];

export const WRITE_FILES: readonly Feature[] = [
  {
    title: 'sftp: put, fsync, rename, hard and symbolic links, rm',
    obstacle: readOnly,
    attempt: async (subject) => {
      const [up, back, there] = [local(), local(), remote(subject)];
      writeFileSync(up, 'put and got\n');
      const batch = [
        `put -f ${up} ${there}`,
        `rename ${there} ${there}.2`,
        `ln ${there}.2 ${there}.hard`,
        `ln -s ${there}.hard ${there}.soft`,
        `rm ${there}.2`,
        `get ${there}.soft ${back}`,
        `rm ${there}.soft`,
        `rm ${there}.hard`,
      ];
      const finished = await subject.client.sftp(`${batch.join('\n')}\n`);
      see(finished.code === 0, finished);
      see(readFileSync(back, 'utf8') === 'put and got\n', 'not what was put');
    },
  },
  {
    title: 'scp: into the app',
    obstacle: readOnly,
    attempt: async (subject) => {
      const [up, there] = [local(), remote(subject)];
      writeFileSync(up, 'copied\n');
      saw(await subject.client.scp(up, `remote:${there}`), '');
      saw(await subject.client.ssh(`cat ${there}`), 'copied\n');
    },
  },
];

export const FOREIGN_FILES: readonly Feature[] = [
  {
    title: 'scp -O (the old protocol), both ways',
    obstacle: (subject) => lacks('scp')(subject) ?? namelessScp(subject),
    attempt: async (subject) => {
      const [up, back, there] = [local(), local(), remote(subject)];
      writeFileSync(up, 'copied\n');
      saw(await subject.client.scp(up, `remote:${there}`, '-O'), '');
      saw(await subject.client.scp(`remote:${there}`, back, '-O'), '');
      see(readFileSync(back, 'utf8') === 'copied\n', 'not what was copied');
    },
  },
  {
    title: 'rsync',
    obstacle: lacks('rsync'),
    attempt: async (subject) => {
      const [up, there] = [local(), remote(subject)];
      writeFileSync(up, 'synchronized\n');
      saw(await subject.client.rsync(up, there), '');
      saw(await subject.client.ssh(`cat ${there}`), 'synchronized\n');
    },
  },
];

const namelessScp = ({ role }: Subject): Obstacle | undefined =>
  role === 'limited'
    ? {
        why: 'the scp of the image insists on a passwd entry, and the uids of role `limited` have none',
        seen: /unknown user 61\d{3}/,
      }
    : undefined;
