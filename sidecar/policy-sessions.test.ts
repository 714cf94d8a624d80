/** What the policy leaves of a session, at the sidecar itself: no piper stands before it here. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Ceiling } from '../crds/secret-contract.ts';
import { DEFAULT_POLICIES, type SessionPolicy } from '../crds/session-policy.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { buildEnter } from './enter/testing/build-enter.ts';
import { bothRoles, type SidecarFixture, startSidecar } from './testing/sidecar-fixture.ts';
import { rootAssertion, type UserClient } from './testing/user-client.ts';

let sidecar: SidecarFixture;

beforeAll(async () => {
  sidecar = await startSidecar({ enterPath: await buildEnter(), busyboxPath: '/bin/busybox' });
}, 120_000);
afterAll(() => sidecar.close());

const text = (value: string) => new Writer().string(value).bytes();

/** Someone whom the policy, changed so, is asserted for, and what is on record of them. */
async function login(change: Partial<SessionPolicy>): Promise<{ client: UserClient; audit: () => string[] }> {
  const client = sidecar.connect();
  await client.authenticated;
  const connectionId = `policy-${sidecar.auditLines.length}-${Math.trunc(performance.now())}`;
  const policy = { ...DEFAULT_POLICIES.root, ...change };
  expect(await client.assert({ ...rootAssertion, policy, connectionId })).toBe(true);
  const own = () => sidecar.auditLines.filter((line) => line.includes(connectionId));
  return {
    client,
    audit: () => own().map((line) => line.replace(/^\S+ SSH_AUDIT (\w+) .* session=\S+ ?/, '$1 ').trim()),
  };
}

test('D1: of a list of commands exactly those run, and any other is named in a sentence and recorded', async () => {
  const { client, audit } = await login({ commands: ['echo one', 'echo "t w o"'] });
  expect(await client.exec('echo one')).toMatchObject({ code: 0, stdout: 'one\n' });
  expect(await client.exec('echo "t w o"')).toMatchObject({ code: 0, stdout: 't w o\n' });
  const others = ['echo one ', ' echo one', 'echo one; id', 'echo', '', 'echo one\n', 'echo "t w o"\0'];
  for (const command of others) {
    const result = await client.exec(command);
    expect(result).toMatchObject({ code: 126, stdout: '' });
    expect(result.stderr).toBe(
      'sshaccess: only these commands may be run here, exactly as written: echo one; echo "t w o"\r\n',
    );
  }
  expect(audit().slice(0, 4)).toEqual(['connect', 'exec cmd=echo\\ one', 'connect', expect.stringMatching(/^exec /)]);
  expect(audit().slice(4)).toEqual(others.map(() => expect.stringMatching(/^refused cmd=/)));
});

test('no variable of the client makes a listed command run another', async () => {
  const command = 'git ls-remote ssh://git@localhost/repository';
  const { client } = await login({ commands: [command] });
  const session = await client.session();
  const owned = new Writer().string('GIT_SSH_COMMAND').string('echo owned >&2; false').bytes();
  expect(await session.request('env', owned)).toBe(false);
  expect(await session.request('env', new Writer().string('LC_TIME').string('C').bytes())).toBe(true);
  expect(await session.request('exec', text(command))).toBe(true);
  expect((await session.done).stderr).not.toContain('owned');
});

test('D1: with a list of commands there is no shell, and none is left where the list is empty', async () => {
  const { client, audit } = await login({ commands: [] });
  const session = await client.session();
  await session.pty(80, 24);
  expect(await session.request('shell')).toBe(true);
  expect(await session.done).toMatchObject({
    code: 126,
    stdout: '',
    stderr: 'sshaccess: no command may be run here, and there is no shell\r\n',
  });
  expect(await client.exec('true')).toMatchObject({ code: 126 });
  expect(audit()).toEqual(['refused', 'refused cmd=true']);
});

