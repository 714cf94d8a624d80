import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type RawServer, startClient } from './testing/raw-client.ts';
import { failure, statuses } from './testing/statuses.ts';
import { attributes, flags, string, u32, u64 } from './testing/wire.ts';

type Client = Awaited<ReturnType<typeof startClient>>;

const openArguments = [u32(flags.read), attributes()] as const;

async function put(client: RawServer, name: string): Promise<void> {
  await writeFile(join(client.folder, name), name);
}

/** Opens until it is refused; answers the handles and the refusal. */
async function openAll(client: Client, most: number) {
  const handles: Buffer[] = [];
  for (let count = 0; count < most; count++) {
    const reply = await client.request('open', string('f'), ...openArguments);
    if (reply.type !== 'handle') return { handles, refusal: reply };
    handles.push(string(reply.handle));
  }
  return { handles, refusal: undefined };
}

test('a handle that was closed is none, and never names a file that was opened later', async () => {
  const client = await startClient();
  await put(client, 'f');
  const first = await client.handle('open', string('f'), ...openArguments);
  expect(await client.request('close', first)).toMatchObject(statuses.ok);
  const second = await client.handle('open', string('f'), ...openArguments);
  expect(second).not.toEqual(first);
  expect(await client.request('read', first, u64(0), u32(1))).toMatchObject(statuses.failure);
  expect(await client.request('close', first)).toMatchObject(statuses.noSuchFile);
  expect(await client.request('read', second, u64(0), u32(1))).toMatchObject({ data: Buffer.from('f') });
});

test('the 257th handle is refused, and opens nothing', async () => {
  const client = await startClient();
  await put(client, 'f');
  const { handles, refusal } = await openAll(client, 300);
  expect(handles).toHaveLength(256);
  const tooMany = failure('Too many open files');
  expect(refusal).toMatchObject(tooMany);
  const creating = u32(flags.write | flags.create);
  expect(await client.request('open', string('new'), creating, attributes())).toMatchObject(tooMany);
  expect(await client.request('opendir', string('.'))).toMatchObject(tooMany);
  expect(await client.request('stat', string('new'))).toMatchObject(statuses.noSuchFile);
  for (const handle of handles) expect(await client.request('close', handle)).toMatchObject(statuses.ok);
  expect((await openAll(client, 200)).handles).toHaveLength(200);
});

test('the limit of descriptors is a failure, too, and is what `limits` tells', async () => {
  const client = await startClient({ before: 'ulimit -n 20' });
  await put(client, 'f');
  expect(await client.extended('limits@openssh.com')).toMatchObject({ numbers: [262144n, 261120n, 261120n, 15n] });
  const { handles, refusal } = await openAll(client, 300);
  expect(handles.length).toBeGreaterThanOrEqual(15);
  expect(refusal).toMatchObject(failure('Too many open files'));
  expect((await client.end()).code).toBe(0);
});

test.each([
  ['empty', Buffer.alloc(0)],
  ['short', Buffer.alloc(7)],
  ['of zeros', Buffer.alloc(8)],
  ['long', Buffer.alloc(9)],
  ['very long', Buffer.alloc(100_000, 1)],
  ['beyond the last', Buffer.concat([u32(256), u32(1)])],
  ['far beyond the last', Buffer.concat([u32(0xffffffff), u32(1)])],
  ['of the right slot, but the wrong time', Buffer.concat([u32(0), u32(2)])],
])('a handle that is %s is refused', async (_, bytes) => {
  const client = await startClient();
  await put(client, 'f');
  await client.handle('open', string('f'), ...openArguments);
  const foreign = string(bytes);
  const refused = async (...[type, ...fields]: Parameters<Client['request']>) =>
    expect(await client.request(type, ...fields), type).toMatchObject(statuses.failure);

  await refused('read', foreign, u64(0), u32(1));
  await refused('write', foreign, u64(0), string('x'));
  await refused('fstat', foreign);
  await refused('fsetstat', foreign, attributes());
  await refused('readdir', foreign);
  expect(await client.request('close', foreign)).toMatchObject(statuses.noSuchFile);
  expect(await client.extended('fsync@openssh.com', foreign)).toMatchObject(statuses.noSuchFile);
  expect(await client.extended('fstatvfs@openssh.com', foreign)).toMatchObject(statuses.failure);
  expect(await client.extended('copy-data', foreign, u64(0), u64(0), foreign, u64(0))).toMatchObject(
    statuses.noSuchFile,
  );
});

test("a directory's handle is not a file's, nor a file's a directory's", async () => {
  const client = await startClient();
  await put(client, 'f');
  const file = await client.handle('open', string('f'), ...openArguments);
  const directory = await client.handle('opendir', string('.'));
  expect(await client.request('readdir', file)).toMatchObject(statuses.failure);
  expect(await client.request('read', directory, u64(0), u32(1))).toMatchObject(statuses.failure);
  expect(await client.request('fstat', directory)).toMatchObject(statuses.failure);
});
