/** `enter run` without an app: what a session's program gets, and how its end is told. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { buffer, text as textOf } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { launchBytes } from '../program.ts';
import { buildEnter } from './testing/build-enter.ts';
import { runSession, startSession } from './testing/session.ts';

// A bound against hanging, not a measure: other tests share the machine.
vi.setConfig({ testTimeout: 120_000 });

let enter: string;
beforeAll(async () => {
  enter = await buildEnter();
  if (process.getuid?.() !== 0) throw new Error('these tests change uids: run them as root');
}, 300_000);

const run = (...words: string[]) => runSession([enter, 'run', ...words]);
const shell = (script: string, ...options: string[]) => run(...options, '--', 'sh', '-c', script);

/** The helper with these bytes to launch from, and variables of its own. */
async function runLaunched(launch: Buffer) {
  const child = spawn(enter, ['run', '--launch-length', `${launch.length}`], {
    env: { LD_PRELOAD: '/ours' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const control = child.stdio[3];
  if (!(control instanceof Duplex) || child.stdout === null || child.stderr === null) throw new TypeError('no streams');
  control.on('error', () => undefined).write(launch);
  const [bytes, errors, [code]] = await Promise.all([buffer(child.stdout), textOf(child.stderr), once(child, 'close')]);
  return { bytes, stderr: errors, code: Number(code) };
}

/** The lines of a status file, as an object. */
const fields = (text: string) => Object.fromEntries(text.split('\n').map((line) => line.split(/:\s+/, 2)));

describe('the end', () => {
  test('the exit code is the program’s', async () => {
    expect(await shell('exit 0')).toMatchObject({ code: 0, signal: null });
    expect(await shell('exit 37')).toMatchObject({ code: 37, signal: null, stderr: '' });
  });

  test.each(['TERM', 'KILL', 'SEGV', 'HUP'] as const)('a program that died by SIG%s is told as such', async (name) => {
    expect(await shell(`kill -${name} $$`)).toMatchObject({ code: null, signal: `SIG${name}` });
  });

  test('a program that does not exist is 127, one that may not be executed 126, each with a sentence', async () => {
    expect(await run('--', 'no-such-program')).toMatchObject({
      code: 127,
      stderr: 'sshaccess: no-such-program: not found\n',
    });
    expect(await run('--path', '/no/such', '--', 'x')).toMatchObject({
      code: 127,
      stderr: 'sshaccess: /no/such: not found\n',
    });
    expect(await run('--path', '/etc', '--', 'x')).toMatchObject({
      code: 126,
      stderr: 'sshaccess: /etc: Permission denied\n',
    });
  });

  test('C4: a message quotes what users type without its control characters', async () => {
    const { stderr } = await run('--', 'a\u001B[31m\nb');
    expect(stderr).toBe('sshaccess: a?[31m?b: not found\n');
  });

  test.each([
    ['--uid', '-1', '--', 'true'],
    ['--uid', '4294967295', '--', 'true'],
    ['--modes', '123', '--', 'true'],
    ['--pty', '80', '--', 'true'],
    ['--umask', '9', '--', 'true'],
    ['--pid', '1', '--', 'true'],
    ['--nonsense', '--', 'true'],
    ['--uid'],
    ['--'],
  ])('wrong usage is 2: %s %s', async (...words) => {
    expect(await run(...words)).toMatchObject({ code: 2, stderr: expect.stringMatching(/^sshaccess: .*\n$/) });
  });
});

describe('the program', () => {
  test('has a name of its own choosing', async () => {
    expect(await run('--path', '/bin/sh', '--', '-sh', '-c', 'echo $0')).toMatchObject({ stdout: '-sh\n' });
  });

  test('is searched for in the PATH of the session’s environment', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sshaccess-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    await writeFile(join(folder, 'my-tool'), '#!/bin/sh\necho mine\n', { mode: 0o755 });
    const { stdout } = await runSession([enter, 'run', '--', 'my-tool'], '', { env: { PATH: `/nowhere:${folder}` } });
    expect(stdout).toBe('mine\n');
  });

  test('is the fallback when the image has none, with the same arguments', async () => {
    const words = ['--fallback', '/bin/busybox', '--', '-sh', '-c', 'echo "$0|$1"; ls -d /', 'a', 'b c'];
    expect(await run(...words)).toMatchObject({ code: 0, stdout: 'a|b c\n/\n' });
  });

  test('is /bin/sh when the image has not the one that its passwd file names', async () => {
    const words = [
      '--path',
      '/no/bash',
      '--fallback',
      '/bin/busybox',
      '--',
      '-bash',
      '-c',
      'echo "$0 $SHELL"; readlink /proc/$$/exe',
    ];
    expect(await run(...words)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^-sh \/bin\/sh\n(?!.*busybox)/),
    });
  });

  test('is not the fallback when the image has one', async () => {
    expect(await run('--fallback', '/bin/busybox', '--', 'sh', '-c', 'readlink /proc/$$/exe')).toMatchObject({
      stdout: expect.not.stringContaining('busybox'),
    });
  });

  test('gets its arguments byte for byte', async () => {
    const argument = '$(id) `id` \\ "\' \n * ~ \u00FC';
    expect(await run('--', 'printf', '%s', argument)).toMatchObject({ stdout: argument });
  });

  test('D5b: gets the environment byte for byte, and nothing that was meant for the helper', async () => {
    const environment = new Map([
      ['A', Buffer.of(0xff, 0x01)],
      ['B', Buffer.alloc(0)],
      ['LD_PRELOAD', Buffer.from('/nowhere.so')],
      ['X', Buffer.from('1=2')],
      ['\u00FF', Buffer.from('name')],
    ]);
    const launch = launchBytes(
      ['/bin/busybox', 'cat', '/proc/self/environ'].map((word) => Buffer.from(word)),
      environment,
    );
    const { bytes } = await runLaunched(launch);
    expect(bytes.toString('latin1')).toBe('A=\u00FF\u0001\0B=\0LD_PRELOAD=/nowhere.so\0X=1=2\0\u00FF=name\0');
  });

  test('that is launched wrongly is not started, and what is too long for the kernel is a sentence', async () => {
    for (const launch of ['', '1', '2\0a\0', '0\0', 'x\0a\0', '-1\0a\0', '99999999999999999999\0a\0', '\0\0'])
      expect(await runLaunched(Buffer.from(launch))).toMatchObject({ code: 2, bytes: Buffer.alloc(0) });
    const long = launchBytes([Buffer.from('true'), Buffer.alloc(200_000, 'x')], new Map());
    expect(await runLaunched(long)).toMatchObject({
      code: 126,
      stderr: 'sshaccess: the command and the environment are longer than the kernel lets a program have\n',
    });
  });

  test('gets what our own libc would understand as it was', async () => {
    // glibc reads GLIBC_TUNABLES of static programs too, and cuts its own copy into pieces.
    const env = { PATH: process.env['PATH'], GLIBC_TUNABLES: 'glibc.malloc.check=glibc.malloc.check=3:x:y' };
    const { stdout } = await runSession([enter, 'run', '--', 'sh', '-c', 'echo "$GLIBC_TUNABLES"'], '', { env });
    expect(stdout).toBe('glibc.malloc.check=glibc.malloc.check=3:x:y\n');
  });

  test('has no descriptors but the three', async () => {
    expect(await run('--', '/bin/busybox', 'ls', '/proc/self/fd')).toMatchObject({ stdout: '0\n1\n2\n3\n' });
    expect(await run('--pty', '80x24', '--', '/bin/busybox', 'ls', '-1', '/proc/self/fd')).toMatchObject({
      stdout: '0\r\n1\r\n2\r\n3\r\n',
    });
    // The last is ls's own, of the folder.
    expect(await shell('ls -l /proc/self/fd/ | grep -c "/proc/.*fd$"')).toMatchObject({ stdout: '1\n' });
  });

  test('inherits no descriptor that the sidecar left open', async () => {
    const script = 'exec 5</etc/passwd 8</ ; exec "$0" run -- /bin/busybox ls /proc/self/fd';
    expect(await runSession(['/bin/bash', '-c', script, enter])).toMatchObject({ stdout: '0\n1\n2\n3\n' });
  });

  test('starts with closed standard streams all the same', async () => {
    const script = 'exec "$0" run -- sh -c "exit 3" <&- >&- 2>&- 3>&-';
    expect(await runSession(['/bin/bash', '-c', script, enter])).toMatchObject({ code: 3 });
  });

  test('finds no signal ignored or blocked, and leads its session', async () => {
    // The shell itself reads: while it starts a program, its libc blocks every signal for a moment.
    const script = 'while read -r line; do echo "$line"; done </proc/$$/status; cut -d" " -f1,5,6 /proc/$$/stat';
    const { stdout } = await shell(script, '--no-new-privs');
    expect(fields(stdout)).toMatchObject({ SigBlk: '0000000000000000', SigIgn: '0000000000000000', NoNewPrivs: '1' });
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^(\d+) \1 \1$/);
  });

  test('has the core limit that the sidecar had', async () => {
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ulimit -Sc 123; exec "$0" run -- sh -c "ulimit -Sc"',
      enter,
    ]);
    expect(stdout).toBe('123\n');
  });

  test('runs in its directory, or in / when that is not its to enter', async () => {
    expect(await shell('pwd', '--cwd', '/usr/bin')).toMatchObject({ stdout: '/usr/bin\n' });
    expect(await shell('pwd', '--cwd', '/no/such')).toMatchObject({ stdout: '/\n' });
    const folder = await mkdtemp(join(tmpdir(), 'sshaccess-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    expect(await shell('pwd', '--cwd', folder, '--uid', '61000', '--gid', '61000', '--groups', '')).toMatchObject({
      stdout: '/\n',
    });
  });
});

