/** Sessions inside an app: a pod of real namespaces, a real sidecar server, and the real helper with no more rights than in a pod. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Writer } from '../lib/ssh/wire.ts';
import type { SidecarConfig } from './config.ts';
import { type ContainerOptions, type Pod, startPod } from './enter/testing/pod.ts';
import { helperIn } from './testing/helper-in-pod.ts';
import { type SidecarFixture, startSidecar } from './testing/sidecar-fixture.ts';
import { limitedAssertion, rootAssertion, type UserClient } from './testing/user-client.ts';

const app: ContainerOptions = {
  command: ['/bin/sleep', '1000'],
  env: { PATH: '/bin:/usr/bin', SSHACCESS_CONTAINER: 'app', SECRET: 'of the app', LANG: 'C.UTF-8' },
  uid: 1000,
  groups: '1000,2000',
  cwd: '/srv/app',
};

/** Every process of this machine, with its arguments and the environment that it began with. */
function processes(): { words: string[]; environ: string[] }[] {
  const read = (path: string): string[] => readFileSync(path, 'utf8').split('\0');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [{ words: read(`/proc/${pid}/cmdline`), environ: read(`/proc/${pid}/environ`) }];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}

describe.runIf(process.getuid?.() === 0)('inside an app', () => {
  let pod: Pod;
  let folder: string;
  const sidecars: SidecarFixture[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'in-app-'));
    pod = await startPod();
  }, 300_000);
  afterAll(async () => {
    await Promise.all(sidecars.map((sidecar) => sidecar.close()));
    await pod.remove();
    await rm(folder, { recursive: true });
  });

  async function login(assertion = rootAssertion, config: Partial<SidecarConfig> = {}): Promise<UserClient> {
    const helper = { enterPath: await helperIn(pod, folder), busyboxPath: '/bin/busybox' };
    const options = { config: { container: 'app', sessionEntry: 'chroot' as const, ...config } };
    const sidecar = await startSidecar(helper, options);
    sidecars.push(sidecar);
    const client = sidecar.connect();
    await client.authenticated;
    expect(await client.assert(assertion)).toBe(true);
    return client;
  }

  test('before the app runs, the toolbox says so', async () => {
    const client = await login();
    const result = await client.exec('ls /etc/in-the-app');
    expect(result.stderr).toMatch(/^sshaccess: container "app" has no running process \(not seen since/);
    expect(result.code).not.toBe(0);
  });

  test('root is the app: its ids, files, environment and working directory, but not the marker', async () => {
    await pod.container(app);
    const client = await login();
    const result = await client.exec('id; pwd; ls /etc/in-the-app; grep -c . /etc/passwd; env');
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const lines = result.stdout.split('\n');
    expect(lines.slice(0, 4)).toEqual([
      'uid=1000(app) gid=1000(app) groups=1000(app),2000',
      '/srv/app',
      '/etc/in-the-app',
      '1',
    ]);
    expect(lines).toEqual(expect.arrayContaining(['SECRET=of the app', 'USER=app', 'HOME=/home/app', 'LANG=C.UTF-8']));
    expect(result.stdout).not.toMatch(/SSHACCESS_CONTAINER/);
  });

  test('D5b: what the app chose for its own programs means nothing to the helper, and reaches the session', async () => {
    const env = {
      ...app.env,
      SSHACCESS_CONTAINER: 'tuned',
      GLIBC_TUNABLES: 'glibc.malloc.perturb=1',
      LD_PRELOAD: '/x',
    };
    await pod.container({ ...app, env });
    const client = await login(rootAssertion, { container: 'tuned' });
    const session = await client.session();
    const command = 'echo $GLIBC_TUNABLES $LD_PRELOAD; cat';
    expect(await session.request('exec', new Writer().string(command).bytes())).toBe(true);
    await session.until('glibc.malloc.perturb=1 /x\n');
    const helpers = processes().filter(({ words }) => words.includes('--launch-length') && words.includes('--pid'));
    expect(helpers.length).toBeGreaterThan(0);
    for (const { environ, words } of helpers) {
      expect(environ.filter((entry) => /^(GLIBC_|LD_|MALLOC_|SECRET)/.test(entry))).toEqual([]);
      expect(words).not.toContain(command);
    }
    session.open.eof();
    expect((await session.done).stderr).toBe('');
  });

  test("root is uid 0 where the pod allows it, within the app's bounding set and without SYS_CHROOT", async () => {
    const client = await login(rootAssertion, { rootUid: 0 });
    const { stdout } = await client.exec('id -u; id -G; grep CapBnd /proc/self/status; echo $HOME $USER');
    expect(stdout).toBe('0\n0\nCapBnd:\t00000000a80025fb\n/root root\n');
  });

  test('limited is nobody, knows no secret, and reaches nothing of the app', async () => {
    const client = await login(limitedAssertion);
    const script = `id -u; id -G; umask; grep -E 'NoNewPrivs|CapBnd' /proc/self/status; echo "[$SECRET]"
      for pid in $(ls /proc | grep -E '^[0-9]+$'); do
        grep -qs SSHACCESS_CONTAINER /proc/$pid/environ && echo read environ
        ls /proc/$pid/root/etc >/dev/null 2>&1 && [ "$(awk '/^Uid/{print $2}' /proc/$pid/status)" != 61000 ] && echo entered $pid
        [ "$(cat /proc/$pid/comm 2>/dev/null)" = sleep ] && kill -0 $pid 2>/dev/null && echo may signal
      done; echo end`;
    const { stdout } = await client.exec(script);
    expect(stdout).toBe('61000\n61000\n0077\nCapBnd:\t0000000000000000\nNoNewPrivs:\t1\n[]\nend\n');
  });

  test('limited users have homes of their own, and what one leaves in /tmp another does not run', async () => {
    const user = (uidOffset: number) => login({ ...limitedAssertion, uidOffset });
    const shell = async (client: UserClient): Promise<string> => {
      const session = await client.session();
      expect(await session.request('shell')).toBe(true);
      session.open.write(Buffer.from('echo $HOME; stat -c "%a %u" $HOME\n'));
      session.open.eof();
      return (await session.done).stdout;
    };
    const plant = 'echo "echo owned by $(id -u)" >/tmp/.profile; chmod 755 /tmp/.profile';
    const squat = 'mkdir -m 777 /tmp/sshaccess-home-61003; ln -s /srv /tmp/sshaccess-home-61004';
    expect(await (await user(1)).exec(`${plant}; ${squat}`)).toMatchObject({ code: 0, stderr: '' });
    expect(await shell(await user(2))).toBe('/tmp/sshaccess-home-61002\n700 61002\n');
    for (const squatted of [3, 4]) expect(await shell(await user(squatted))).toBe('/\n755 0\n');
    // Nor does role root, where the app's own HOME is /tmp.
    await pod.container({ ...app, env: { ...app.env, SSHACCESS_CONTAINER: 'homeless', HOME: '/tmp' } });
    const root = await login(rootAssertion, { container: 'homeless' });
    expect(await shell(root)).toBe('/tmp/sshaccess-home-1000\n700 1000\n');
  });

  test("a terminal is one of the app's own", async () => {
    const client = await login();
    const session = await client.session();
    await session.pty(77, 22);
    expect(await session.request('exec', new Writer().string('tty; echo $SSH_TTY; stty size').bytes())).toBe(true);
    expect((await session.done).stdout).toBe('/dev/pts/0\r\n/dev/pts/0\r\n22 77\r\n');
  });

  test("sftp sees the app's files", async () => {
    const client = await login();
    const session = await client.session();
    expect(await session.request('subsystem', new Writer().string('sftp').bytes())).toBe(true);
    session.open.write(new Writer().uint32(5).byte(1).uint32(3).bytes());
    const stat = new Writer().byte(17).uint32(1).string('/etc/in-the-app').bytes();
    session.open.write(new Writer().string(stat).bytes());
    await session.until('\u0069\u0000\u0000\u0000\u0001');
    session.open.eof();
    await session.done;
  });

  test('an app that has been restarted is found again, and its starts are counted', async () => {
    const other: ContainerOptions = { ...app, env: { ...app.env, SSHACCESS_CONTAINER: 'other', ROUND: '1' } };
    const client = await login(rootAssertion, { container: 'other' });
    for (const round of ['1', '2']) {
      const pid = await pod.container({ ...other, env: { ...other.env, ROUND: round } });
      expect((await client.exec('echo $ROUND')).stdout).toBe(`${round}\n`);
      process.kill(pid, 'SIGKILL');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    const { stderr } = await client.exec('true');
    expect(stderr).toMatch(/has no running process \(last seen \d s ago, started 2 times since this sidecar started\)/);
  });
});
