import { chmod, chown, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder, unprivileged } from './testing/folder.ts';
import { serveMany } from './testing/many-sessions.ts';
import { mutate } from './testing/mutate.ts';
import { type Random, randomFrom } from './testing/random.ts';
import { attributes, frame, initPacket, requestPacket, string, u32, u64 } from './testing/wire.ts';

const SEED = 20_261_121;
const SESSIONS = 12_000;
const PACKETS_IN_A_SESSION = 4;
const PACKETS = 20_000;

/** The handle that the server gives as its `count`-th, counted from 0, in the slot `slot`. */
function handle(slot: number, count = slot): Buffer {
  return string(Buffer.concat([u32(slot), u32(count + 1)]));
}

/**
 * Well-formed requests of every kind. The names have no slash and no dot, so that what mutation makes of them lies in
 * the folder, or hardly above it.
 */
const seeds = [
  initPacket(),
  requestPacket('open', 1, string('f'), u32(0x1b), attributes({ permissions: 0o600 })),
  requestPacket('open', 2, string('g'), u32(0x1b), attributes()),
  requestPacket('opendir', 3, string('d')),
  requestPacket('close', 4, handle(0)),
  requestPacket('read', 5, handle(0), u64(0), u32(100)),
  requestPacket('write', 6, handle(0), u64(3), string('some data')),
  requestPacket('stat', 7, string('f')),
  requestPacket('lstat', 8, string('s')),
  requestPacket('fstat', 9, handle(0)),
  requestPacket('setstat', 10, string('f'), attributes({ size: 5n, permissions: 0o644, times: [1, 2] })),
  requestPacket('fsetstat', 11, handle(1), attributes({ size: 9n, owner: [65534, 65534] })),
  requestPacket('readdir', 12, handle(2)),
  requestPacket('remove', 13, string('h')),
  requestPacket('mkdir', 14, string('d'), attributes()),
  requestPacket('rmdir', 15, string('d')),
  requestPacket('realpath', 16, string('s')),
  requestPacket('rename', 17, string('g'), string('h')),
  requestPacket('readlink', 18, string('s')),
  requestPacket('symlink', 19, string('f'), string('s')),
  requestPacket('mkdir', 20, string('e'), Buffer.concat([u32(0x80000000), u32(1), string('a'), string('b')])),
  requestPacket('extended', 21, string('posix-rename@openssh.com'), string('h'), string('f')),
  requestPacket('extended', 22, string('statvfs@openssh.com'), string('f')),
  requestPacket('extended', 23, string('fstatvfs@openssh.com'), handle(0)),
  requestPacket('extended', 24, string('hardlink@openssh.com'), string('f'), string('i')),
  requestPacket('extended', 25, string('fsync@openssh.com'), handle(0)),
  requestPacket('extended', 26, string('lsetstat@openssh.com'), string('s'), attributes({ times: [1, 2] })),
  requestPacket('extended', 27, string('limits@openssh.com')),
  requestPacket('extended', 28, string('expand-path@openssh.com'), string('~')),
  requestPacket('extended', 29, string('copy-data'), handle(0), u64(0), u64(8), handle(1), u64(0)),
  requestPacket('extended', 30, string('home-directory'), string('')),
] as const;

const CANARY = 'the canary sings';

/** Well-formed requests for what lies beside the folder. */
function seedsOutside(folder: string): Buffer[] {
  const paths = [`${folder}/canary`, '../canary', 's/canary', 'o/canary', '/proc/self/root/etc/passwd', folder, '/'];
  return [
    requestPacket('symlink', 40, string('..'), string('s')),
    requestPacket('symlink', 41, string(folder), string('o')),
    requestPacket('symlink', 42, string('../canary'), string('h')),
    ...paths.flatMap((path) => [
      requestPacket('open', 43, string(path), u32(0x01), attributes()),
      requestPacket('open', 44, string(path), u32(0x1a), attributes()),
      requestPacket('opendir', 45, string(path)),
      requestPacket('stat', 46, string(path)),
      requestPacket('setstat', 47, string(path), attributes({ size: 0n, permissions: 0, times: [1, 2] })),
      requestPacket('remove', 48, string(path)),
      requestPacket('rename', 49, string(path), string('h')),
      requestPacket('extended', 50, string('posix-rename@openssh.com'), string('f'), string(path)),
      requestPacket('extended', 51, string('hardlink@openssh.com'), string(path), string('i')),
      requestPacket('extended', 52, string('lsetstat@openssh.com'), string(path), attributes({ times: [1, 2] })),
    ]),
    requestPacket('realpath', 53, string('/')),
    requestPacket('readdir', 54, handle(3)),
    requestPacket('read', 55, handle(3), u64(0), u32(100)),
  ];
}

