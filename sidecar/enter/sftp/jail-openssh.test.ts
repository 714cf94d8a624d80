/** A confined server, by OpenSSH's own client. */
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { openSshClient } from './testing/openssh.ts';

const success = { code: 0, stderr: '' };

test('sftp works inside as it always does', async () => {
  const { remote, local, run } = await openSshClient({ isJailed: true });
  await writeFile(join(local, 'f'), 'content');
  const output = await run(
    'put -p f',
    'mkdir d',
    'rename f d/g',
    'cd d',
    'pwd',
    'ln -s g link',
    'ln g hard',
    'chmod 640 link',
    'get -p link back',
    'cd ..',
    'put -r .',
    'ls -la',
    'df',
    'rm d/*',
    'rmdir d',
  );
  expect(output).toMatchObject(success);
  expect(output.stdout).toContain(`Remote working directory: ${remote}/d\n`);
  expect(output.stdout).toMatch(/^drwx.* d$/m);
  expect(await readFile(join(local, 'back'), 'utf8')).toBe('content');
  expect((await readdir(remote)).toSorted()).toEqual(['back', 'f']);
});

test('sftp walks from / to the directory, and sees nothing else', async () => {
  const { remote, run } = await openSshClient({ isJailed: true });
  const walk = remote.split('/').slice(1);
  const output = await run('cd /', ...walk.flatMap((name) => ['ls -1', `cd ${name}`]), 'pwd');
  expect(output).toMatchObject(success);
  const seen = output.stdout.split('\n').filter((line) => line !== '' && !line.startsWith('sftp>'));
  expect(seen).toEqual([...walk, `Remote working directory: ${remote}`]);
});

test('sftp and scp are refused outside', async () => {
  const { remote, local, run, scp } = await openSshClient({ isJailed: true });
  await writeFile(join(local, 'f'), 'content');
  await symlink('/etc', join(remote, 'etc'));
  const outside = join(dirname(remote), 'made');
  for (const command of [
    'get /etc/passwd',
    'get etc/passwd',
    `put f ${outside}`,
    `mkdir ${outside}`,
    'ls /etc',
    'cd etc',
  ])
    expect({ command, ...(await run(command)) }).toMatchObject({
      command,
      code: 1,
      stderr: expect.stringMatching(/denied|not found/),
    });
  for (const words of [
    ['host:/etc/passwd', 'x'],
    ['f', `host:${outside}`],
  ])
    expect(await scp(...words)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/denied|not found|no such file/i),
    });
  expect((await readdir(dirname(remote))).toSorted()).toEqual(['batch', 'local', 'remote', 'server']);
});

test('scp copies to and from the directory, which it calls ~', async () => {
  const { remote, local, scp } = await openSshClient({ isJailed: true });
  await writeFile(join(local, 'f'), 'content');
  expect(await scp('f', 'host:~/g')).toMatchObject(success);
  expect(await scp('f', 'host:')).toMatchObject(success);
  expect(await scp('-rp', `host:${remote}`, 'tree')).toMatchObject(success);
  expect((await readdir(join(local, 'tree'))).toSorted()).toEqual(['f', 'g']);
});
