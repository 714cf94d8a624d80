/** The audit lines: byte for byte those of the sidecar, from each shell, whatever a client sends. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { INIT_SCRIPT_FILE } from './init-script.ts';
import { type Container, FACTS, Pod, SHELLS, until } from './testing/container.ts';

const WHO = 'user=acme-hello src=203.0.113.7 session=5f1c9a3be07d4426';

/** Commands, as latin1, and how bash's `printf %q` shows them in the C locale. */
const COMMANDS = [
  ['id', 'id'],
  ["echo 'a b'", String.raw`echo\ \'a\ b\'`],
  ['', "''"],
  [
    'x\n2026-11-21T09:08:07Z SSH_AUDIT connect user=root',
    String.raw`$'x\n2026-11-21T09:08:07Z SSH_AUDIT connect user=root'`,
  ],
  ['\u001b[2J\r\u007f\u0001', String.raw`$'\E[2J\r\177\001'`],
  ['caf\u00c3\u00a9 \u00ff\u0081\u0088', String.raw`$'caf\303\251 \377\201\210'`],
  ["it's \\ here\t", String.raw`$'it\'s \\ here\t'`],
  ['-n %s %d %% \\0101', String.raw`-n\ %s\ %d\ %%\ \\0101`],
  ['#a #b ~c:~d=~e f~', String.raw`\#a\ #b\ ~c:\~d=\~e\ f~`],
] as const;

const everyByte = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1));
const long = `echo ${'a'.repeat(2000)} ${"'b' ".repeat(500)}`;

/** What bash itself makes of bytes. */
const asBash = (bytes: Buffer): string =>
  execFileSync('/bin/bash', ['--norc', '-c', 'IFS= read -rd "" x; printf %q "$x"'], {
    input: Buffer.concat([bytes, Buffer.of(0)]),
    env: { LC_ALL: 'C' },
  }).toString('latin1');

describe.each(SHELLS)('%s', { timeout: 120_000 }, (shell) => {
  const [program = '', ...before] = shell.split(' ');
  const pod = new Pod();
  const fifo = join(pod.runtime, 'audit');
  let log = '';
  const logger = spawn('/bin/sh', ['-c', 'mkfifo "$1" && echo ready && exec cat <>"$1"', 'sh', fifo]);
  logger.stdout.on('data', (chunk: Buffer) => (log += chunk.toString('latin1')));
  beforeAll(() => until(() => log.startsWith('ready\n')));
  afterAll(async () => {
    logger.kill();
    await once(logger, 'close');
    pod.remove();
  });

  /** Runs the ForceCommand as sshd does; gives what the program that it becomes printed. */
  function run(command: Buffer | string, facts = FACTS): Buffer {
    const args = [...before, INIT_SCRIPT_FILE, 'session', pod.runtime, 'yes', String(logger.pid), 'word', '/bin/echo'];
    // Node's environment is text; printf makes the bytes.
    const octal = [...Buffer.from(command)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
    const make =
      'SSH_ORIGINAL_COMMAND=$(printf "$0x"); export SSH_ORIGINAL_COMMAND="${SSH_ORIGINAL_COMMAND%x}"; exec "$@"';
    return execFileSync('/bin/dash', ['-c', make, octal, program, ...args], {
      env: { PATH: '/usr/bin:/bin', SHELL: '/bin/echo', SSH_CONNECTION: '192.0.2.1 1 192.0.2.2 2222', ...facts },
      stdio: 'pipe',
    });
  }

  /** The same, and the lines that it left. */
  async function session(command: Buffer | string, facts = FACTS): Promise<{ stdout: Buffer; lines: string[] }> {
    const [begin, id] = [log.length, crypto.randomUUID()];
    const stdout = run(command, facts);
    run('', { ...FACTS, SSHACCESS_SESSION: id });
    await until(() => log.includes(`session=${id} cmd=''\n`));
    const lines = log.slice(begin).split('\n').slice(0, -3);
    return { stdout, lines: lines.map((line) => line.replace(/^\S+ /, '')) };
  }

  test.each(COMMANDS)('quotes %j', async (command, quoted) => {
    const bytes = Buffer.from(command, 'latin1');
    const { stdout, lines } = await session(bytes);
    expect(lines).toEqual([`SSH_AUDIT connect ${WHO}`, `SSH_AUDIT exec ${WHO} cmd=${quoted}`]);
    expect(stdout).toEqual(Buffer.concat([Buffer.from('-c '), bytes, Buffer.from('\n')]));
  });

  test('quotes each byte as bash does, and gives it to the shell unchanged', async () => {
    const { stdout, lines } = await session(everyByte);
    expect(lines[1]).toBe(`SSH_AUDIT exec ${WHO} cmd=${asBash(everyByte)}`);
    expect(stdout.subarray(3, -1)).toEqual(everyByte);
  });

  test('writes a long command in lines that a pipe keeps whole', async () => {
    const { lines } = await session(long);
    const parts = lines.slice(1).map((line) => line.replace(/^.*? cmd\+?=/, ''));
    expect(lines.length).toBeGreaterThan(3);
    expect(lines.every((line) => line.length < 4000)).toBe(true);
    expect(parts.join('')).toBe(asBash(Buffer.from(long)));
  });

  test('calls sftp a subsystem, which no command can', async () => {
    const { stdout, lines } = await session('word', { ...FACTS, SSHACCESS_SFTP: 'read-only' });
    expect(lines).toEqual([`SSH_AUDIT connect ${WHO}`, `SSH_AUDIT exec ${WHO} subsystem=sftp`]);
    expect(stdout.toString()).toBe('-R\n');
    expect((await session('subsystem=sftp')).lines[1]).toBe(`SSH_AUDIT exec ${WHO} cmd=subsystem=sftp`);
  });

  test('starts nothing for facts that could forge a line', () => {
    const forged = 'x\n2026-11-21T09:08:07Z SSH_AUDIT connect user=root';
    for (const name of Object.keys(FACTS)) {
      if (name === 'SSHACCESS_SFTP') continue;
      expect(() => run('id', { ...FACTS, [name]: forged })).toThrow('did not come through the gateway');
    }
  });

  test('has the time first, as RFC 3339 writes it', async () => {
    await session('id');
    expect(log).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ SSH_AUDIT connect /m);
  });
});

describe('in a container', { timeout: 120_000 }, () => {
  const pod = new Pod();
  let container: Container;
  beforeAll(async () => {
    container = await pod.start();
  }, 120_000);
  afterAll(() => {
    pod.remove();
  });

  test('lines are in its log, not on the user’s screen', async () => {
    const { stdout, stderr } = await container.ssh("echo 'a b' >&2");
    expect({ stdout: stdout.toString(), stderr }).toEqual({ stdout: '', stderr: 'a b\n' });
    expect((await container.audit())[1]).toBe(String.raw`SSH_AUDIT exec ${WHO} cmd=echo\ \'a\ b\'\ \>\&2`);
  });

  test('many sessions at once never mix their lines', async () => {
    const before = (await container.audit()).length;
    const commands = Array.from({ length: 8 }, (_, index) => `: ${String(index).repeat(4000)}`);
    await Promise.all(commands.map((command) => container.ssh(command)));
    const lines = (await container.audit()).slice(before);
    expect(
      lines.every((line) => /^SSH_AUDIT (connect|exec) user=\S+ src=\S+ session=\S+( cmd\+?=\S*)?( .*)?$/.test(line)),
    ).toBe(true);
    for (const digit of '01234567') {
      const written = lines.join('').split(digit).length - 1;
      expect(written, digit).toBeGreaterThanOrEqual(4000);
    }
  });
});