function mutated(random: Random, packets: readonly [Buffer, ...Buffer[]]): Buffer {
  const content = random.pick(packets).subarray(4);
  const changed = random.below(4) === 0 ? content : mutate(random, content);
  // Mostly in a frame of the right length, or little would come through to the fields.
  return random.below(50) === 0 ? Buffer.concat([u32(random.below(1 << 20)), changed]) : frame(changed);
}

/** Opens two files and a directory, so that the handles above exist, and goes on with nonsense. */
const opening = [initPacket(), ...seeds.slice(1, 3), requestPacket('opendir', 3, string('.'))];

function session(random: Random, packets: readonly [Buffer, ...Buffer[]]): Buffer {
  return Buffer.concat([...opening, ...Array.from({ length: PACKETS_IN_A_SESSION }, () => mutated(random, packets))]);
}

async function fuzz(folder: string, packets: readonly [Buffer, ...Buffer[]], options?: readonly string[]) {
  const random = randomFrom(SEED);
  const sessions = Array.from({ length: SESSIONS }, () => session(random, packets));
  const { replies, complaints } = await serveMany(folder, sessions, options);
  // A session ends at its first malformed packet; these are those that came so far as to be parsed.
  const parsed = replies.length - SESSIONS * opening.length + complaints.length;
  expect(parsed).toBeGreaterThan(PACKETS);
  expect(complaints.length).toBeGreaterThan(SESSIONS / 10);
  expect(new Set(complaints)).toEqual(
    new Set(['malformed packet', 'packet too long', 'the input ended inside a packet'].map((end) => `sftp: ${end}`)),
  );
  return replies;
}

/** Folders whose owner is who the server runs as. */
async function ownFolder(...words: [string, ...string[]]): Promise<string> {
  const folder = join(...words);
  await mkdir(folder, { recursive: true });
  if (unprivileged.uid !== undefined) await chown(folder, unprivileged.uid, unprivileged.gid);
  return folder;
}

test(`${PACKETS} mutated packets never make the sanitizers report anything`, async () => {
  // Deep enough that a path mutated to `..` is still ours.
  await fuzz(await ownFolder(await testFolder(), 'a/b/c'), seeds);
}, 300_000);

test('the same to a confined server, with paths that lead out, leaves what lies outside unread and untouched', async () => {
  const folder = await testFolder();
  const canary = join(folder, 'canary');
  await writeFile(canary, CANARY, { mode: 0o666 });
  await chmod(canary, 0o666);
  const jail = await ownFolder(folder, 'jail');
  const second = await ownFolder(folder, 'second');
  const before = await stat(canary);

  const replies = await fuzz(jail, [...seeds, ...seedsOutside(folder)], ['--directory', jail, '--directory', second]);
  const { mode, mtimeMs, ctimeMs, nlink } = await stat(canary);
  expect([mode, mtimeMs, ctimeMs, nlink]).toEqual([before.mode, before.mtimeMs, before.ctimeMs, before.nlink]);
  expect(await readFile(canary, 'utf8')).toBe(CANARY);
  expect((await readdir(folder)).toSorted()).toEqual(['canary', 'jail', 'second']);
  for (const reply of replies) if (reply.type === 'data') expect(reply.data.includes(CANARY)).toBe(false);
}, 300_000);
