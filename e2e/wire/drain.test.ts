/** A gateway that has to stop: whoever is on a terminal is told in time, and why at the end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStack, type Stack } from './stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ DRAIN_GRACE: '6' });
}, 180_000);
afterAll(() => stack?.stop());

const PATIENCE = { timeout: 30_000 };

test(
  'SIGTERM: a terminal is told before the grace ends, and ssh says why it is over',
  { timeout: 90_000 },
  async () => {
    const where = ['-tt', '-p', String(stack.port), '-l', stack.root.username, '127.0.0.1'];
    const ssh = spawn('ssh', [...stack.options(stack.root), ...where, 'echo ready; exec cat']);
    const ended = once(ssh, 'close');
    const heard = { out: '', err: '' };
    ssh.stdout.on('data', (data) => (heard.out += String(data)));
    ssh.stderr.on('data', (data) => (heard.err += String(data)));
    await expect.poll(() => heard.out, PATIENCE).toContain('ready');
    stack.piper.kill('SIGTERM');
    await expect
      .poll(() => heard.out, PATIENCE)
      .toContain('sshaccess: this gateway has to shut down, and ends the connection in 3 s: save your work');
    await ended;
    // The line comes by a pipe of its own, and may be behind the end of ssh.
    const last = () => stack.piperLog.find(({ event }) => event === 'end');
    await expect.poll(last, PATIENCE).toMatchObject({ reason: 'draining' });
    const end = last();
    expect(heard.err).toContain(
      `connect again to reach another one [draining, connection ${String(end?.['connection'])}]`,
    );
  },
);