describe('the rights', () => {
  test('a user other than root has its ids, its groups, and not one capability', async () => {
    const options = [
      '--uid',
      '61000',
      '--gid',
      '61001',
      '--groups',
      '7,8',
      '--no-new-privs',
      '--capbnd',
      '0',
      '--umask',
      '077',
    ];
    const { stdout } = await shell('cat /proc/self/status; umask', ...options);
    const zero = '0'.repeat(16);
    expect(fields(stdout)).toMatchObject({
      Uid: '61000\t61000\t61000\t61000',
      Gid: '61001\t61001\t61001\t61001',
      Groups: '7 8 ',
      NoNewPrivs: '1',
      CapInh: zero,
      CapPrm: zero,
      CapEff: zero,
      CapBnd: zero,
      CapAmb: zero,
    });
    expect(stdout).toMatch(/0077\n$/);
  });

  test('root is bounded by what the app is bounded by', async () => {
    const bound = '00000000a80425fb';
    const { stdout } = await shell(
      'cat /proc/self/status',
      '--uid',
      '0',
      '--gid',
      '0',
      '--groups',
      '',
      '--capbnd',
      bound,
    );
    expect(fields(stdout)).toMatchObject({ CapPrm: bound, CapEff: bound, CapBnd: bound, CapInh: '0'.repeat(16) });
    expect(fields(stdout)).toMatchObject({ Groups: '', NoNewPrivs: '0' });
  });

  test('a helper that is not root stays who it is, and refuses to be anybody else', async () => {
    const asUser = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups', '--bounding-set=-all', enter, 'run'];
    const script = ['--', 'sh', '-c', 'id -u; id -g'];
    const own = ['--uid', '1000', '--gid', '1000', '--groups', ''];
    expect(await runSession([...asUser, ...own, ...script])).toMatchObject({ code: 0, stdout: '1000\n1000\n' });
    for (const ids of [
      ['--uid', '1001', '--gid', '1000', '--groups', ''],
      ['--uid', '1000', '--gid', '0', '--groups', ''],
      ['--uid', '1000', '--gid', '1000', '--groups', '5'],
      ['--uid', '0', '--gid', '0', '--groups', ''],
    ])
      expect(await runSession([...asUser, ...ids, ...script])).toMatchObject({
        code: 126,
        stdout: '',
        stderr: expect.stringMatching(/^sshaccess: cannot .*: Operation not permitted\n$/),
      });
  });

  test('the monitor keeps nothing but KILL, cannot be traced, and is out of the session’s reach', async () => {
    const session = startSession([
      enter,
      'run',
      '--uid',
      '61000',
      '--gid',
      '61000',
      '--groups',
      '',
      '--',
      'sh',
      '-c',
      'echo $PPID; grep -E "^(Uid|Cap|NoNew)" /proc/$PPID/status; kill -0 $PPID; readlink /proc/$PPID/root; echo done; read x',
    ]);
    await session.sees('done');
    expect(fields(session.output())).toMatchObject({
      Uid: '0\t61000\t0\t61000',
      CapPrm: '0000000000000020',
      CapEff: '0000000000000020',
      CapInh: '0'.repeat(16),
      NoNewPrivs: '1',
    });
    expect(session.output()).not.toMatch(/^\/$/m);
    session.stdin.end();
    expect(await session.ended).toMatchObject({ code: 1 });
    // Complete only now: stderr is relayed apart from stdout.
    expect(session.errors()).toMatch(/not permitted/i);
  });
});
