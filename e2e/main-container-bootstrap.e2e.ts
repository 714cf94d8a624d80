/** SSH_BOOTSTRAP_SCRIPT runs once before sshd; that it failed is told, and keeps people out only where they asked for it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './support/eventually.ts';
import { createGuests, type Guest, loggedIn, logOf, rootOf } from './support/guests.ts';
import { disposeScratch, ssh } from './support/openssh.ts';
import { condition, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'mc-bootstrap';
const guest = (name: string, bootstrap: object | undefined, env: Record<string, string> = {}): Guest => ({
  namespace,
  name,
  image: 'contract-12',
  uid: 1000,
  env,
  ...(bootstrap !== undefined && { mainContainer: { bootstrap } }),
});
/** It says who runs it, and counts; a `$` must arrive as one. */
const COUNT = 'echo "run by $(id -u)" >> /ssh-runtime/runs; [ -n "$$" ] && echo "said by bootstrap"';
const fine = guest('fine', { script: COUNT });
const own = guest(
  'own',
  { script: 'echo ours > /ssh-runtime/runs' },
  { SSH_BOOTSTRAP_SCRIPT: 'echo own > /ssh-runtime/runs' },
);
const failing = guest('failing', { script: 'echo "no such dataset" >&2; exit 3' });
const required = guest('required', { script: 'echo "no such dataset" >&2; exit 3', required: true });

beforeAll(async () => {
  await removeNamespace(namespace);
  await createGuests([fine, own, failing, required]);
});
afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

test('it runs once, as the user of the container, and its words are in the log', async () => {
  await waitUntilReady(namespace, fine.name);
  expect(await loggedIn(rootOf(fine), 'cat /ssh-runtime/runs')).toBe('run by 1000\n');
  expect(await logOf(fine)).toContain('said by bootstrap\n');
  await eventually(async () =>
    expect(await condition(namespace, fine.name, 'Bootstrapped')).toMatch(/^True: BootstrapSucceeded/),
  );
});

test("the pod's own SSH_BOOTSTRAP_SCRIPT wins", async () => {
  await waitUntilReady(namespace, own.name);
  expect(await loggedIn(rootOf(own), 'cat /ssh-runtime/runs')).toBe('own\n');
});

test('one that fails is told in status and in the log, and users come in', async () => {
  await loggedIn(rootOf(failing), 'true');
  await eventually(async () =>
    expect(await condition(namespace, failing.name, 'Bootstrapped')).toMatch(/^False: BootstrapFailed: /),
  );
  expect(await condition(namespace, failing.name, 'Ready')).toMatch(/^True/);
  expect(await logOf(failing)).toMatch(/no such dataset\n[^]*bootstrap script failed with exit code 3/);
});

test('one that is required and fails keeps sshd down: status says so, and a login ends with a sentence', async () => {
  await eventually(async () =>
    expect(await condition(namespace, required.name, 'Ready')).toMatch(/^False: BootstrapFailed: .*exit code 3/),
  );
  const { code, stderr } = await ssh(rootOf(required), 'true', { ssh: ['-o', 'LogLevel=INFO'], timeoutMs: 90_000 });
  expect(code).toBe(255);
  expect(stderr).toMatch(/\[[a-z-]+, connection \w+\]/);
});
