import { expect, test } from 'vitest';
import { testFolder } from './testing/folder.ts';
import { serveMany } from './testing/many-sessions.ts';
import { startClient, startRaw } from './testing/raw-client.ts';
import { attributes, frame, initPacket, requestPacket, requests, string, u32, u64, u8 } from './testing/wire.ts';

const malformed = { code: 1, signal: null, complaint: 'sftp: malformed packet\n' };
const noHandle = string(Buffer.alloc(8));
const longString = Buffer.concat([u32(9), Buffer.from('12345678')]);
const hugeString = Buffer.concat([u32(0xffffffff), Buffer.from('12345678')]);

test('a packet without a type is malformed', async () => {
  const server = await startRaw();
  server.send(initPacket(), u32(0));
  expect(await server.end()).toEqual(malformed);
});

test.each([0, 1, 2, 3])('INIT with %i of its 4 bytes is malformed', async (length) => {
  const server = await startRaw();
  server.send(frame(u8(requests.init), Buffer.alloc(length)));
  expect(await server.end()).toEqual(malformed);
});

test('a second INIT is malformed', async () => {
  const server = await startRaw();
  server.send(initPacket(), initPacket());
  expect(await server.end()).toEqual(malformed);
});

test.each([3, 17, 200, 99])('a request of type %i before INIT is malformed', async (type) => {
  const server = await startRaw();
  server.send(frame(u8(type), u32(1), string('.')));
  expect(await server.next()).toBeUndefined();
  expect(await server.end()).toEqual(malformed);
});

test.each([0, 1, 2, 3])('a request with %i of the 4 bytes of its id is malformed', async (length) => {
  const client = await startClient();
  client.send(frame(u8(requests.stat), Buffer.alloc(length)));
  expect(await client.end()).toEqual(malformed);
});

/** The fields of every request, each well-formed; the handles are of no file, so nothing can happen. */
const wellFormed: [type: keyof typeof requests, ...fields: Buffer[]][] = [
  ['open', string('f'), u32(1), attributes()],
  ['close', noHandle],
  ['read', noHandle, u64(0), u32(1)],
  ['write', noHandle, u64(0), string('data')],
  ['lstat', string('f')],
  ['fstat', noHandle],
  ['setstat', string('f'), attributes({ size: 1n, owner: [1, 1], permissions: 1, times: [1, 1] })],
  ['fsetstat', noHandle, attributes({ size: 1n, owner: [1, 1], permissions: 1, times: [1, 1] })],
  ['opendir', string('f')],
  ['readdir', noHandle],
  ['remove', string('f')],
  ['mkdir', string('f'), attributes({ permissions: 0o700 })],
  ['rmdir', string('f')],
  ['realpath', string('f')],
  ['stat', string('f')],
  ['rename', string('f'), string('g')],
  ['readlink', string('f')],
  ['symlink', string('f'), string('g')],
  ['extended', string('posix-rename@openssh.com'), string('f'), string('g')],
  ['extended', string('statvfs@openssh.com'), string('f')],
  ['extended', string('fstatvfs@openssh.com'), noHandle],
  ['extended', string('hardlink@openssh.com'), string('f'), string('g')],
  ['extended', string('fsync@openssh.com'), noHandle],
  ['extended', string('lsetstat@openssh.com'), string('f'), attributes({ owner: [1, 1], times: [1, 1] })],
  ['extended', string('expand-path@openssh.com'), string('f')],
  ['extended', string('copy-data'), noHandle, u64(0), u64(1), noHandle, u64(0)],
  ['extended', string('home-directory'), string('u')],
];