test('without a terminal in the policy there is none, and a shell all the same', async () => {
  const { client } = await login({ pty: false });
  const session = await client.session();
  expect(await session.pty(80, 24)).toBe(false);
  expect(await session.request('exec', text('tty'))).toBe(true);
  expect(await session.done).toMatchObject({ code: 1, stdout: 'not a tty\n' });
});

test('a forced command runs and nothing else does; only then the piper may say what was asked for', async () => {
  const original = new Writer().string('SSH_ORIGINAL_COMMAND').string('ls -l').bytes();
  const command = 'echo "asked: $SSH_ORIGINAL_COMMAND"';
  const { client } = await login({ commands: [command], forceCommand: true });
  const session = await client.session();
  expect(await session.request('env', original)).toBe(true);
  expect(await session.request('exec', text(command))).toBe(true);
  expect(await session.done).toMatchObject({ code: 0, stdout: 'asked: ls -l\n' });
  expect(await client.exec('ls -l')).toMatchObject({ code: 126, stdout: '' });
  const { client: other } = await login({ commands: [command] });
  expect(await (await other.session()).request('env', original)).toBe(false);
});

test('D1: without sftp the subsystem is refused, and that is on record', async () => {
  const { client, audit } = await login({ sftp: { access: 'none', paths: null } });
  const session = await client.session();
  expect(await session.request('subsystem', text('sftp'))).toBe(false);
  expect(audit()).toEqual(['refused subsystem=sftp']);
});

test('sftp that may only read refuses to write', async () => {
  const { client } = await login({ sftp: { access: 'read-only', paths: null } });
  const session = await client.session();
  expect(await session.request('subsystem', text('sftp'))).toBe(true);
  session.open.write(new Writer().uint32(5).byte(1).uint32(3).bytes());
  // SSH_FXP_MKDIR answers SSH_FXP_STATUS (101) with SSH_FX_PERMISSION_DENIED (3).
  const mkdir = new Writer().byte(14).uint32(1).string('/tmp/never').uint32(0).bytes();
  session.open.write(new Writer().string(mkdir).bytes());
  await session.until('\u0065\0\0\0\u0001\0\0\0\u0003');
  session.open.eof();
  await session.done;
});

test('a shell on a terminal is greeted once; a shell without one, and a command, are not', async () => {
  const { client } = await login({});
  const shell = await client.session();
  await shell.pty(80, 24);
  await shell.request('shell');
  shell.open.write(Buffer.from('exit\n'));
  const { stdout } = await shell.done;
  expect(stdout.split('\r\n').slice(0, 3)).toEqual([
    expect.stringMatching(/^sshaccess: acme\/pod; you are \w+, uid \d+\.$/),
    expect.stringMatching(/^sshaccess: .*toolbox/),
    'sshaccess: what you run is recorded; the connection ends when idle for 2 h.',
  ]);
  const plain = await client.session();
  await plain.request('shell');
  plain.open.write(Buffer.from('exit\n'));
  const onTerminal = await client.session();
  await onTerminal.pty(80, 24);
  await onTerminal.request('exec', text('true'));
  for (const session of [plain, onTerminal]) {
    const { stdout: out, stderr } = await session.done;
    expect(out + stderr).not.toContain('recorded');
  }
});

test('where nothing is recorded, the greeting does not claim it', async () => {
  const ceiling: Ceiling = { ...bothRoles, auditLogging: false };
  const quiet = await startSidecar({ enterPath: await buildEnter(), busyboxPath: '/bin/busybox' }, { ceiling });
  const client = quiet.connect();
  await client.authenticated;
  await client.assert(rootAssertion);
  const shell = await client.session();
  await shell.pty(80, 24);
  await shell.request('shell');
  shell.open.write(Buffer.from('exit\n'));
  const { stdout } = await shell.done;
  expect(stdout).toContain('sshaccess: the connection ends when idle for 2 h.');
  expect(quiet.auditLines).toEqual([]);
  await quiet.close();
});
