/** OpenSSH's own client through the real piper to OpenSSH's own sshd: runtime main_container, without a cluster. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DEFAULT_POLICIES } from '../../crds/index.ts';
import { sshdPod } from './sshd-pod.ts';
import { startStack, type Stack } from './stack.ts';

describe.each(['app', 'root'] as const)('sshd runs as %s', (as) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack({}, DEFAULT_POLICIES, sshdPod({ as }));
  }, 60_000);
  afterAll(() => stack?.stop());

  test('a command runs; stdout, stderr and exit status are its own', async () => {
    const { stdout, stderr, code } = await stack.ssh(stack.root, ['echo out; echo err >&2; id -u; exit 7']);
    expect({ stdout, stderr, code }).toEqual({ stdout: 'out\n65534\n', stderr: 'err\n', code: 7 });
    console.log(stack.auditLines, stack.piperLog.slice(-3));
  });
});
