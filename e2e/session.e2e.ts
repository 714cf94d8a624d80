/** A session is the app: its host name, environment, directory and ids, with a terminal that behaves like one. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { pods } from './support/kubectl.ts';
import { disposeScratch, limitedLogin, rootLogin, scratch, ssh, sshCommand } from './support/openssh.ts';
import { run } from './support/process.ts';

afterAll(disposeScratch);

const names = async () => (await pods('acme', 'hello')).map((pod) => pod.metadata.name);

describe('root', () => {
  test('is in the pod, with the environment and the working directory of the app, as uid 0', async () => {
    const { stdout, code, stderr } = await ssh(rootLogin(), 'cat /etc/hostname; env; pwd; id');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(await names()).toContain(lines[0]);
    expect(lines).toContain('GREETING=hello');
    expect(lines).toContain('/srv/hello');
    expect(stdout).toMatch(/^uid=0\(root\) gid=0\(root\)/m);
    // The marker by which the sidecar finds the app is not the user's business.
    expect(stdout).not.toContain('SSHACCESS_CONTAINER');
  });

  test('can signal the app, and become its user', async () => {
    // As everywhere in Kubernetes, uid 0 without SYS_PTRACE reads another uid's environ only by becoming that uid.
    const script = [
      'app=$(ls -dn /proc/[0-9]* | awk \'$3 == 1000 { sub("/proc/", "", $NF); print $NF; exit }\')',
      'kill -0 "$app" && echo signalled',
      'setpriv --reuid 1000 --regid 1000 --clear-groups cat /proc/$app/environ | tr "\\0" "\\n" | grep GREETING',
    ].join('; ');
    const { stdout } = await ssh(rootLogin(), script);
    expect(stdout).toBe('signalled\nGREETING=hello\n');
  });
});

describe('root, in an app that is not', () => {
  test('does not find the host key of the pod: neither beyond the chroot nor through /proc', async () => {
    const escape = 'mkdir -p /tmp/d && chroot /tmp/d /bin/true';
    const script = `${escape}; for p in /proc/[0-9]*; do cat $p/root/run/sshaccess/secret/host-key; done`;
    const { stdout, stderr } = await ssh(rootLogin(), script);
    expect(stdout).not.toContain('PRIVATE KEY');
    expect(stderr).toMatch(/chroot: .*Operation not permitted/);
    expect(stderr).toMatch(/secret\/host-key: Permission denied/);
  });
});

describe('limited', () => {
  test('is another uid than root and the app, with no way to more', async () => {
    const { stdout, code } = await ssh(
      limitedLogin(),
      'id -u; id -G; umask; grep -E "NoNewPrivs|CapEff|CapPrm" /proc/self/status',
    );
    expect(code).toBe(0);
    const [uid, groups, umask, ...status] = stdout.trim().split('\n');
    expect(Number(uid)).toBeGreaterThan(1000);
    expect(groups).toBe(uid);
    expect(umask).toBe('0077');
    expect(status.map((line) => line.replace(/\s+/, ' '))).toEqual([
      'CapPrm: 0000000000000000',
      'CapEff: 0000000000000000',
      'NoNewPrivs: 1',
    ]);
  });

  test('sees neither the environment of the app nor its root, and cannot signal it', async () => {
    const script = [
      `for p in /proc/[0-9]*; do [ "$(stat -c %u $p)" = 1000 ] && echo "app \${p#/proc/}" && { cat $p/environ; ls $p/root/; kill -0 \${p#/proc/}; } ; done`,
      'env',
    ].join('; ');
    const { stdout, stderr } = await ssh(limitedLogin(), script);
    expect(stdout).toMatch(/^app \d+$/m);
    expect(stdout).not.toContain('GREETING=hello');
    expect(stdout).not.toMatch(/^(bin|etc|srv)$/m);
    expect(stderr.match(/Permission denied|not permitted/g)?.length).toBeGreaterThanOrEqual(3);
  });
});

describe('exec', () => {
  test('keeps stdout, stderr and the exit status apart', async () => {
    const { stdout, stderr, code } = await ssh(rootLogin(), 'echo out; echo err >&2; exit 7');
    expect({ stdout, stderr, code }).toEqual({ stdout: 'out\n', stderr: 'err\n', code: 7 });
  });

  test('reports death by a signal as a signal', async () => {
    const { code, stderr } = await ssh(rootLogin(), 'kill -TERM $$', { ssh: ['-o', 'LogLevel=DEBUG'] });
    // OpenSSH's client ends with 255 when the server sent exit-signal, and names it in its debug output.
    expect(code).toBe(255);
    expect(stderr).toContain('exit-signal');
  });

  test('takes the command byte for byte', async () => {
    const { stdout } = await ssh(rootLogin(), `printf '%s|' "a  b" '$HOME' "\`echo x\`" 'ü\\' '"'; echo`);
    expect(stdout).toBe('a  b|$HOME|x|ü\\|"|\n');
  });

  test('accepts environment variables that the policy names, and no others', async () => {
    const { stdout } = await run(sshCommand(rootLogin(), ['-o', 'SendEnv=LC_TEST LD_PRELOAD BASH_ENV'], 'env'), {
      env: { ...process.env, LC_TEST: 'yes', LD_PRELOAD: '', BASH_ENV: '/tmp/evil' },
    });
    expect(stdout).toContain('LC_TEST=yes\n');
    expect(stdout).not.toMatch(/LD_PRELOAD|BASH_ENV/);
  });

  test('ends when the reader of its output is gone', async () => {
    const command = sshCommand(rootLogin(), [], 'cat /dev/zero')
      .map((word) => `'${word}'`)
      .join(' ');
    const { stdout, code } = await run(['bash', '-c', `${command} | head -c 1M | wc -c`], { timeoutMs: 30_000 });
    expect(code).toBe(0);
    expect(stdout.trim()).toBe('1048576');
  });
});

describe('an interactive session', () => {
  test('has a terminal with a name, a type and a size', async () => {
    const { stdout } = await run(
      sshCommand(rootLogin(), ['-tt'], 'tty; echo "$TERM"; test -t 0 && test -t 1 && echo terminal'),
      {
        env: { ...process.env, TERM: 'xterm-256color' },
      },
    );
    expect(stdout).toMatch(/^\/dev\/pts\/\d+\r\nxterm-256color\r\nterminal\r\n$/);
  });

  test('is told when the window changes', async () => {
    const remote = `'trap "stty size; exit" WINCH; stty size; while :; do sleep 0.1; done'`;
    const command = sshCommand(rootLogin(), ['-tt'], `bash -c ${remote}`)
      .map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
      .join(' ');
    // script(1) gives ssh a terminal of its own, whose size the background job changes once the other end has told the first.
    const seen = join(scratch, 'sizes');
    const resize = `(until grep -q '24 80' ${seen}; do sleep 0.2; done; stty rows 50 cols 132 < /dev/tty)`;
    const local = `stty rows 24 cols 80; : >${seen}; ${resize} & ${command} | tee ${seen}`;
    const { stdout } = await run(['script', '-qec', `bash -c '${local.replaceAll("'", `'\\''`)}'`, '/dev/null'], {
      timeoutMs: 60_000,
    });
    expect(stdout.match(/\d+ \d+/g)).toEqual(['24 80', '50 132']);
  });

  test('Ctrl-C interrupts the command, not the session', async () => {
    const [program = '', ...args] = sshCommand(rootLogin(), ['-tt']);
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = new Promise((resolve) => child.once('close', resolve));
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const says = (words: string) => expect.poll(() => output, { timeout: 60_000 }).toContain(words);
    // The sums tell what is run from what is typed.
    child.stdin.write('echo $((20 + 3))rd; sleep 1000\n');
    await says('23rd');
    child.stdin.write('\u0003');
    await says('^C');
    child.stdin.write('echo "status $?"; exit 7\n');
    await says('status 130');
    expect(await ended).toBe(7);
  });
});
