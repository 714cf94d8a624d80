/** A real sidecar and the real helper, over TCP; there is no app, so sessions open in the toolbox. */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { Writer } from '../lib/ssh/wire.ts';
import { buildEnter } from './enter/testing/build-enter.ts';
import { type SidecarFixture, startSidecar } from './testing/sidecar-fixture.ts';
import { limitedAssertion, rootAssertion, type TestSession, type UserClient } from './testing/user-client.ts';

let sidecar: SidecarFixture;
let root: UserClient;
let limited: UserClient;

beforeAll(async () => {
  sidecar = await startSidecar({ enterPath: await buildEnter(), busyboxPath: '/bin/busybox' });
  root = sidecar.connect();
  limited = sidecar.connect();
  await Promise.all([root.authenticated, limited.authenticated]);
  expect(await root.assert(rootAssertion)).toBe(true);
  expect(await limited.assert(limitedAssertion)).toBe(true);
}, 120_000);
afterAll(() => sidecar.close());

const text = (value: string) => new Writer().string(value).bytes();

/** A session that runs `command`, its input open. */
async function start(client: UserClient, command: string, prepare?: (session: TestSession) => Promise<unknown>) {
  const session = await client.session();
  await prepare?.(session);
  expect(await session.request('exec', text(command))).toBe(true);
  return session;
}

test('exec keeps stdout and stderr apart and returns the exit status', async () => {
  const result = await root.exec('echo out; echo err >&2; exit 7');
  expect(result).toMatchObject({ stdout: 'out\n', code: 7 });
  // Who is not uid 0 cannot know whether the app runs: other users' processes show no marker.
  const notice = process.getuid?.() === 0 ? /^sshaccess: container "app-\d+" has no running process .*toolbox.*\n/ : '';
  expect(result.stderr.replace(notice, '')).toBe('err\n');
});

test('D9: the command reaches the shell byte for byte', async () => {
  const { stdout } = await root.exec(`printf '%s|' 'a"b' "c'd" '$HOME' '\\n' 'é' '--'`);
  expect(Buffer.from(stdout, 'latin1').toString()).toBe(`a"b|c'd|$HOME|\\n|é|--|`);
});

test('D9: a command and variables that are not UTF-8 arrive as they are', async () => {
  const session = await root.session();
  const value = new Writer().string('LC_BYTES').string(Buffer.of(0xff, 0x01)).bytes();
  expect(await session.request('env', value)).toBe(true);
  const command = Buffer.concat([Buffer.from('printf "%s|" "$LC_BYTES" '), Buffer.of(0x65, 0xe9, 0xff)]);
  expect(await session.request('exec', new Writer().string(command).bytes())).toBe(true);
  expect((await session.done).stdout).toBe('\u00FF\u0001|e\u00E9\u00FF|');
});

test('a command that no program can be given is refused with a sentence', async () => {
  const result = await root.exec(Buffer.from('echo \0x'));
  expect(result).toMatchObject({ code: 126, stderr: expect.stringContaining('NUL') });
});

test('a command that is longer than the kernel allows is refused with a sentence', async () => {
  const result = await root.exec(`: ${'x'.repeat(140_000)}`);
  expect(result).toMatchObject({ code: 126, stderr: expect.stringContaining('longer than') });
});

test('input reaches the program, and its end too', async () => {
  const result = await root.exec('cat; echo end', Buffer.from('hello\n'));
  expect(result.stdout).toBe('hello\nend\n');
});

test('large input and output pass unharmed', async () => {
  const input = Buffer.alloc(8 * 2 ** 20, 'abcdefghij');
  const session = await start(root, 'cat');
  let received = 0;
  session.onData = (data) => (received += data.length);
  session.open.write(input);
  session.open.eof();
  expect(await session.done).toMatchObject({ code: 0 });
  expect(received).toBe(input.length);
});

test('a program that a signal ends reports it by the RFC name, or with our domain', async () => {
  expect(await root.exec('kill -KILL $$')).toMatchObject({ signal: 'KILL', code: undefined });
  expect(await root.exec('kill -BUS $$')).toMatchObject({ signal: 'BUS@sshaccess.dev' });
});

