/** Somebody in the app exchanges a directory of the jail for a link, as often as he can, while the client goes through it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { jailedClient } from './testing/jailed.ts';
import { attributes, flags, string, u32, u64 } from './testing/wire.ts';

const SWAPS = 10_000;
/** The client goes on until the swaps are made and it has met both; more often than the latter it does not try. */
const MIN_ROUNDS = 1000;
const MAX_ROUNDS = 100_000;

/** Makes the swaps, says so, and goes on until its input ends. Every swap is a rename away and a rename into place. */
const swapper = `
  import { renameSync } from 'node:fs';
  let ended = false;
  process.stdin.on('end', () => (ended = true)).resume();
  const swap = () => {
    renameSync('swap', 'folder');
    renameSync('link', 'swap');
    renameSync('swap', 'link');
    renameSync('folder', 'swap');
  };
  for (let count = 0; count < ${SWAPS}; count++) swap();
  console.log('made');
  const goOn = () => {
    for (let count = 0; count < 100; count++) swap();
    if (!ended) setImmediate(goOn);
  };
  goOn();
`;

test.each(['../outside', '/proc/self/cwd/outside', 'absolute'])(
  `${SWAPS} exchanges of a directory for a link to %s let nothing out`,
  async (target) => {
    const client = await jailedClient();
    const prepare = `mkdir jail/swap && ln -s ${target === 'absolute' ? client.at('outside') : target} jail/link`;
    await once(spawn('sh', ['-c', prepare], { cwd: client.folder }), 'close');
    const exchanges = spawn(process.execPath, ['--input-type=module', '-e', swapper], { cwd: client.at('jail') });
    const met = { swaps: 0, inside: 0, denied: 0 };
    exchanges.stdout.once('data', () => (met.swaps = SWAPS));
    const closed = once(exchanges, 'close');

    const file = string('swap/secret');
    let rounds = 0;
    for (; rounds < MIN_ROUNDS || Object.values(met).includes(0); rounds++) {
      if (rounds === MAX_ROUNDS) throw new Error(`the client met only ${JSON.stringify(met)}`);
      const opened = await client.request(
        'open',
        file,
        u32(flags.read | flags.write | flags.create),
        attributes({ permissions: 0o600 }),
      );
      if (opened.type === 'handle') {
        const handle = string(opened.handle);
        // A new file, made inside: what the secret says is never in it.
        expect(await client.request('read', handle, u64(0), u32(100))).toMatchObject({ type: 'status', code: 1 });
        await client.request('close', handle);
        met.inside++;
      } else if (opened.type === 'status' && opened.code === 3) {
        met.denied++;
      }
      await client.request('setstat', file, attributes({ permissions: 0o777, size: 0n }));
      await client.request('rename', file, string('swap/other'));
      await client.extended('hardlink@openssh.com', file, string('swap/other'));
      await client.request('symlink', string('x'), string('swap/made'));
      await client.request('mkdir', string('swap/made'), attributes());
      await client.request('rmdir', string('swap/made'));
      for (const name of ['swap/other', 'swap/made', 'swap/secret']) await client.request('remove', string(name));
    }
    exchanges.stdin.end();
    await closed;
    expect(await client.untouched()).toBe(true);
  },
  300_000,
);
