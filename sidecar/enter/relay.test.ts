/** Between the sidecar and a program without a terminal: pipes, and what flows through them. */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { buildEnter } from './testing/build-enter.ts';
import { gone, runSession, startSession } from './testing/session.ts';

// A bound against hanging, not a measure: other tests share the machine.
vi.setConfig({ testTimeout: 120_000 });

let enter: string;
beforeAll(async () => {
  enter = await buildEnter();
}, 300_000);

const start = (script: string, ownOutput = false) =>
  startSession([enter, 'run', '--', 'bash', '-c', script], { ownOutput });
const run = (script: string, input = '') => runSession([enter, 'run', '--', 'bash', '-c', script], input);

/** The same bytes again and again, made without remembering them. */
async function* noise(bytes: number) {
  const block = randomBytes(1 << 20);
  for (let sent = 0; sent < bytes; sent += block.length) {
    block.writeUInt32BE(sent, 0);
    yield Buffer.from(block.subarray(0, Math.min(block.length, bytes - sent)));
  }
}

async function digest(chunks: AsyncIterable<Buffer>) {
  const hash = createHash('sha256');
  let length = 0;
  for await (const chunk of chunks) {
    hash.update(chunk);
    length += chunk.length;
  }
  return { length, sha256: hash.digest('hex') };
}

describe('streams', () => {
  test('are pipes, which can be opened again', async () => {
    expect(
      await run('cat /dev/stdin; echo out > /dev/stdout; echo err > /dev/stderr; cat /proc/self/fd/0', 'in\n'),
    ).toMatchObject({
      code: 0,
      stdout: 'in\nout\n',
      stderr: 'err\n',
    });
    expect(await run('for fd in 0 1 2; do readlink /proc/self/fd/$fd >&2; done')).toMatchObject({
      stderr: expect.stringMatching(/^(pipe:\[\d+\]\n){3}$/),
    });
  });

  test('200 MB arrive as they left, both ways at once', async () => {
    const session = startSession([enter, 'run', '--', 'cat'], { ownOutput: true });
    const sent = createHash('sha256');
    const sending = pipeline(
      noise(200_000_000),
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          sent.update(chunk);
          yield chunk;
        }
      },
      session.stdin,
    );
    const received = await digest(session.stdout);
    await sending;
    expect(received).toEqual({ length: 200_000_000, sha256: sent.digest('hex') });
    expect(await session.ended).toMatchObject({ code: 0 });
  });

  test('a reader that is slow loses nothing, and holds the writer back', async () => {
    const session = start('yes 0123456789 | head -c 20000000; echo end >&2', true);
    session.stdout.pause();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(session.errors()).toBe('');
    expect((await digest(session.stdout)).length).toBe(20_000_000);
    expect(await session.ended).toMatchObject({ code: 0 });
    expect(session.errors()).toBe('end\n');
  });

  test.each([
    ['file', '"$0" run -- cat </etc/passwd >"$1"'],
    ['pipe', 'cat /etc/passwd | "$0" run -- cat | cat >"$1"'],
    ['terminal', 'script -qec "$0 run -- cat /etc/passwd" /dev/null </dev/null | tr -d "\\r" >"$1"'],
  ])('a %s at our own ends is copied where it cannot be spliced', async (kind, command) => {
    const copy = join(tmpdir(), `sshaccess-relay-${process.pid}-${kind}`);
    onTestFinished(() => rm(copy));
    await promisify(execFile)('bash', ['-c', command, enter, copy]);
    expect(await readFile(copy, 'utf8')).toBe(await readFile('/etc/passwd', 'utf8'));
  });
});

