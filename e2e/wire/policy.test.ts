/** What OpenSSH shows its user when the policy says no, or that it is over: through the real piper to the real sidecar. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SessionPolicy } from '../../crds/index.ts';
import { startStack, type Stack } from './stack.ts';

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
}, 180_000);
afterAll(() => stack?.stop());

const endOf = (predicate: (line: Record<string, unknown>) => boolean) =>
  stack.piperLog.findLast((line) => line.msg === 'connection' && line['event'] === 'end' && predicate(line));

/** Narrows the policy of both users. */
const setPolicy = (changes: Partial<SessionPolicy>): Promise<void> =>
  stack.setRoute({ users: stack.route.users.map((user) => ({ ...user, policy: { ...user.policy, ...changes } })) });

test('a list of commands: those run, and all else is told why not', { timeout: 30_000 }, async () => {
  await setPolicy({ commands: ['echo allowed'] });
  const run = (...args: string[]) => stack.ssh(stack.limited, args);
  await expect.poll(() => run('echo secret'), { timeout: 5_000 }).toMatchObject({ stdout: '', code: 126 });
  expect(await run('echo allowed')).toMatchObject({ stdout: 'allowed\n', stderr: '', code: 0 });
  for (const refused of ['id', 'echo allowed; id', 'echo allowed ', '/bin/sh -c "echo allowed"']) {
    const { stdout, stderr, code } = await run(refused);
    expect({ stdout, code }).toEqual({ stdout: '', code: 126 });
    expect(stderr).toContain('echo allowed');
  }
  const shell = await stack.ssh(stack.limited, ['-T', ''], { input: 'id\n' });
  expect(shell).toMatchObject({ stdout: '', code: 126 });
  await expect.poll(() => endOf((line) => String(line['refused']) === 'shell: commands')).toBeDefined();
  // What was asked for never reaches the pod.
  expect(stack.auditLines.join('\n')).not.toMatch(/secret|bin\/sh/);
});

test('with -v the reason of a refused request is shown', { timeout: 30_000 }, async () => {
  await setPolicy({});
  const env = { ...process.env, NODE_OPTIONS: '--no-warnings' };
  const { stderr } = await stack.ssh(stack.root, ['-v', '-o', 'SendEnv=NODE_OPTIONS', 'true'], { env });
  expect(stderr).toContain('Remote: env is refused: your policy does not let you set this variable');
});

test('a user has two sessions over all connections, and the third is told so', { timeout: 30_000 }, async () => {
  await setPolicy({});
  await expect.poll(async () => (await stack.ssh(stack.limited, ['true'])).code, { timeout: 5_000 }).toBe(0);
  const go = join(stack.remote, 'go');
  const waiting = ['a', 'b'].map((name) =>
    stack.ssh(stack.limited, [`until [ -e ${go} ]; do sleep 0.1; done; echo ${name}`]),
  );
  await expect
    .poll(() => stack.auditLines.filter((line) => line.includes('until')).length, { timeout: 10_000 })
    .toBe(2);
  const third = await stack.ssh(stack.limited, ['-v', 'echo third']);
  expect(third).toMatchObject({ stdout: '', code: 255 });
  expect(third.stderr).toContain('no more than 2 sessions at once, on all of your connections');
  await writeFile(go, '');
  expect((await Promise.all(waiting)).map(({ stdout }) => stdout)).toEqual(['a\n', 'b\n']);
  expect(await stack.ssh(stack.limited, ['echo again'])).toMatchObject({ stdout: 'again\n' });
});

test('an idle connection ends and says why, keepalives or not', { timeout: 30_000 }, async () => {
  await setPolicy({ idleTimeoutSeconds: 1 });
  const quiet = () => stack.ssh(stack.root, ['-o', 'ServerAliveInterval=1', 'sleep 20']);
  await expect
    .poll(async () => (await quiet()).stderr, { timeout: 25_000 })
    .toMatch(/\[idle, connection [0-9a-f]{16}\]/);
});
