import { readFile, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildServer } from './testing/build-server.ts';
import { startClient } from './testing/raw-client.ts';
import { failure, statuses } from './testing/statuses.ts';
import { attributes, flags, string, u32, u64 } from './testing/wire.ts';

const { read, write, append, create } = flags;

async function clientWithCopies(content: string | Buffer) {
  const client = await startClient();
  await writeFile(join(client.folder, 'source'), content);
  const source = await client.handle('open', string('source'), u32(read), attributes());
  const target = await client.handle('open', string('target'), u32(write | create), attributes());
  const result = (): Promise<Buffer> => readFile(join(client.folder, 'target'));
  const copy = (from: bigint, length: bigint, to: bigint) =>
    client.extended('copy-data', source, u64(from), u64(length), target, u64(to));
  return { ...client, source, target, copy, result };
}

test('copy-data of length 0 copies to the end', async () => {
  const bytes = Buffer.alloc(200_001, 'abcdefghijk');
  const client = await clientWithCopies(bytes);
  expect(await client.copy(0n, 0n, 0n)).toMatchObject(statuses.ok);
  expect((await client.result()).equals(bytes)).toBe(true);
});

test('copy-data copies a part to another place', async () => {
  const client = await clientWithCopies('0123456789');
  expect(await client.copy(3n, 4n, 2n)).toMatchObject(statuses.ok);
  expect(await client.result()).toEqual(Buffer.from('\0\x003456'));
});

test('copy-data says where the source is shorter than asked for, and copies what there is', async () => {
  const client = await clientWithCopies('0123456789');
  expect(await client.copy(8n, 4n, 0n)).toMatchObject(statuses.endOfFile);
  expect(await client.result()).toEqual(Buffer.from('89'));
  expect(await client.copy(100n, 1n, 0n)).toMatchObject(statuses.endOfFile);
  expect(await client.copy(100n, 0n, 0n)).toMatchObject(statuses.ok);
  expect(await client.copy(1n << 63n, 0n, 0n)).toMatchObject(statuses.badMessage);
  expect(await client.copy(0n, (1n << 64n) - 1n, 0n)).toMatchObject(statuses.endOfFile);
  expect(await client.copy(0n, 1n, 1n << 63n)).toMatchObject(statuses.badMessage);
});

test('copy-data appends to a file that was opened so', async () => {
  const client = await clientWithCopies('source');
  await writeFile(join(client.folder, 'target'), 'target+');
  const target = await client.handle('open', string('target'), u32(write | append), attributes());
  expect(await client.extended('copy-data', client.source, u64(0), u64(0), target, u64(0))).toMatchObject(statuses.ok);
  expect(await client.result()).toEqual(Buffer.from('target+source'));
});

test('copy-data of a file onto itself is refused', async () => {
  const client = await clientWithCopies('source');
  const second = await client.handle('open', string('./source'), u32(write), attributes());
  for (const target of [client.source, second])
    expect(await client.extended('copy-data', client.source, u64(0), u64(0), target, u64(9))).toMatchObject(
      failure('Source and target are the same file'),
    );
});

test('copy-data tells of a full disk', async () => {
  const client = await clientWithCopies('source');
  const full = await client.handle('open', string('/dev/full'), u32(write), attributes());
  expect(await client.extended('copy-data', client.source, u64(0), u64(0), full, u64(0))).toMatchObject(
    failure('No space left on device'),
  );
});

test('fsync succeeds for a file', async () => {
  const client = await clientWithCopies('source');
  expect(await client.extended('fsync@openssh.com', client.target)).toMatchObject(statuses.ok);
});

test('statvfs and fstatvfs tell the size of the file system', async () => {
  const client = await clientWithCopies('source');
  const { blocks, files } = await statfs(client.folder);
  for (const reply of [
    await client.extended('statvfs@openssh.com', string('.')),
    await client.extended('fstatvfs@openssh.com', client.source),
  ]) {
    const numbers = reply.type === 'extended' ? reply.numbers : [];
    expect(numbers).toHaveLength(11);
    expect(numbers.slice(2, 3)).toEqual([BigInt(blocks)]);
    expect(numbers.slice(5, 6)).toEqual([BigInt(files)]);
    expect(numbers.at(10)).toBe(255n);
  }
  expect(await client.extended('statvfs@openssh.com', string('missing'))).toMatchObject(statuses.noSuchFile);
});

test('limits tells the greatest packet, read, write and number of handles', async () => {
  const client = await startClient();
  expect(await client.extended('limits@openssh.com')).toMatchObject({ numbers: [262144n, 261120n, 261120n, 256n] });
});

test('the server cannot be made to change its own memory', async () => {
  const client = await startClient({ unprivileged: true, program: [await buildServer('static')] });
  for (const wanted of [read, write, read | write])
    expect(await client.request('open', string('/proc/self/mem'), u32(wanted), attributes())).toMatchObject(
      statuses.permissionDenied,
    );
});