test.each(wellFormed)('%s, cut short at any byte, is malformed', async (type, ...fields) => {
  const whole = Buffer.concat(fields);
  const from = type === 'extended' ? (fields[0]?.length ?? 0) : 0;
  const cuts = Array.from({ length: whole.length - from }, (_, index) => whole.subarray(0, from + index));
  const sessions = cuts.map((cut) => Buffer.concat([initPacket(), requestPacket(type, 1, cut)]));
  const { replies, complaints } = await serveMany(await testFolder(), sessions);
  expect(replies.map((reply) => reply.type)).toEqual(cuts.map(() => 'version'));
  expect(complaints).toEqual(cuts.map(() => 'sftp: malformed packet'));
});

test.each(wellFormed)('%s with all its bytes is answered', async (type, ...fields) => {
  const client = await startClient();
  expect(await client.request(type, ...fields)).toHaveProperty('type');
  expect((await client.end()).code).toBe(0);
});

test.each([
  ['longer than the packet', longString],
  ['of 4 GiB', hugeString],
])('a string %s is malformed', async (_, field) => {
  for (const type of ['stat', 'close', 'extended'] as const) {
    const client = await startClient();
    client.send(requestPacket(type, 1, field));
    expect(await client.end()).toEqual(malformed);
  }
});

test('a path with a NUL inside is malformed, not another path', async () => {
  const client = await startClient();
  client.send(requestPacket('mkdir', 1, string('a\0b'), attributes()));
  expect(await client.end()).toEqual(malformed);
});

test("C's NUL at the end of a path is tolerated, as OpenSSH does", async () => {
  const client = await startClient();
  expect(await client.request('stat', string('.\0'))).toMatchObject({ type: 'attributes' });
});

test.each([
  ['more pairs than there are', Buffer.concat([u32(0x80000000), u32(2), string('a'), string('b')])],
  ['4 thousand million pairs', Buffer.concat([u32(0x80000000), u32(0xffffffff)])],
  ['a pair that is longer than the packet', Buffer.concat([u32(0x80000000), u32(1), string('a'), longString])],
])('extended attributes that claim %s are malformed', async (_, field) => {
  const client = await startClient();
  client.send(requestPacket('mkdir', 1, string('d'), field));
  expect(await client.end()).toEqual(malformed);
});

test('extended attributes that are well-formed are skipped', async () => {
  const client = await startClient();
  const field = Buffer.concat([u32(0x80000000), u32(2), string('a'), string('b'), string('c'), string('')]);
  expect(await client.request('mkdir', string('d'), field)).toMatchObject({ code: 0 });
});

test('the longest packet is taken, one byte more is refused', async () => {
  const client = await startClient();
  const limit = 256 * 1024;
  const fill = (length: number): Buffer => Buffer.alloc(length, 'x');
  client.send(frame(u8(requests.stat), u32(1), string(fill(limit - 9))));
  expect(await client.next()).toMatchObject({ code: 5, message: 'Bad message' });
  client.send(frame(u8(requests.stat), u32(2), string(fill(limit - 8))));
  expect(await client.end()).toEqual({ ...malformed, complaint: 'sftp: packet too long\n' });
});

test('a length of 4 GiB is refused before anything is read for it', async () => {
  const client = await startClient();
  client.send(u32(0xffffffff));
  expect(await client.next()).toBeUndefined();
  expect((await client.end()).complaint).toBe('sftp: packet too long\n');
});

test('an input that ends inside a packet is an error', async () => {
  for (const length of [1, 3, 4, 8]) {
    const client = await startClient();
    client.send(requestPacket('stat', 1, string('.')).subarray(0, length));
    expect(await client.end()).toEqual({ ...malformed, complaint: 'sftp: the input ended inside a packet\n' });
  }
});

test('what was asked for before a malformed packet is answered', async () => {
  const client = await startClient();
  client.send(requestPacket('stat', 1, string('.')), requestPacket('realpath', 2, string('.')), frame(u8(1)));
  expect(await client.next()).toMatchObject({ type: 'attributes', id: 1 });
  expect(await client.next()).toMatchObject({ type: 'name', id: 2 });
  expect(await client.end()).toEqual(malformed);
});