test('a signal from the client reaches the program; unknown ones are refused', async () => {
  const session = await start(root, 'trap "echo got it; exit 3" USR1; echo ready; while :; do sleep 0.05; done');
  await session.until('ready');
  expect(await session.request('signal', text('WINCH'))).toBe(false);
  expect(await session.request('signal', text('USR1'))).toBe(true);
  expect(await session.done).toMatchObject({ stdout: 'ready\ngot it\n', code: 3 });
});

test('a terminal has the size that the client says, also when it changes', async () => {
  const script = 'stty size; tty; echo $TERM; until stty size | grep "^40 120"; do sleep 0.05; done';
  const session = await start(root, script, (it) => it.pty(91, 33));
  await session.until('xterm');
  const resized = new Writer().uint32(120).uint32(40).uint32(0).uint32(0).bytes();
  expect(await session.request('window-change', resized)).toBe(true);
  const { stdout } = await session.done;
  expect(stdout).toMatch(/33 91\r\n\/dev\/pts\/\d+\r\nxterm\r\n/);
  expect(stdout).toMatch(/40 120\r\n$/);
});

test('a shell is a login shell on a terminal, and ctrl-C works', async () => {
  const session = await root.session();
  await session.pty(80, 24);
  expect(await session.request('shell')).toBe(true);
  session.open.write(Buffer.from('echo "0=$0"; sh -c "echo $((20 + 3))ready; exec sleep 100"\n'));
  await session.until('0=-');
  await session.until('23ready');
  session.open.write(Buffer.from('\u0003'));
  session.open.write(Buffer.from('exit 5\n'));
  expect(await session.done).toMatchObject({ code: 5, stdout: expect.stringContaining('the toolbox') });
});

test('who sits at a terminal before the app has started is told what is waited for; a command says nothing of it', async () => {
  const other = await startSidecar(
    { enterPath: await buildEnter(), busyboxPath: '/bin/busybox' },
    { firstStartMs: 4000 },
  );
  onTestFinished(() => other.close());
  const user = other.connect();
  await user.authenticated;
  expect(await user.assert(rootAssertion)).toBe(true);
  const command = await start(user, 'echo out');
  const shell = await user.session();
  await shell.pty(80, 24);
  expect(await shell.request('shell')).toBe(true);
  shell.open.write(Buffer.from('exit 5\n'));
  const waiting = /^sshaccess: waiting for container "app-\d+" to start\.\r\nsshaccess: .*the toolbox/s;
  expect(await shell.done).toMatchObject({ code: 5, stdout: expect.stringMatching(waiting) });
  const { stdout, stderr } = await command.done;
  expect(stdout).toBe('out\n');
  expect(stderr).not.toContain('waiting');
});

test('only one program per channel, and nothing is prepared after it has started', async () => {
  const session = await start(root, 'cat');
  const answers = ['exec', 'shell', 'subsystem'].map((type) =>
    session.request(type, text('sftp').subarray(0, type === 'shell' ? 0 : 8)),
  );
  expect(await Promise.all(answers)).toEqual([false, false, false]);
  expect([await session.pty(1, 1), await session.env('LANG', 'x')]).toEqual([false, false]);
  session.open.eof();
  await session.done;
});

test('a client sets the variables that its policy names, and none that choose a program', async () => {
  const hostile = ['LD_PRELOAD', 'PATH', 'NODE_OPTIONS', 'BASH_ENV', 'ENV', 'SSHACCESS_CONTAINER', 'HOME'];
  const session = await start(limited, 'env', async (it) => {
    const answers = ['LANG', 'LC_ALL', 'GIT_X', ...hostile].map((name) => it.env(name, 'C'));
    expect(await Promise.all(answers)).toEqual([true, true, ...['GIT_X', ...hostile].map(() => false)]);
  });
  session.open.eof();
  const { stdout } = await session.done;
  expect(stdout).toMatch(/^LC_ALL=C$/m);
  expect(stdout).not.toMatch(/^(LD_PRELOAD|NODE_OPTIONS|BASH_ENV|ENV|GIT_X|SSHACCESS_CONTAINER)=/m);
  expect(stdout).toMatch(/^SSH_CLIENT=203\.0\.113\.7 40000 \d+$/m);
  expect(stdout).toMatch(/^SSH_CONNECTION=203\.0\.113\.7 40000 127\.0\.0\.1 \d+$/m);
  expect(stdout).toMatch(/^SSHACCESS_ROLE=limited$/m);
});

