import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startClient, type ServerOptions } from './raw-client.ts';
import type { Reply } from './replies.ts';
import { attributes, flags, string, u32 } from './wire.ts';

const SECRET = 'nobody may read or change this';

/**
 * A client of a server that is confined to `jail` and `second` in its folder. Beside them lies `outside`, with a secret;
 * `untouched` says whether it still is as it was. The tests run as root: no permission bits help the server.
 */
export async function jailedClient(options: ServerOptions = {}) {
  const folders = 'mkdir -p jail/sub second outside';
  const secret = `printf '%s' '${SECRET}' >outside/secret && chmod 600 outside/secret`;
  const client = await startClient({
    directories: ['jail', 'second'],
    ...options,
    before: [folders, secret, options.before ?? 'true'].join(' && '),
  });
  const at = (name: string): string => join(client.folder, name);
  const before = await stat(at('outside/secret'));
  const untouched = async (): Promise<boolean> => {
    const now = await stat(at('outside/secret'));
    return (
      [now.mode, now.mtimeMs, now.nlink, now.uid].join() ===
        [before.mode, before.mtimeMs, before.nlink, before.uid].join() &&
      (await readFile(at('outside/secret'), 'utf8')) === SECRET &&
      (await readdir(at('outside'))).join() === 'secret'
    );
  };
  await writeFile(at('jail/file'), 'inside');

  const status = async (answer: Promise<Reply>): Promise<number | string> => {
    const reply = await answer;
    return reply.type === 'status' ? reply.code : reply.type;
  };
  const change = attributes({ size: 0n, permissions: 0o777, times: [0, 0], owner: [1, 1] });

  /** Every request that follows a path to its end: what each answers. */
  const follow = async (path: string) => {
    const file = string(path);
    return {
      read: await status(client.request('open', file, u32(flags.read), attributes())),
      write: await status(client.request('open', file, u32(flags.write | flags.create | flags.truncate), attributes())),
      opendir: await status(client.request('opendir', file)),
      stat: await status(client.request('stat', file)),
      setstat: await status(client.request('setstat', file, change)),
      statvfs: await status(client.extended('statvfs@openssh.com', file)),
    };
  };
  /** Every request that means a name, whatever it leads to: what each answers. */
  const name = async (path: string) => {
    const [file, mine, fresh] = [string(path), string('file'), string('fresh')];
    return {
      lstat: await status(client.request('lstat', file)),
      lsetstat: await status(client.extended('lsetstat@openssh.com', file, attributes({ times: [0, 0] }))),
      readlink: await status(client.request('readlink', file)),
      mkdir: await status(client.request('mkdir', file, attributes())),
      rmdir: await status(client.request('rmdir', file)),
      remove: await status(client.request('remove', file)),
      symlink: await status(client.request('symlink', string('x'), file)),
      renameFrom: await status(client.request('rename', file, fresh)),
      renameTo: await status(client.request('rename', mine, file)),
      replaceFrom: await status(client.extended('posix-rename@openssh.com', file, fresh)),
      replaceTo: await status(client.extended('posix-rename@openssh.com', mine, file)),
      linkFrom: await status(client.extended('hardlink@openssh.com', file, fresh)),
      linkTo: await status(client.extended('hardlink@openssh.com', mine, file)),
    };
  };
  return { ...client, at, untouched, follow, name };
}
