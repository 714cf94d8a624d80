/** What users get from an sshd that the script has set up, with OpenSSH's own client. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Container, FACTS, Pod, SFTP_SERVER } from './testing/container.ts';
import { usePods } from './testing/pods.ts';

const newPod = usePods();
const sftpMay = (access: string) => ({ facts: { ...FACTS, SSHACCESS_SFTP: access } });
const WHO = 'user=acme-hello src=203.0.113.7 session=5f1c9a3be07d4426';

describe('a session', { timeout: 120_000 }, () => {
  let pod: Pod;
  let container: Container;
  beforeAll(async () => {
    pod = new Pod();
    container = await pod.start();
  }, 120_000);
  afterAll(() => {
    pod.remove();
  });
  const output = async (command: string): Promise<string> => (await container.ssh(command)).stdout.toString();

  test('is the user’s own, whatever the uid is called', async () => {
    expect(await output('echo $USER $LOGNAME $SSHACCESS_ROLE $(whoami) $HOME')).toBe(
      `acme-hello acme-hello root acme-hello ${pod.runtime}/home\n`,
    );
    const facts = { ...FACTS, SSHACCESS_USER: 'acme-hello-late', SSHACCESS_ROLE: 'limited' };
    expect((await container.ssh('echo $USER $SSHACCESS_ROLE', { facts })).stdout.toString()).toBe(
      'acme-hello-late limited\n',
    );
  });

  test('shows the client’s address, not the piper’s', async () => {
    expect(await output('echo $SSH_CLIENT/$SSH_CONNECTION/${SSHACCESS_CLIENT-}${SSH_ORIGINAL_COMMAND-}')).toBe(
      '203.0.113.7 40022 2222/203.0.113.7 40022 127.0.0.1 2222/\n',
    );
  });

  test('is the user’s program itself: its exit code, its signal, no process of ours in between', async () => {
    expect(await container.ssh('exit 42')).toMatchObject({ code: 42 });
    expect(await output('cat /proc/$PPID/comm; echo $0 "$-"')).toMatch(/^sshd\S*\n\/bin\/bash [a-zB]*c[a-zB]*\n$/);
    expect((await container.client('ssh', ['-v', 'acme-hello@127.0.0.1', 'kill -TERM $$'])).stderr).toMatch(
      /exit-signal/,
    );
  });

  test('passes bytes as they are, both ways', async () => {
    const bytes = randomBytes(300_000);
    const { stdout } = await container.ssh('cat', { input: bytes });
    expect(stdout.equals(bytes)).toBe(true);
  });

  test('reads ~/.bashrc once, as under any sshd', async () => {
    await container.ssh('cat > .bashrc', { input: 'reads=x$reads; export reads\n' });
    expect(await output('echo $reads $SHLVL')).toBe('x 1\n');
    await container.ssh('rm .bashrc');
  });

  test('without a command is a login shell, without a word of ours', async () => {
    const input = 'shopt -q login_shell && echo login; exit 4\n';
    const { code, stdout, stderr } = await container.client('ssh', ['-T', 'acme-hello@127.0.0.1'], { input });
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({ code: 4, stdout: 'login\n', stderr: '' });
    const typed = await container.client('ssh', ['-tt', 'acme-hello@127.0.0.1'], { input: 'tty; exit 5\n' });
    expect(typed.code).toBe(5);
    expect(typed.stdout.toString()).toMatch(/^\/dev\/pts\/\d+\r$/m);
  });

  test('of sftp reads and writes, or only reads, or is refused', async () => {
    expect(SFTP_SERVER).toBeDefined();
    const batch = (commands: string, access: string) =>
      container.client('sftp', ['-b', '-', 'acme-hello@127.0.0.1'], { input: commands, ...sftpMay(access) });
    writeFileSync(join(pod.path, 'local'), 'by sftp');
    expect(await batch(`put ${pod.path}/local up`, 'read-write')).toMatchObject({ code: 0 });
    expect(await output('cat up')).toBe('by sftp');
    expect(await batch(`get up ${pod.path}/down`, 'read-only')).toMatchObject({ code: 0 });
    expect(readFileSync(join(pod.path, 'down'), 'utf8')).toBe('by sftp');
    const refused = await batch(`put ${pod.path}/local up2`, 'read-only');
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('Permission denied') });
    for (const access of ['none', '', 'read-write ']) {
      expect(await batch('ls', access)).toMatchObject({ code: 255, stdout: Buffer.alloc(0) });
    }
    expect(await container.audit()).toEqual(
      expect.arrayContaining([`SSH_AUDIT exec ${WHO} subsystem=sftp`, `SSH_AUDIT refused ${WHO} subsystem=sftp`]),
    );
  });

  test.each([['-s'], ['-O']])('of scp %s copies both ways', async (protocol) => {
    writeFileSync(join(pod.path, 'source'), `by scp ${protocol}`);
    const copy = (from: string, to: string) => container.client('scp', [protocol, '-q', from, to]);
    expect(await copy(join(pod.path, 'source'), 'acme-hello@127.0.0.1:copied')).toMatchObject({ code: 0 });
    expect(await copy('acme-hello@127.0.0.1:copied', join(pod.path, 'back'))).toMatchObject({ code: 0 });
    expect(readFileSync(join(pod.path, 'back'), 'utf8')).toBe(`by scp ${protocol}`);
  });

  test('forwards to the loopback only', async () => {
    const to = (target: string) => container.client('ssh', ['-W', target, 'acme-hello@127.0.0.1']);
    for (const target of ['127.0.0.1:2222', '[::1]:2222', 'localhost:2222']) {
      expect((await to(target)).stdout.toString()).toMatch(/^SSH-2.0-/);
    }
    for (const target of ['127.0.0.2:2222', '169.254.169.254:80', '0.0.0.0:2222']) {
      const stderr = expect.stringContaining('stdio forwarding failed');
      expect(await to(target)).toMatchObject({ stdout: Buffer.alloc(0), stderr });
    }
  });

  test('that does not say whose it is is refused, and leaves no line', async () => {
    const forgeries = [
      { SSHACCESS_USER: '' },
      { SSHACCESS_USER: 'a src=1.1.1.1' },
      { SSHACCESS_CLIENT: 'x 1' },
      { SSHACCESS_CLIENT: '203.0.113.7' },
      { SSHACCESS_CLIENT: '203.0.113.7 1 2' },
      { SSHACCESS_CLIENT: '203.0.113.7 65536' },
      { SSHACCESS_ROLE: 'admin' },
      { SSHACCESS_SESSION: 'a'.repeat(65) },
    ];
    const before = await container.audit();
    for (const facts of [{}, ...forgeries.map((forgery) => ({ ...FACTS, ...forgery }))]) {
      const stderr = 'sshaccess: this session did not come through the gateway, which says whose it is.\n';
      expect(await container.ssh('echo in', { facts }), JSON.stringify(facts)).toMatchObject({
        code: 126,
        stdout: Buffer.alloc(0),
        stderr,
      });
    }
    expect(await container.audit()).toEqual(before);
    expect(container.log()).not.toMatch(/SSH_AUDIT.*cmd=echo\\ in$/m);
  });
});

test('forwarding that no role may do is refused', { timeout: 120_000 }, async () => {
  const container = await newPod({ LOCAL_FORWARDING: 'none' }).start();
  const local = await container.client('ssh', ['-W', '127.0.0.1:2222', 'acme-hello@127.0.0.1']);
  expect(local.stderr).toContain('stdio forwarding failed');
  const remote = [
    '-o',
    'ExitOnForwardFailure=yes',
    '-R',
    '127.0.0.1:7001:127.0.0.1:2222',
    'acme-hello@127.0.0.1',
    'id',
  ];
  expect(await container.client('ssh', remote)).toMatchObject({ code: 255, stdout: Buffer.alloc(0) });
});

test('ports that a role may have forwarded listen on the loopback only', { timeout: 120_000 }, async () => {
  const container = await newPod({ LOCAL_FORWARDING: 'none', REMOTE_FORWARDING: 'loopback' }).start();
  const listen = (where: string) => {
    const read = 'exec 3<>/dev/tcp/127.0.0.1/7001 && head -c 7 <&3';
    const options = ['-o', 'ExitOnForwardFailure=yes', '-R', `${where}7001:127.0.0.1:2222`];
    return container.client('ssh', [...options, 'acme-hello@127.0.0.1', read]);
  };
  for (const where of ['', '127.0.0.1:', 'localhost:']) {
    expect((await listen(where)).stdout.toString(), container.log()).toBe('SSH-2.0');
  }
  expect(await listen('0.0.0.0:')).toMatchObject({ code: 255 });
});

test('an image without sftp-server says so, and has all else', { timeout: 120_000 }, async () => {
  const container = await newPod().start({ mounts: `mount --bind /dev/null ${SFTP_SERVER ?? ''}` });
  expect(container.log()).toContain('sshaccess: this image has no sftp-server');
  const { code, stderr } = await container.client('sftp', ['-b', '-', 'acme-hello@127.0.0.1'], { input: 'ls\n' });
  expect({ code, stderr: stderr.trim() }).toEqual({ code: 255, stderr: 'Connection closed' });
  expect((await container.ssh('exit 3')).code).toBe(3);
});

test(
  'the container’s log shows each line when the session has it, and none where audit is off',
  { timeout: 120_000 },
  async () => {
    const off = { settings: newPod({ AUDIT_LOGGING: 'no' }), environment: newPod() };
    for (const [by, pod] of Object.entries(off)) {
      const container = await pod.start({ env: { SSH_AUDIT_LOGGING: String(by === 'settings') } });
      expect((await container.ssh('echo $USER')).stdout.toString()).toBe('acme-hello\n');
      expect(container.log()).not.toContain('SSH_AUDIT');
    }
  },
);

test('without anybody who reads the audit trail there is no session', { timeout: 120_000 }, async () => {
  const pod = newPod();
  const container = await pod.start();
  // The same uid as the users of this container: they can end it, but not go on without it.
  const kill = `kill -9 $(readlink ${pod.runtime}/sshd_config | cut -d / -f 3)`;
  expect(await container.ssh(kill), container.log()).toMatchObject({ code: 0 });
  const { code, stderr } = await container.ssh('echo in');
  expect({ code, stderr }).toMatchObject({
    code: 126,
    stderr: expect.stringContaining('nobody reads the audit trail'),
  });
  expect(existsSync(join(pod.runtime, 'audit'))).toBe(true);
});
