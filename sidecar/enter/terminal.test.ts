/** Sessions with a terminal. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { buildEnter } from './testing/build-enter.ts';
import { gone, type Session, startSession } from './testing/session.ts';

// A bound against hanging, not a measure: other tests share the machine.
vi.setConfig({ testTimeout: 120_000 });

let enter: string;
beforeAll(async () => {
  enter = await buildEnter();
}, 300_000);

const start = (script: string, options: readonly string[] = [], ownOutput = false): Session =>
  startSession([enter, 'run', '--pty', '80x24', ...options, '--', 'bash', '--norc', '-c', script], { ownOutput });

const startInteractive = (): Session =>
  startSession([enter, 'run', '--pty', '80x24', '--', 'bash', '--norc', '-i'], {
    env: { PATH: process.env['PATH'], PS1: 'prompt> ' },
  });

/** Of proc_pid_stat(5), from the state on. */
function statOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  } catch {
    return []; // gone
  }
}

const stateOf = (pid: number) => statOf(pid)[0];
const hasNoTerminal = (pid: number) => (statOf(pid)[4] ?? '0') === '0';

/** `stty -a` of a terminal with these modes. */
async function settings(modes: string): Promise<string> {
  const session = start('stty -a', ['--modes', modes]);
  await session.ended;
  return session.output().replaceAll('\r\n', ' ');
}

const mode = (opcode: number, value: number) =>
  opcode.toString(16).padStart(2, '0') + value.toString(16).padStart(8, '0');

describe('the terminal', () => {
  test('has a name, a size, and belongs to the session’s user', async () => {
    const options = ['--uid', '61000', '--gid', '61000', '--groups', ''];
    const session = start(
      'tty; echo $SSH_TTY; stty size; stat -c "%u %a" $(tty); echo again > $(tty); echo fd > /dev/tty',
      options,
    );
    expect(await session.ended).toMatchObject({ code: 0 });
    expect(session.output()).toMatch(/^(\/dev\/pts\/\d+)\r\n\1\r\n24 80\r\n61000 6[02]0\r\nagain\r\nfd\r\n$/);
    expect(session.errors()).toBe('');
  });

  test('carries all that was written, to the last byte, when the program ends at once', async () => {
    const session = start('head -c 300000 /dev/zero | tr "\\0" x; printf end');
    expect(await session.ended).toMatchObject({ code: 0 });
    expect(session.output()).toBe(`${'x'.repeat(300_000)}end`);
  });

  test('holds a writer back when nobody reads', async () => {
    const session = start('head -c 3000000 /dev/zero | tr "\\0" x; printf end', [], true);
    let length = 0;
    await new Promise((resolve) => setTimeout(resolve, 300));
    for await (const chunk of session.stdout) length += chunk.length;
    expect(length).toBe(3_000_003);
    expect(await session.ended).toMatchObject({ code: 0 });
  });

  test('takes input, echoes it, and knows pixels', async () => {
    const session = startSession([
      enter,
      'run',
      '--pty',
      '100x50x640x480',
      '--',
      'python3',
      '-c',
      'import fcntl,termios,struct;print(struct.unpack("4H",fcntl.ioctl(0,termios.TIOCGWINSZ,b" "*8)));print("<"+input()+">")',
    ]);
    await session.sees('(50, 100, 640, 480)');
    session.stdin.write('hello\r');
    expect(await session.ended).toMatchObject({ code: 0 });
    expect(session.output()).toContain('hello\r\n<hello>\r\n');
  });

  test('takes more input than fits, as fast as the program reads it', async () => {
    const session = start('stty raw -echo; echo ready; head -c 1000000 | sha256sum', ['--modes', mode(51, 0)]);
    await session.sees('ready');
    session.stdin.write(Buffer.alloc(1_000_000, 'a'));
    await session.ended;
    expect(session.output()).toContain('cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0');
  });

  test('is resized, and the program told', async () => {
    const session = start('trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.05; done');
    await session.sees('ready');
    session.order('size 132 43 0 0');
    expect(await session.ended).toMatchObject({ code: 0 });
    expect(session.output()).toContain('43 132\r\n');
  });

  test('survives the end of our input', async () => {
    const session = start('sleep 0.3; echo still here');
    session.stdin.end();
    expect(await session.ended).toMatchObject({ code: 0 });
    expect(session.output()).toBe('still here\r\n');
  });

  test('survives a program that closes it and opens it again', async () => {
    const session = start('exec <&- >&- 2>&-; sleep 0.3; echo back > /dev/tty; exit 4');
    expect(await session.ended).toMatchObject({ code: 4 });
    expect(session.output()).toBe('back\r\n');
  });

  test('is over with its program, whatever runs in the background', async () => {
    const session = start('trap "" HUP; sleep 1000 & echo $!; exit 3');
    expect(await session.left).toBe('ended exit 3\n');
    process.kill(Number(session.output()), 'SIGKILL');
    expect(await session.ended).toMatchObject({ code: 3 });
  });
});