test("nothing of the sidecar's own environment reaches a session", async () => {
  process.env['SIDECAR_ONLY'] = 'x';
  expect((await root.exec('env')).stdout).not.toMatch(/SIDECAR_ONLY|VITEST|NODE/);
});

test.runIf(process.getuid?.() === 0)('in the toolbox nobody is uid 0, and nothing can be gained', async () => {
  const script = 'id -u; id -g; id -G; umask; grep -E "NoNewPrivs|CapBnd|CapEff" /proc/self/status';
  const drop = 'NoNewPrivs:\t1\n';
  const none = '\t0000000000000000\n';
  const nobody = 61_000;
  const expected = (uid: number, umask: string) =>
    `${uid}\n${nobody}\n${nobody}\n${umask}\nCapEff:${none}CapBnd:${none}${drop}`;
  expect((await root.exec(script)).stdout).toBe(expected(65_532, '0022'));
  expect((await limited.exec(script)).stdout).toBe(expected(nobody, '0077'));
});

test('sftp answers its version', async () => {
  const session = await root.session();
  expect(await session.request('subsystem', text('sftp'))).toBe(true);
  session.open.write(new Writer().uint32(5).byte(1).uint32(3).bytes());
  await session.until('\u0002');
  expect(Buffer.from(session.result.stdout, 'latin1').readUInt32BE(5)).toBe(3);
  session.open.eof();
  expect(await session.done).toMatchObject({ code: 0 });
});

test('other subsystems, agent and X11 forwarding and unknown requests are refused', async () => {
  const session = await root.session();
  const types = ['auth-agent-req@openssh.com', 'x11-req', 'xon-xoff', 'keepalive@openssh.com', 'exit-status'];
  const answers = [...types.map((type) => session.request(type)), session.request('subsystem', text('netconf'))];
  expect(await Promise.all(answers)).toEqual(answers.map(() => false));
  session.open.close();
  await session.done;
});

test('a client that is gone takes its programs with it', async () => {
  const client = sidecar.connect();
  await client.authenticated;
  await client.assert({ ...rootAssertion, connectionId: 'gone' });
  const session = await start(client, 'echo $$; trap "" HUP TERM; sleep 1000; sleep 1000');
  await session.until('\n');
  const pid = Number(session.result.stdout);
  await client.close();
  const alive = () => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const deadline = performance.now() + 8000;
  while (alive() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
  expect(alive()).toBe(false);
}, 15_000);

test('a consumer that is gone ends an endless program: ssh host yes | head', async () => {
  const session = await start(root, 'exec yes');
  await session.until('y\n');
  session.open.discard();
  expect(await session.done).toMatchObject({ signal: 'PIPE' });
}, 10_000);

test('a program that stops reading does not stop the session, and the client is told to send no more', async () => {
  const session = await start(root, 'exec <&-; echo closed; sleep 0.3; echo done');
  await session.until('closed');
  session.open.write(Buffer.alloc(4 * 2 ** 20));
  expect(await session.done).toMatchObject({ code: 0, stdout: 'closed\ndone\n' });
  expect(session.requests).toEqual(['eow@openssh.com', 'exit-status']);
}, 10_000);

test('E3: every session leaves a connect line, and a command or subsystem its own', async () => {
  const before = sidecar.auditLines.length;
  const begin = async (type: string, fields?: Buffer): Promise<void> => {
    const session = await root.session();
    expect(await session.request(type, fields)).toBe(true);
    session.open.eof();
    await session.done;
  };
  await begin('shell');
  await begin('exec', text('kill -KILL $$'));
  await begin('subsystem', text('sftp'));
  const said = sidecar.auditLines.slice(before).map((line) => line.slice(line.indexOf('SSH_AUDIT')));
  const who = 'user=acme-my-llm src=203.0.113.7 session=test-1';
  expect(said).toEqual([
    `SSH_AUDIT connect ${who}\n`,
    `SSH_AUDIT connect ${who}\n`,
    `SSH_AUDIT exec ${who} cmd=kill\\ -KILL\\ \\$\\$\n`,
    `SSH_AUDIT connect ${who}\n`,
    `SSH_AUDIT exec ${who} subsystem=sftp\n`,
  ]);
});