describe('the end of', () => {
  test('our input ends the program’s', async () => {
    expect(await run('cat; echo eof', 'abc\n')).toMatchObject({ code: 0, stdout: 'abc\neof\n' });
  });

  test('the program’s output is told while it lives on', async () => {
    const session = start('echo first; exec >&-; read line; echo "got $line" >&2; exit 4');
    await once(session.stdout, 'end');
    expect(session.output()).toBe('first\n');
    session.stdin.write('more\n');
    expect(await session.ended).toMatchObject({ code: 4 });
    expect(session.errors()).toBe('got more\n');
  });

  test('the program’s interest in its input neither kills nor blocks it', async () => {
    const session = start('exec <&-; echo closed; sleep 0.2; echo still here; exit 5');
    await session.sees('closed');
    for (let i = 0; i < 64; i++) session.stdin.write(Buffer.alloc(65_536));
    await new Promise((resolve) => session.stdin.end(resolve));
    expect(await session.ended).toMatchObject({ code: 5 });
    expect(session.output()).toBe('closed\nstill here\n');
  });

  test('our interest in the output is a broken pipe to the program', async () => {
    const session = start('yes; echo "status ${PIPESTATUS[0]}" >&2; exit 6', true);
    await once(session.stdout, 'readable');
    session.stdout.destroy();
    expect(await session.ended).toMatchObject({ code: 6 });
    // Killed by SIGPIPE, not told by EPIPE: Node’s habit of ignoring it did not get through.
    expect(session.errors()).toMatch(/^status 141\n$/);
  });

  test('a quiet program notices that nobody reads when it speaks', async () => {
    const session = start('read go; echo x; sleep 0.1; echo y; echo "not reached" >&2', true);
    session.stdout.destroy();
    session.stdin.write('go\n');
    await session.ended;
    expect(session.errors()).toMatch(/^$|write error/);
  });

  test('the program does not end the session while its children hold the output', async () => {
    const session = start('exec 3<&0; (read line <&3; echo "late $line") & exit 0');
    await new Promise((resolve) => setTimeout(resolve, 200));
    session.stdin.write('words\n');
    expect(await session.ended).toMatchObject({ code: 0 });
    expect(session.output()).toBe('late words\n');
  });
});

describe('orders', () => {
  test('a signal reaches the program and its children', async () => {
    const child = `(trap "echo child; exit" USR1; echo ready; while :; do sleep 0.05; done) &`;
    const session = start(`trap 'wait; exit 9' USR1; ${child} wait; wait`);
    await session.sees('ready');
    session.order('signal USR1');
    expect(await session.ended).toMatchObject({ code: 9 });
    expect(session.output()).toBe('ready\nchild\n');
  });

  test('an order that nobody knows, or that is too long, is ignored', async () => {
    const session = start('echo ready; read x; exit 3');
    await session.sees('ready');
    for (const line of ['signal NONE', 'signal', 'signal TERM now', 'size 1', 'x'.repeat(5000), 'size 1 2 3 4', ''])
      session.order(line);
    session.order(`signal TERM${'x'.repeat(100)}`);
    session.stdin.write('\n');
    expect(await session.ended).toMatchObject({ code: 3 });
  });

  test('the end of the connection hangs the program up', async () => {
    const session = start('trap "echo unheard; exit 7" HUP; echo ready; while :; do sleep 0.05; done');
    await session.sees('ready');
    session.hangUp();
    expect(await session.ended).toMatchObject({ code: 7 });
  });

  test('what does not heed the hang-up is killed, and its children', async () => {
    const session = start('trap "" HUP; echo $$; sh -c "echo \\$\\$; sleep 1000"; true');
    await session.sees(/\d+\n\d+\n/);
    const pids = session.output().trim().split('\n').map(Number);
    session.hangUp();
    expect(await session.ended).toMatchObject({ code: null, signal: 'SIGKILL' });
    await Promise.all(pids.map(gone));
  });

  test('a program that is stopped is hung up too', async () => {
    const session = start('echo $$; kill -STOP $$');
    await session.sees('\n');
    session.hangUp();
    expect(await session.ended).toMatchObject({ signal: 'SIGHUP' });
  });

  test('a sidecar that ends the helper hangs the session up', async () => {
    const session = start('echo $$; sleep 1000');
    await session.sees('\n');
    process.kill(session.pid, 'SIGTERM');
    expect(await session.ended).toMatchObject({ signal: 'SIGHUP' });
    await gone(Number(session.output()));
  });

  test('a hang-up before the program has begun ends it as well', async () => {
    const session = start('sleep 1000');
    session.hangUp();
    expect(await session.ended).toMatchObject({ signal: 'SIGHUP' });
  });
});