describe('keys and signals', () => {
  test('Ctrl-C interrupts what is in the foreground, not the shell', async () => {
    const session = startInteractive();
    await session.sees('prompt> ');
    // What runs says so itself: by then its group is the foreground.
    session.stdin.write('sh -c "echo first-\\$((1+1)); exec sleep 1000"\r');
    await session.sees('first-2');
    session.stdin.write('\u0003');
    await session.sees(/first-2[^]*prompt> /);
    session.stdin.write('echo status $?\r');
    await session.sees('status 130');
    session.stdin.write('sh -c "echo second-\\$((1+1)); exec sleep 1000"\r');
    await session.sees('second-2');
    session.order('signal TERM');
    await session.sees(/second-2[^]*prompt> /);
    session.stdin.write('echo status $?\r');
    await session.sees('status 143');
    session.stdin.write('exit 5\r');
    expect(await session.ended).toMatchObject({ code: 5 });
  });

  // nohup, setsid and disown are its user's words for what shall stay.
  test('the end of the connection hangs up a shell and all its jobs, but what its user took out of them', async () => {
    const session = startInteractive();
    await session.sees('prompt> ');
    // Each says its number itself: what bash has not yet executed takes a signal for bash's.
    const say = (name: string) => `'echo ${name}=$$=; exec sleep 1000'`;
    session.stdin.write(
      `sh -c ${say('background')} & nohup sh -c ${say('nohup').replace('=;', '= >/dev/tty;')} >/dev/null 2>&1 &\r`,
    );
    session.stdin.write(`setsid sh -c ${say('setsid')} & sh -c ${say('disowned')} & disown\r`);
    const names = ['background', 'nohup', 'setsid', 'disowned'];
    for (const name of names) await session.sees(new RegExp(`${name}=\\d+=`));
    session.stdin.write(`echo shell=$$=; sh -c ${say('foreground')}\r`);
    await session.sees(/foreground=\d+=/);
    const pidOf = (name: string) => Number(new RegExp(`${name}=(\\d+)=`).exec(session.output())?.[1]);
    session.hangUp();
    await session.left;
    await Promise.all(['background', 'foreground', 'shell'].map((name) => gone(pidOf(name))));
    for (const name of ['nohup', 'setsid', 'disowned']) {
      expect([name, stateOf(pidOf(name))]).toEqual([name, 'S']);
      process.kill(pidOf(name), 'SIGKILL');
    }
    // The helper has stayed for them, and goes of itself.
    expect((await session.ended).signal).not.toBe('SIGKILL');
  });

  // bash 5.2 dies at once of a second SIGHUP, with its jobs not hung up, while it saves its history for the first.
  test('a shell that takes its time with the hang-up is not hung up twice', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sshaccess-history-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const history = join(folder, 'fifo');
    await promisify(execFile)('mkfifo', [history]);
    const session = startInteractive();
    await session.sees('prompt> ');
    session.stdin.write(`unset HISTFILESIZE; HISTFILE=${history}\r`);
    session.stdin.write(`echo shell=$$=; sh -c 'echo job=$$=; exec sleep 1000' &\r`);
    await session.sees(/job=\d+=/);
    const [shell = 0, job = 0] = ['shell', 'job'].map((name) =>
      Number(new RegExp(`${name}=(\\d+)=`).exec(session.output())?.[1]),
    );
    session.hangUp();
    while (!hasNoTerminal(shell)) await new Promise((resolve) => setTimeout(resolve, 10));
    // Its open(2) of the pipe waits for us.
    expect(await readFile(history, 'utf8')).toContain('HISTFILE=');
    await session.ended;
    await Promise.all([shell, job].map(gone));
  });

  test('what ignores the hang-up in the foreground is killed', async () => {
    const session = startInteractive();
    await session.sees('prompt> ');
    session.stdin.write(`bash -c 'trap "" HUP; echo pid=$$=; while :; do sleep 0.1; done'\r`);
    await session.sees(/pid=\d+=/);
    const pid = Number(/pid=(\d+)=/.exec(session.output())?.[1]);
    session.hangUp();
    await session.ended;
    await gone(pid);
  });

  test('a client that closes the output hangs up', async () => {
    const session = start('echo ready; sleep 1000', [], true);
    await new Promise((resolve) => session.stdout.once('readable', resolve));
    session.stdout.destroy();
    expect(await session.ended).toMatchObject({ signal: 'SIGHUP' });
  });
});

