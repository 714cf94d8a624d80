import { expect, test } from 'vitest';
import { startClient, startRaw } from './testing/raw-client.ts';
import { statuses } from './testing/statuses.ts';
import { attributes, flags, frame, initPacket, requestPacket, string, u32, u64, u8 } from './testing/wire.ts';

const writingExtensions = {
  'posix-rename@openssh.com': '1',
  'hardlink@openssh.com': '1',
  'fsync@openssh.com': '1',
  'lsetstat@openssh.com': '1',
  'copy-data': '1',
};
const readingExtensions = {
  'statvfs@openssh.com': '2',
  'fstatvfs@openssh.com': '2',
  'limits@openssh.com': '1',
  'expand-path@openssh.com': '1',
  'home-directory': '1',
};

test('INIT is answered with version 3 and the extensions', async () => {
  const { version } = await startClient();
  expect(version).toEqual({ type: 'version', version: 3, extensions: { ...writingExtensions, ...readingExtensions } });
});

test('read-only, extensions that only write are not advertised', async () => {
  const { version } = await startClient({ readOnly: true });
  expect(version).toEqual({ type: 'version', version: 3, extensions: readingExtensions });
});

test.each([0, 2, 6, 0xffffffff])('a client of version %i hears of version 3', async (offered) => {
  const server = await startRaw();
  server.send(initPacket(offered));
  expect(await server.next()).toMatchObject({ type: 'version', version: 3 });
});

test('extensions of the client in INIT are ignored', async () => {
  const server = await startRaw();
  server.send(frame(u8(1), u32(3), string('newline@vandyke.com'), string('\n')));
  expect(await server.next()).toMatchObject({ type: 'version' });
  expect(await server.end()).toEqual({ code: 0, signal: null, complaint: '' });
});

test('the end of the input is the end of the server', async () => {
  const server = await startRaw();
  expect(await server.end()).toEqual({ code: 0, signal: null, complaint: '' });
});

test('open files and directories are closed at the end', async () => {
  const client = await startClient();
  await client.handle('opendir', string('.'));
  await client.handle('open', string('file'), u32(flags.write | flags.create), attributes());
  // The leak detector would complain.
  expect(await client.end()).toEqual({ code: 0, signal: null, complaint: '' });
});

test.each([0, 2, 21, 100, 101, 105, 199, 201, 255])('message type %i is unsupported', async (type) => {
  const client = await startClient();
  client.send(frame(u8(type), u32(77), string('anything')));
  expect(await client.next()).toEqual({ ...statuses.unsupported, id: 77 });
  expect((await client.end()).code).toBe(0);
});

test.each(['', 'copy-dat', 'copy-data\0', 'users-groups-by-id@openssh.com'])(
  'the extended request %j is unsupported',
  async (name) => {
    const client = await startClient();
    expect(await client.extended(name, string('x'))).toMatchObject(statuses.unsupported);
  },
);

test('many requests in one write are answered in their order', async () => {
  const client = await startClient();
  const ids = Array.from({ length: 5000 }, (_, index) => index * 3);
  client.send(...ids.map((id) => requestPacket('stat', id, string(id % 2 === 0 ? '.' : 'missing'))));
  for (const id of ids) {
    const type = id % 2 === 0 ? 'attributes' : 'status';
    expect(await client.next()).toMatchObject({ type, id });
  }
});

test('a packet may come byte by byte', async () => {
  const client = await startClient();
  for (const byte of requestPacket('realpath', 9, string('.'))) client.send(Buffer.from([byte]));
  expect(await client.next()).toMatchObject({ type: 'name', id: 9 });
});

test('fields after those that the request has are ignored', async () => {
  const client = await startClient();
  expect(await client.request('stat', string('.'), string('what version 4 adds'))).toMatchObject({
    type: 'attributes',
  });
});

test('a client that reads nothing until all is written gets every answer, if the pipes hold them', async () => {
  const client = await startClient();
  const file = await client.handle('open', string('f'), u32(flags.read | flags.write | flags.create), attributes());
  await client.request('write', file, u64(0), string(Buffer.alloc(200_000, 'x')));
  const reads = Array.from({ length: 50 }, (_, id) => requestPacket('read', id, file, u64(0), u32(200_000)));
  client.send(...reads);
  for (let id = 0; id < 50; id++) {
    const reply = await client.next();
    expect(reply).toMatchObject({ type: 'data', id });
    expect(reply?.type === 'data' && reply.data.length).toBe(200_000);
  }
});

test('a client that goes away ends the server, with a sentence', async () => {
  const client = await startClient();
  client.hangUp();
  client.send(requestPacket('stat', 1, string('.')));
  expect(await client.end()).toEqual({
    code: 1,
    signal: null,
    complaint: 'sftp: cannot write to the client: Broken pipe\n',
  });
});
