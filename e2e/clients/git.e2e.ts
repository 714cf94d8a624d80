/** git: a bare repository in the pod. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { succeed } from '../support/process.ts';
import { type Bench, describeClient } from './describe-client.ts';
import { randomFile, sha256 } from './files.ts';

describeClient('git', (works) => {
  works('root: push to a bare repository in the pod, clone, fetch', (bench) =>
    pushAndClone(bench, 'workbench', '/data/root.git'),
  );
  works('limited: push, clone, fetch, as its own uid', (bench) =>
    pushAndClone(bench, 'workbench-limited', '/tmp/limited.git'),
  );
});

async function pushAndClone({ ssh, folder }: Bench, host: string, repository: string): Promise<void> {
  const env = { ...process.env, GIT_SSH_COMMAND: ssh, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
  const work = join(folder, host);
  const clone = `${work}-clone`;
  const git = (where: string, ...args: string[]): Promise<string> =>
    succeed(['git', '-C', where, '-c', 'user.name=e2e', '-c', 'user.email=e2e@example.com', ...args], { env });
  await succeed(['sh', '-c', `${ssh} ${host} 'rm -rf ${repository} && git init -q --bare -b main ${repository}'`]);
  await mkdir(work);
  await git(work, 'init', '-q', '-b', 'main');
  randomFile(join(work, 'binary'), 2_000_000);
  await git(work, 'add', '.');
  await git(work, 'commit', '-qm', 'first');
  await git(work, 'push', '-q', `${host}:${repository}`, 'main');

  await git(folder, 'clone', '-q', `ssh://${host}${repository}`, clone);
  expect(sha256(join(clone, 'binary'))).toBe(sha256(join(work, 'binary')));
  await writeFile(join(work, 'text'), 'second\n');
  await git(work, 'add', '.');
  await git(work, 'commit', '-qm', 'second');
  await git(work, 'push', '-q', `${host}:${repository}`, 'main');
  await git(clone, 'fetch', '-q');
  expect(await git(clone, 'show', 'origin/main:text')).toBe('second\n');
  await git(clone, 'fsck', '--full');
}
