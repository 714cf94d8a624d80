/** The whole server, by OpenSSH's own client. */
import { createHash } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openSshClient, type Output } from './testing/openssh.ts';
import { randomFrom } from './testing/random.ts';

function expectSuccess({ code, stderr }: Output): void {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

async function sha256(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}

/** Bytes that do not repeat, the same in every run. */
function noise(length: number): Buffer {
  const random = randomFrom(length);
  const block = Buffer.from(Array.from({ length: 65_521 }, () => random.below(256)));
  return Buffer.alloc(length, block);
}

test('put and get keep 100 MB', async () => {
  const { remote, local, run } = await openSshClient();
  await writeFile(join(local, 'big'), noise(100_000_000));
  expectSuccess(await run('put big', 'get big again'));
  const expected = await sha256(join(local, 'big'));
  expect(await sha256(join(remote, 'big'))).toBe(expected);
  expect(await sha256(join(local, 'again'))).toBe(expected);
}, 120_000);

test('put and get keep an empty file, and files around every boundary', async () => {
  const { remote, local, run } = await openSshClient();
  const sizes = [0, 1, 32_767, 32_768, 32_769, 261_119, 261_120, 261_121, 262_144, 524_300];
  for (const size of sizes) await writeFile(join(local, `f${size}`), noise(size));
  expectSuccess(await run('put f*', ...sizes.map((size) => `get f${size} g${size}`)));
  for (const size of sizes) {
    expect(await sha256(join(remote, `f${size}`))).toBe(await sha256(join(local, `f${size}`)));
    expect(await sha256(join(local, `g${size}`))).toBe(await sha256(join(local, `f${size}`)));
  }
});

test('put -p and get -p keep permissions and times', async () => {
  const { remote, local, run } = await openSshClient();
  await writeFile(join(local, 'f'), 'x');
  await chmod(join(local, 'f'), 0o4751);
  await utimes(join(local, 'f'), 1_111_111_111, 1_222_222_222);
  expectSuccess(await run('put -p f', 'get -p f g'));
  for (const path of [join(remote, 'f'), join(local, 'g')]) {
    const { mode, mtimeMs } = await stat(path);
    expect([mode & 0o777, mtimeMs]).toEqual([0o751, 1_222_222_222_000]);
  }
});

test('put -r and get -r keep trees with many small files', async () => {
  const { remote, local, run } = await openSshClient();
  for (let folder = 0; folder < 5; folder++) {
    await mkdir(join(local, `tree/${folder}/empty`), { recursive: true });
    for (let file = 0; file < 60; file++) await writeFile(join(local, `tree/${folder}/${file}`), `${folder}/${file}`);
  }
  expectSuccess(await run('put -r tree', 'get -r tree back'));
  const names = (await readdir(join(local, 'tree'), { recursive: true })).toSorted();
  expect(names).toHaveLength(5 + 5 + 300);
  for (const root of [join(remote, 'tree'), join(local, 'back')]) {
    expect((await readdir(root, { recursive: true })).toSorted()).toEqual(names);
    expect(await readFile(join(root, '3/42'), 'utf8')).toBe('3/42');
  }
});

test('a directory of 3000 files is listed whole', async () => {
  const { remote, run } = await openSshClient();
  await Promise.all(Array.from({ length: 3000 }, (_, index) => writeFile(join(remote, `file-${index}`), '')));
  const { stdout } = await run('ls -1');
  expect(stdout.split('\n').filter((line) => line.startsWith('file-'))).toHaveLength(3000);
});

test('reput and reget go on where they ended', async () => {
  const { remote, local, run } = await openSshClient();
  const whole = noise(1_000_000);
  await writeFile(join(local, 'f'), whole);
  await writeFile(join(remote, 'f'), whole.subarray(0, 333_333));
  await writeFile(join(local, 'part'), whole.subarray(0, 777_777));
  expectSuccess(await run('reput f', 'reget f part'));
  expect((await readFile(join(remote, 'f'))).equals(whole)).toBe(true);
  expect((await readFile(join(local, 'part'))).equals(whole)).toBe(true);
});

test('names may be of any bytes that Linux allows', async () => {
  const { remote, local, run } = await openSshClient();
  const names = ['grün 日本語 🦀', ' leading', 'trailing ', 'quote"double', 'back\\slash', '-dash', 'star*', '~', '#'];
  for (const name of names) await writeFile(join(local, name), name);
  const quoted = (name: string): string => `"./${name.replaceAll(/[\\"]/g, String.raw`\$&`)}"`;
  for (const name of names) {
    expectSuccess(await run(`put ${quoted(name)}`, `get ${quoted(name)} "../back"`));
    expect(await readFile(join(local, '../back'), 'utf8')).toBe(name);
  }
  expect((await readdir(remote)).toSorted()).toEqual(names.toSorted());
});

test('ls -l prints the lines of our listing', async () => {
  const { remote, run } = await openSshClient();
  await writeFile(join(remote, 'f'), '12345');
  await chmod(join(remote, 'f'), 0o640);
  await utimes(join(remote, 'f'), 0, Date.UTC(2020, 1, 3) / 1000);
  const { uid, gid } = await stat(join(remote, 'f'));
  const { stdout } = await run('ls -l');
  expect(stdout).toMatch(new RegExp(`-rw-r----- +1 ${uid} +${gid} +5 Feb +3 +2020 f\n`));
});

test('rename, rm, mkdir, rmdir, ln, ln -s, chmod, chown and pwd do what they say', async () => {
  const { remote, run } = await openSshClient();
  const at = (name: string): string => join(remote, name);
  await writeFile(at('f'), 'content');
  await writeFile(at('old'), 'old');
  const { uid, gid } = await stat(at('f'));
  const output = await run(
    'mkdir d',
    'mkdir d/inner',
    'rmdir d/inner',
    // By posix-rename: the client prefers it, and it replaces.
    'rename f old',
    'ln old hard',
    'ln -s old soft',
    'chmod 600 old',
    `chown ${uid} old`,
    `chgrp ${gid} old`,
    'rename hard d/moved',
    'cd d',
    'pwd',
    'rm moved',
  );
  expectSuccess(output);
  expect(output.stdout).toContain(`Remote working directory: ${remote}/d`);
  expect((await readdir(remote)).toSorted()).toEqual(['d', 'old', 'soft']);
  expect(await readdir(at('d'))).toEqual([]);
  expect(await readlink(at('soft'))).toBe('old');
  expect((await lstat(at('old'))).mode & 0o777).toBe(0o600);
  expect(await readFile(at('old'), 'utf8')).toBe('content');
});

test('rename -l does not replace', async () => {
  const { remote, run } = await openSshClient();
  await writeFile(join(remote, 'f'), 'f');
  await writeFile(join(remote, 'g'), 'g');
  const { code, stderr } = await run('rename -l f g');
  expect(code).toBe(1);
  expect(stderr).toMatch(/rename.*: Failure/);
  expectSuccess(await run('rename -l f h'));
  expect((await readdir(remote)).toSorted()).toEqual(['g', 'h']);
});

test('df tells the size of the file system', async () => {
  const { run } = await openSshClient();
  const output = await run('df');
  expectSuccess(output);
  expect(output.stdout).toMatch(/Size +Used +Avail +\(root\) +%Capacity\n( +\d+){4} +\d+%/);
});

test('cp copies on the server', async ({ skip }) => {
  const { remote, run } = await openSshClient();
  await writeFile(join(remote, 'f'), noise(300_000));
  const output = await run('cp f g');
  if (output.stderr.includes('Invalid command')) skip('this client is older than copy-data');
  expectSuccess(output);
  expect(await sha256(join(remote, 'g'))).toBe(await sha256(join(remote, 'f')));
});

test('scp copies to and from the home, which it calls ~', async () => {
  const { remote, local, scp } = await openSshClient();
  await mkdir(join(remote, 'd'));
  await writeFile(join(local, 'f'), noise(200_000));
  expectSuccess(await scp('f', 'host:~/d/'));
  expectSuccess(await scp('host:~/d/f', 'back'));
  expectSuccess(await scp('-rp', 'host:d', 'tree'));
  expect(await sha256(join(local, 'back'))).toBe(await sha256(join(local, 'f')));
  expect(await sha256(join(local, 'tree/f'))).toBe(await sha256(join(local, 'f')));
});

test('links are followed, also absolute ones', async () => {
  const { remote, local, run } = await openSshClient();
  await writeFile(join(remote, 'f'), 'content');
  await symlink(join(remote, 'f'), join(remote, 'link'));
  expectSuccess(await run('get link'));
  expect(await readFile(join(local, 'link'), 'utf8')).toBe('content');
});

test('the client tells what went wrong', async () => {
  const { local, run } = await openSshClient({ unprivileged: true });
  await writeFile(join(local, 'f'), 'content');
  const complaint = async (command: string): Promise<string> => {
    const { code, stderr } = await run(command);
    expect(code, command).toBe(1);
    return stderr;
  };
  expect(await complaint('get missing')).toMatch(/"?missing"? not found|No such file or directory/);
  expect(await complaint('get /etc/shadow')).toContain('Permission denied');
  expect(await complaint('put f /etc/f')).toContain('Permission denied');
  expect(await complaint('put f /dev/full')).toContain('write remote "/dev/full": Failure');
  expect(await complaint('mkdir /etc/d')).toContain('Permission denied');
  expect(await complaint('rmdir missing')).toContain('No such file or directory');
  expect(await complaint('chmod 777 /etc/passwd')).toContain('Permission denied');
});

test('read-only, the client reads and is refused to write', async () => {
  const { remote, local, run } = await openSshClient({ readOnly: true });
  await writeFile(join(remote, 'f'), 'content');
  await writeFile(join(local, 'mine'), 'mine');
  expectSuccess(await run('get f', 'ls -l', 'df', 'cd /', 'pwd'));
  for (const command of ['put mine', 'rm f', 'mkdir d', 'rename f g', 'chmod 600 f', 'ln -s f g', 'ln f g']) {
    const { code, stderr } = await run(command);
    expect({ command, code, stderr }).toEqual({
      command,
      code: 1,
      stderr: expect.stringMatching(/Permission denied|not supported|does not support/i),
    });
  }
  expect(await readdir(remote)).toEqual(['f']);
  expect(await readFile(join(remote, 'f'), 'utf8')).toBe('content');
});
