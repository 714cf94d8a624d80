import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startClient } from './testing/raw-client.ts';
import { statuses } from './testing/statuses.ts';
import { attributes, flags, string, u32, u64 } from './testing/wire.ts';

async function readOnlyClient() {
  const client = await startClient({ readOnly: true });
  await writeFile(join(client.folder, 'f'), 'content');
  await chmod(join(client.folder, 'f'), 0o644);
  const file = await client.handle('open', string('f'), u32(flags.read), attributes());
  return { ...client, file };
}

test('everything that would write is refused, and changes nothing', async () => {
  const client = await readOnlyClient();
  const { file, request, extended } = client;
  const change = attributes({ size: 0n, permissions: 0, times: [0, 0] });
  const { read, write, append, create, truncate } = flags;
  const refusals = [
    await request('open', string('f'), u32(write), attributes()),
    await request('open', string('f'), u32(read | write), attributes()),
    await request('open', string('f'), u32(write | append), attributes()),
    await request('open', string('f'), u32(read | truncate), attributes()),
    await request('open', string('new'), u32(read | create), attributes()),
    await request('open', string('new'), u32(create), attributes()),
    await request('write', file, u64(0), string('x')),
    await request('setstat', string('f'), change),
    await request('fsetstat', file, change),
    await request('remove', string('f')),
    await request('mkdir', string('d'), attributes()),
    await request('rmdir', string('d')),
    await request('rename', string('f'), string('g')),
    await request('symlink', string('f'), string('g')),
    await extended('posix-rename@openssh.com', string('f'), string('g')),
    await extended('hardlink@openssh.com', string('f'), string('g')),
    await extended('lsetstat@openssh.com', string('f'), change),
    await extended('fsync@openssh.com', file),
    await extended('copy-data', file, u64(0), u64(0), file, u64(0)),
  ];
  for (const refusal of refusals) expect(refusal).toMatchObject(statuses.permissionDenied);
  expect(await readdir(client.folder)).toEqual(['f']);
  expect(await readFile(join(client.folder, 'f'), 'utf8')).toBe('content');
});

test('everything that only reads is served', async () => {
  const { file, request, extended, handle } = await readOnlyClient();
  const directory = await handle('opendir', string('.'));
  const replies = [
    await request('read', file, u64(0), u32(9)),
    await request('stat', string('f')),
    await request('lstat', string('f')),
    await request('fstat', file),
    await request('readdir', directory),
    await request('realpath', string('f')),
    await extended('statvfs@openssh.com', string('f')),
    await extended('fstatvfs@openssh.com', file),
    await extended('limits@openssh.com'),
    await extended('expand-path@openssh.com', string('~')),
    await extended('home-directory', string('')),
  ];
  expect(replies.map(({ type }) => type)).not.toContain('status');
  expect(await request('close', file)).toMatchObject(statuses.ok);
});

test('a write with nothing in it, even malformed, is refused like any other', async () => {
  const { request } = await readOnlyClient();
  expect(await request('write')).toMatchObject(statuses.permissionDenied);
});
