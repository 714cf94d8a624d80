/** Sessions with a terminal. */
import { beforeAll, describe, expect, test, vi } from 'vitest';
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
    expect(await session.ended).toMatchObject({ code: 3 });
    process.kill(Number(session.output()), 'SIGKILL');
  });
});

describe('keys and signals', () => {
  test('Ctrl-C interrupts what is in the foreground, not the shell', async () => {
    const session = startSession([enter, 'run', '--pty', '80x24', '--', 'bash', '--norc', '-i'], {
      env: { PATH: process.env['PATH'], PS1: 'prompt> ' },
    });
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

  // What is in its background is the shell's to hang up, or not: nohup, disown and huponexit are its user's words for it.
  test('the end of the connection hangs up a shell and what runs in its foreground', async () => {
    const session = startSession([enter, 'run', '--pty', '80x24', '--', 'bash', '--norc', '-i'], {
      env: { PATH: process.env['PATH'], PS1: 'prompt> ' },
    });
    await session.sees('prompt> ');
    session.stdin.write('echo shell=$$=; sh -c "echo foreground=\\$\\$=; sleep 1000; true"\r');
    await session.sees(/shell=\d+=[^]*foreground=\d+=/);
    const pids = [...session.output().matchAll(/(?:shell|foreground)=(\d+)=/g)].map((match) => Number(match[1]));
    session.hangUp();
    await session.ended;
    await Promise.all(pids.map(gone));
  });

  test('what ignores the hang-up in the foreground is killed', async () => {
    const session = startSession([enter, 'run', '--pty', '80x24', '--', 'bash', '--norc', '-i'], {
      env: { PATH: process.env['PATH'], PS1: 'prompt> ' },
    });
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