describe('a break', () => {
  /** What a program sees of a break, on a terminal that it has set up with these words. */
  async function afterBreak(words: string, program: string): Promise<string> {
    const session = start(`stty ${words}; trap 'echo interrupted; exit 3' INT; echo ready; ${program}`);
    await session.sees('ready\r\n');
    session.order('break');
    await session.ended;
    return session.output().replace(/^[^]*ready\r\n/, '');
  }
  const octets = (count: number) => `head -c ${count} | od -An -tx1 & wait`;

  test('is what the terminal says: an interrupt, a NUL, a marked NUL, or nothing', async () => {
    const wait = 'while :; do sleep 0.05; done';
    expect(await afterBreak('brkint -ignbrk', wait)).toContain('interrupted');
    const input = (count: number) => octets(count).replace('head', 'head </dev/tty');
    const raw = 'raw -echo opost -ignbrk -brkint';
    expect(await afterBreak(`${raw} -parmrk`, input(1))).toBe(' 00\r\n');
    expect(await afterBreak(`${raw} parmrk`, input(3))).toBe(' ff 00 00\r\n');
    const ignored = start('stty raw -echo opost ignbrk; echo ready; head -c 1 | od -An -tx1');
    await ignored.sees('ready');
    ignored.order('break');
    ignored.stdin.write('x');
    await ignored.ended;
    expect(ignored.output()).toContain(' 78\r\n');
  });

  test('drops what was typed ahead, as an interrupt does, and leaves the settings as they are', async () => {
    const script = `import fcntl,os,signal,struct,termios,time
signal.signal(2, signal.SIG_IGN)
unread = lambda: struct.unpack("i", fcntl.ioctl(0, termios.FIONREAD, b"    "))[0]
print("ready", flush=True)
while unread() < 4: time.sleep(0.01)
print("typed", flush=True)
while unread() > 0: time.sleep(0.01)
print("dropped", flush=True)
print(os.read(0, 3))`;
    const session = start(`stty brkint -ignbrk -icanon -echo; exec python3 -c '${script}'`);
    await session.sees('ready');
    session.stdin.write('gone');
    await session.sees('typed');
    session.order('break');
    await session.sees('dropped');
    session.stdin.write('new');
    await session.ended;
    expect(session.output()).toContain("b'new'");
    const parmrk = start('stty parmrk -brkint -ignbrk raw parmrk echo; echo ready; head -c 3 >/dev/null; stty -a');
    await parmrk.sees('ready');
    parmrk.order('break');
    await parmrk.ended;
    expect(parmrk.output()).toMatch(/ parmrk[^]* echo /);
  });

  test('means nothing without a terminal', async () => {
    const session = startSession([enter, 'run', '--', 'cat']);
    session.order('break');
    session.stdin.end('x');
    expect(await session.ended).toMatchObject({ code: 0 });
    expect(session.output()).toBe('x');
  });
});

describe('modes', () => {
  test('of every kind are applied', async () => {
    const text = await settings(
      [
        [1, 7], // VINTR ^G
        [3, 8], // VERASE ^H
        [10, 255], // VSUSP off
        [36, 0], // ICRNL
        [39, 1], // IXANY
        [42, 1], // IUTF8
        [53, 0], // ECHO
        [58, 1], // TOSTOP
        [72, 0], // ONLCR
        [128, 9600], // input speed
        [129, 9600], // output speed
      ]
        .map(([opcode = 0, value = 0]) => mode(opcode, value))
        .join('') + '00',
    );
    for (const part of [
      'intr = ^G',
      'erase = ^H',
      'susp = <undef>',
      '-icrnl',
      ' ixany',
      ' iutf8',
      '-echo ',
      ' tostop',
      '-onlcr',
      'speed 9600 baud',
    ])
      expect(text).toContain(part);
  });

  test('that nobody knows are passed over, and nonsense ends the list', async () => {
    expect(await settings(mode(99, 1) + mode(1, 7))).toContain('intr = ^G');
    expect(await settings(mode(200, 1) + mode(1, 7))).toContain('intr = ^C');
    expect(await settings('00' + mode(1, 7))).toContain('intr = ^C');
    expect(await settings(mode(1, 7).slice(0, 8))).toContain('intr = ^C');
    expect(await settings(mode(129, 12_345))).toContain('speed 38400 baud');
    expect(await settings('')).toContain('intr = ^C');
  });
});
