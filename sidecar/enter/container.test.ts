/**
 * A session in another container: a real mount namespace, reached by a helper that has no more than what Pod Security
 * `baseline` gives. Each helper of these tests runs without SYS_PTRACE and SYS_ADMIN, with no_new_privs.
 */
import { appendFileSync, existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { execFile } from 'node:child_process';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { buildContainer, buildEnter } from './testing/build-enter.ts';
import {
  DEFAULT_CAPABILITIES,
  type ContainerOptions,
  type Pod,
  SIDECAR_CAPABILITIES,
  startPod,
  type SidecarOptions,
} from './testing/pod.ts';
import { runSession, startSession } from './testing/session.ts';

// A bound against hanging, not a measure: other tests share the machine.
vi.setConfig({ testTimeout: 120_000 });

beforeAll(async () => {
  await Promise.all([buildEnter(), buildContainer()]);
}, 300_000);

const sleeper: ContainerOptions = {
  command: ['/bin/sleep', '1000'],
  env: { PATH: '/bin', SSHACCESS_CONTAINER: 'app', SECRET: 'of the app' },
  groups: '1000,2000',
  cwd: '/srv/app',
};

async function pod(): Promise<Pod> {
  const made = await startPod();
  onTestFinished(made.remove);
  return made;
}

type Found = Record<string, string> & { pid: string; start: string; environ: string; passwd: string; group: string };

/** What `enter inspect` printed: lines, and blocks with a length. */
function parse(output: Buffer): Found {
  const found: Found = { pid: '', start: '', environ: '', passwd: '', group: '' };
  for (let at = 0; at < output.length;) {
    const end = output.indexOf('\n', at);
    const [name = '', value = ''] = output.toString('latin1', at, end).split(/ (.*)/s);
    at = end + 1;
    const block = ['environ', 'passwd', 'group'].includes(name);
    found[name] = block ? output.toString('latin1', at, at + Number(value)) : value;
    if (block) at += Number(value) + 1;
  }
  return found;
}

async function inspect(of: Pod, container = 'app', options?: SidecarOptions) {
  const { code, stderr, bytes } = await runSession(of.enter(['inspect', container], options));
  return { code, stderr, found: parse(bytes) };
}

/** A pod with an app, and the words that begin a session in it. */
async function podWithApp(options: ContainerOptions = sleeper, sidecar?: SidecarOptions) {
  const of = await pod();
  const outside = await of.container(options);
  const { found } = await inspect(of, 'app', sidecar);
  const words = ['run', '--pid', found.pid, '--start', found.start];
  const enter = (...more: readonly string[]) => of.enter([...words, ...more], sidecar);
  return { pod: of, outside, app: found, enter };
}

const as = (uid: number) => ['--uid', `${uid}`, '--gid', `${uid}`, '--groups', ''];
const fields = (text: string) => Object.fromEntries(text.split('\n').map((line) => line.split(/:\s+/, 2)));

describe('inspect', () => {
  test('tells all that a session needs to know of the app', async () => {
    const { app, outside } = await podWithApp();
    const stat = (await readFile(`/proc/${outside}/stat`, 'utf8')).split(') ')[1]?.split(' ');
    expect(app).toEqual({
      pid: expect.stringMatching(/^\d+$/),
      start: stat?.[19],
      uid: '1000',
      gid: '1000',
      groups: '1000,2000',
      nnp: '0',
      capbnd: '00000000a80425fb',
      cwd: '/srv/app',
      environ: 'PATH=/bin\0SSHACCESS_CONTAINER=app\0SECRET=of the app\0',
      passwd: 'app:x:1000:1000:App:/home/app:/bin/sh\n',
      group: 'app:x:1000:\n',
    });
  });

  test('finds the oldest process of the right container', async () => {
    const of = await pod();
    await of.container({ ...sleeper, env: { SSHACCESS_CONTAINER: 'application' } });
    await of.container({ ...sleeper, env: { X: 'SSHACCESS_CONTAINER=app' } });
    await of.container({ ...sleeper, env: { SSHACCESS_CONTAINER: 'app', N: '1' } });
    await of.container({ ...sleeper, env: { SSHACCESS_CONTAINER: 'app', N: '2' } });
    expect((await inspect(of)).found.environ).toBe('SSHACCESS_CONTAINER=app\0N=1\0');
    expect(await inspect(of, 'ap')).toMatchObject({ code: 3, stderr: expect.stringMatching(/^sshaccess: .*\n$/) });
  });

  test('does not take for the app what the app has started', async () => {
    const { pod: of, outside } = await podWithApp({
      ...sleeper,
      command: ['/bin/sh', '-c', 'sleep 1000 & sleep 1000; true'],
    });
    process.kill(outside, 'SIGKILL');
    expect(await inspect(of)).toMatchObject({ code: 3 });
  });

  /** What the kubelet mounts at /dev/termination-log of a container. */
  async function terminationLog(of: Pod, container: string): Promise<string> {
    const log = join(of.root, 'pods/0-1-2/containers', container, 'abc');
    await mkdir(join(log, '..'), { recursive: true });
    await writeFile(log, '');
    return log;
  }

  test('does not believe another container that it is the app', async () => {
    const of = await pod();
    const hostile = await terminationLog(of, 'hostile');
    const claim = { SSHACCESS_CONTAINER: 'app' };
    await of.container({ ...sleeper, env: { ...claim, TERMINATION_LOG: hostile } });
    expect(await inspect(of)).toMatchObject({ code: 3 });
    await of.container({ ...sleeper, env: { ...claim, TERMINATION_LOG: await terminationLog(of, 'app') } });
    expect((await inspect(of)).found.environ).toContain('/containers/app/abc');
    expect((await inspect(of, 'hostile')).found.environ).toContain('/containers/hostile/abc');
  });

  test('does not believe one either that forges the kubelet’s mark, in a user namespace of its own', async () => {
    const of = await pod();
    // Where user namespaces are not for everybody, it stays what it is.
    const mark = '/tmp/pods/0-1-2/containers/app/abc';
    const forge = `mount -t tmpfs x /tmp && mkdir -p ${mark} && mount -o bind ${mark} /data; echo > /srv/app/done; while :; do sleep 9; done`;
    await of.container({
      ...sleeper,
      command: ['/bin/sh', '-c', `exec unshare -Urm /bin/sh -c '${forge}'`],
      env: { PATH: '/bin', TERMINATION_LOG: await terminationLog(of, 'hostile') },
    });
    await expect.poll(() => existsSync(join(of.root, 'srv/app/done')), { timeout: 20_000 }).toBe(true);
    expect((await inspect(of)).code).not.toBe(0);
    await of.container({ ...sleeper, env: { TERMINATION_LOG: await terminationLog(of, 'app'), THE: 'app' } });
    expect((await inspect(of)).found.environ).toContain('THE=app');
  });

  test('finds a program that wiped its environment by the kubelet’s mark', async () => {
    const of = await pod();
    const log = await terminationLog(of, 'nginx');
    await of.container({ ...sleeper, env: { TERMINATION_LOG: log } });
    expect(await inspect(of, 'nginx')).toMatchObject({ code: 0, found: { cwd: '/srv/app' } });
    expect(await inspect(of, 'ngin')).toMatchObject({ code: 3 });
  });

  test('does not take for the app what makes its container, whose root is still the node’s', async () => {
    const of = await pod();
    const env = { BEGINS_ONLY: '', TERMINATION_LOG: await terminationLog(of, 'app') };
    await of.container({ ...sleeper, command: [await buildContainer()], env });
    // An app that has SYS_PTRACE brings it to its sidecar, and from that nothing is hidden.
    const capabilities = ~0n & 0x1ff_ffff_ffffn;
    const look = () => inspect(of, 'app', { capabilities });
    await expect.poll(look, { timeout: 20_000 }).not.toMatchObject({ code: 3 });
    expect(await look()).toMatchObject({ code: 4, stderr: expect.stringContaining('not permitted') });
    // Whoever is let in later is let into the app.
    await of.container({ ...sleeper, env: { TERMINATION_LOG: await terminationLog(of, 'app') } });
    expect(await look()).toMatchObject({ code: 0, found: { cwd: '/srv/app' } });
  });

  test('of an app that is root needs the app’s capabilities, and says when it has not got them', async () => {
    const of = await pod();
    await of.container({ ...sleeper, uid: 0, groups: '' });
    expect(await inspect(of)).toMatchObject({ code: 4, stderr: expect.stringContaining('not permitted') });
    const capabilities = DEFAULT_CAPABILITIES | SIDECAR_CAPABILITIES;
    expect(await inspect(of, 'app', { capabilities })).toMatchObject({ code: 0, found: { uid: '0', cwd: '/srv/app' } });
  });

  test('works without any privilege for an app of the same user, and only for that', async () => {
    const of = await pod();
    await of.container({ ...sleeper, groups: '' });
    expect(await inspect(of, 'app', { uid: 1000 })).toMatchObject({ code: 0, found: { uid: '1000', cwd: '/srv/app' } });
    expect(await inspect(of, 'app', { uid: 1001 })).toMatchObject({ code: 4 });
  });

  test('reads no more of the pod for the app than the app could', async () => {
    const of = await pod();
    // Readable to root alone; the app makes it its passwd.
    const secret = await of.container({
      command: ['/bin/sleep', '1000'],
      env: { KEY: 'secret' },
      uid: 0,
      capabilities: SIDECAR_CAPABILITIES,
    });
    const pid = /NSpid:.*\t(\d+)\n/.exec(await readFile(`/proc/${secret}/status`, 'utf8'))?.[1] ?? '';
    await of.container(sleeper);
    const passwd = join(of.root, 'data/passwd');
    for (const target of [
      `/proc/${pid}/environ`,
      `/proc/${pid}/root/etc/group`,
      '/../../../etc/shadow',
      '/proc/self/root/etc/shadow',
    ]) {
      await rm(passwd);
      await symlink(target, passwd);
      expect(await inspect(of)).toMatchObject({ code: 0, found: { passwd: '' } });
    }
    await rm(passwd);
    await promisify(execFile)('mkfifo', [passwd]);
    expect(await inspect(of)).toMatchObject({ code: 0, found: { passwd: '', group: 'app:x:1000:\n' } });
  });

  test('passes on what is too long without its broken end', async () => {
    const { pod: of } = await podWithApp();
    const line = `${'x'.repeat(99)}\n`;
    for (let i = 0; i < 12; i++) appendFileSync(join(of.root, 'etc/group'), line.repeat(1000));
    const { found } = await inspect(of);
    expect(found.group.length).toBeGreaterThan(1024 * 1024 - 100);
    expect(found.group.length).toBeLessThanOrEqual(1024 * 1024);
    expect(found.group.endsWith('x\n')).toBe(true);
  });
});

describe('a session', () => {
  test('is in the app’s root and directory, as the app’s user, bounded as the app is', async () => {
    const { enter } = await podWithApp();
    const script = 'pwd; ls /etc /; id -u; id -G; cat /proc/self/status; ls /proc/self/fd';
    const bound = '0000000000000000';
    const ids = ['--uid', '1000', '--gid', '1000', '--groups', '1000,2000', '--capbnd', bound, '--no-new-privs'];
    const { code, stdout, stderr } = await runSession(enter(...ids, '--', 'sh', '-c', script), '', {
      env: { PATH: '/bin' },
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^\/srv\/app\n/);
    expect(stdout).toContain('in-the-app');
    expect(stdout).toContain('1000\n1000 2000\n');
    expect(stdout).toMatch(/\n0\n1\n2\n3\n$/);
    expect(fields(stdout)).toMatchObject({
      CapBnd: bound,
      CapPrm: bound,
      CapEff: bound,
      NoNewPrivs: '1',
      Uid: '1000\t1000\t1000\t1000',
    });
  });

  test('is root in an app that is not, with what of the app’s capabilities we have', async () => {
    const { enter } = await podWithApp();
    const script = 'id -u; cat /proc/self/status; cat /etc/passwd; pwd';
    const { stdout } = await runSession(
      enter(...as(0), '--capbnd', '00000000a80425fb', '--cwd', '/root', '--', '/bin/sh', '-c', script),
    );
    expect(stdout).toMatch(/^0\n/);
    expect(fields(stdout)).toMatchObject({ CapEff: '00000000000401e0', CapBnd: '00000000000401e0', Uid: '0\t0\t0\t0' });
    expect(stdout).toMatch(/:\/home\/app:\/bin\/sh\n\/root\n$/);
  });

  test('enters an app that is root', async () => {
    const { enter } = await podWithApp(
      { ...sleeper, uid: 0 },
      { capabilities: DEFAULT_CAPABILITIES | SIDECAR_CAPABILITIES },
    );
    expect(await runSession(enter(...as(0), '--', '/bin/sh', '-c', 'pwd; ls /etc'))).toMatchObject({
      stdout: '/srv/app\ngroup\nin-the-app\npasswd\n',
    });
    expect(await runSession(enter(...as(61_000), '--cwd', '/root', '--', '/bin/sh', '-c', 'pwd'))).toMatchObject({
      stdout: '/\n',
    });
  });

  test('has a terminal of the app’s own devpts, which belongs to it', async () => {
    const { enter } = await podWithApp();
    for (const uid of [0, 1000, 61_000]) {
      const script = 'tty; stat -c "%u %t" $(tty); echo $SSH_TTY; echo again > $(tty); ls /dev/pts';
      const session = startSession(enter(...as(uid), '--pty', '90x30', '--', '/bin/sh', '-c', script));
      expect(await session.ended).toMatchObject({ code: 0 });
      expect(session.output()).toBe(`/dev/pts/0\r\n${uid} 88\r\n/dev/pts/0\r\nagain\r\n0     ptmx\r\n`);
    }
  });

  test('of a limited user reaches neither the app’s secrets nor its processes', async () => {
    const { enter, app } = await podWithApp();
    const script = `
      for f in environ mem maps; do cat /proc/${app.pid}/$f; done; ls /proc/${app.pid}/root/ /proc/${app.pid}/cwd/; ls -ld /proc/${app.pid}/fd/.
      kill -0 ${app.pid}; kill -0 $PPID; cat /proc/$PPID/environ; ls /proc/$PPID/root/; ls /proc/$PPID/cwd/; chroot / /bin/true; echo end`;
    const { stdout, stderr } = await runSession(
      enter(...as(61_000), '--no-new-privs', '--capbnd', '0', '--', '/bin/sh', '-c', script),
    );
    expect(stdout).toBe('end\n');
    expect(stderr.match(/denied|not permitted/g)?.length).toBe(12);
  });

  test('can be signalled and hung up although the helper has no KILL', async () => {
    const { enter } = await podWithApp(sleeper, { capabilities: SIDECAR_CAPABILITIES & ~0x20n });
    const script = 'trap "echo usr1" USR1; trap "" HUP; echo ready; while :; do sleep 0.1; done';
    const session = startSession(enter(...as(61_000), '--', '/bin/sh', '-c', script), { env: { PATH: '/bin' } });
    await session.sees('ready');
    session.order('signal USR1');
    await session.sees('usr1');
    session.hangUp();
    // nsenter, which is between us, passes on how the helper ended.
    expect(await session.ended).toMatchObject({ signal: 'SIGKILL' });
  });

  test('has a shell in an image without one', async () => {
    const { pod: of, enter } = await podWithApp();
    await rename(join(of.root, 'bin'), join(of.root, 'gone'));
    const words = enter(
      ...as(1000),
      '--path',
      '/bin/bash',
      '--fallback',
      '/bin/busybox',
      '--',
      '-bash',
      '-c',
      'echo $0; ls /etc; tty',
    );
    const { stdout, code } = await runSession(words);
    expect({ stdout, code }).toEqual({ stdout: '-sh\ngroup\nin-the-app\npasswd\nnot a tty\n', code: 1 });
  });

  test('is refused when the process has died, or the number means another', async () => {
    const { pod: of, app, outside } = await podWithApp();
    const run = (pid: string, start: string) =>
      runSession(of.enter(['run', '--pid', pid, '--start', start, ...as(1000), '--', 'true']));
    const refusal = { code: 5, stderr: 'sshaccess: the app has restarted\n', stdout: '' };
    expect(await run(app.pid, `${Number(app.start) + 1}`)).toMatchObject(refusal);
    expect(await run('4000000', app.start)).toMatchObject(refusal);
    process.kill(outside, 'SIGKILL');
    while ((await inspect(of)).code === 0);
    expect(await run(app.pid, app.start)).toMatchObject(refusal);
  });

  test('is refused to a helper that may not change its root', async () => {
    const { enter } = await podWithApp({ ...sleeper, groups: '' }, { uid: 1000 });
    expect(await runSession(enter(...as(1000), '--', 'true'))).toMatchObject({
      code: 126,
      stderr: 'sshaccess: cannot enter the app’s root: Operation not permitted\n'.replace('’', "'"),
    });
  });

  test('serves files from the app’s root, where absolute links are the app’s', async () => {
    const { enter } = await podWithApp();
    // SSH_FXP_INIT, version 3; SSH_FXP_STAT 1 /etc/passwd, which is a link to /data/passwd.
    const path = Buffer.from('/etc/passwd');
    const request = Buffer.concat([
      Buffer.from([0, 0, 0, 5, 1, 0, 0, 0, 3]),
      Buffer.from([0, 0, 0, 9 + path.length, 17, 0, 0, 0, 1, 0, 0, 0, path.length]),
      path,
    ]);
    const { code, bytes } = await runSession(
      enter(...as(1000), '--builtin', 'sftp', '--read-only', '--', 'sftp'),
      request,
    );
    expect(code).toBe(0);
    expect(bytes[4]).toBe(2);
    const second = bytes.subarray(4 + bytes.readUInt32BE(0));
    expect([second[4], second.readUInt32BE(5), second.readBigUInt64BE(13)]).toEqual([105, 1, 38n]);
  });
});
