/** The operator, an API server on loopback, and real sshds of OpenSSH where the pods are said to be. */
import { expect, test, vi } from 'vitest';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { textOf } from './secret.ts';
import { podAt, secretAt, useOperator } from './testing/rig.ts';
import { ACCOUNT, listen, ownAddress, startSshd } from './testing/sshd.ts';

const rig = useOperator();
vi.setConfig({ testTimeout: 60_000 });
const soon = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 20 });

const managed = { runtime: 'main_container' };
const image = { ...managed, mainContainer: { setup: 'Image' } };
const unmanaged = (port: number, changes: object = {}) => ({
  ...managed,
  mainContainer: { managed: false, user: ACCOUNT, authorizedKeysPath: '/keys', port, ...changes },
});

/** What the pod's Secret brings. */
async function secretOfPods() {
  await soon(() => expect(rig.secretOf(secretAt('web-sshaccess'))).toBeDefined());
  const data = rig.secretOf(secretAt('web-sshaccess'));
  const hostKey = PrivateKey.parse(textOf(data, 'host-key') ?? '');
  return { hostKey, authorizedKeys: [(textOf(data, 'mapping-key.pub') ?? '').trim()] };
}

test('with our init script: reached, with the host key of our Secret and no other', async () => {
  const uid = rig.putAccess('web', managed);
  await rig.startOperator();
  const { hostKey, authorizedKeys } = await secretOfPods();
  const [first, second] = [ownAddress(), ownAddress()];
  const marks = ['VersionAddendum sshaccess-setup-1 sshaccess-bootstrap-failed'];
  await startSshd({ address: first, port: 2222, authorizedKeys, hostKey, lines: marks });
  await startSshd({ address: second, port: 2222, authorizedKeys });
  rig.putMainPod('web-1', 'web', { address: first });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshReady'));
  expect(rig.reason('web', 'PolicyEnforced')).toBe('PolicyEnforceable');
  expect(rig.condition('web', 'Bootstrapped')).toMatchObject({ status: 'False', reason: 'BootstrapFailed' });
  expect(rig.condition('web', 'SshdPatched')).toBeDefined();
  rig.putMainPod('web-2', 'web', { address: second });
  await soon(() =>
    expect(rig.condition('web', 'Ready')?.message).toMatch(/^ssh is ready in 1 of 2 pods; the host key of .*web-2/),
  );
  expect(rig.statusOf('web')?.pods).toEqual([
    { name: 'web-1', ready: true },
    { name: 'web-2', ready: false },
  ]);
  rig.server.remove(podAt('web-1'));
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('HostKeyMismatch'));
  expect(rig.routeOf(uid)?.hostKeys).toEqual([hostKey.publicKey.toLine()]);
});

test('an image that makes its own host keys: each pod is believed at first sight, and held to it', async () => {
  const uid = rig.putAccess('web', image);
  await rig.startOperator();
  const { authorizedKeys } = await secretOfPods();
  await soon(() => expect(rig.routeOf(uid)?.hostKeys).toEqual([]));
  const [first, second] = [ownAddress(), ownAddress()];
  const one = await startSshd({ address: first, port: 2222, authorizedKeys });
  const two = await startSshd({ address: second, port: 2222, authorizedKeys });
  rig.putMainPod('web-1', 'web', { address: first });
  rig.putMainPod('web-2', 'web', { address: second });
  const both = [one.hostKey, two.hostKey].toSorted();
  await soon(() => expect(rig.routeOf(uid)?.hostKeys.toSorted()).toEqual(both));
  await soon(() => expect(rig.condition('web', 'Ready')?.message).toContain('2 of 2'));
  // Gone with its pod.
  rig.server.remove(podAt('web-2'));
  await soon(() => expect(rig.routeOf(uid)?.hostKeys).toEqual([one.hostKey]));

  // The same container has another key: to an operator that has just started as well.
  await rig.stopOperator();
  await one.stop();
  const impostor = await startSshd({ address: first, port: 2222, authorizedKeys });
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('HostKeyMismatch'));
  expect(rig.routeOf(uid)?.hostKeys).toEqual([one.hostKey]);
  // A container that was started anew may have made a new one.
  rig.putMainPod('web-1', 'web', { address: first, id: 'another' });
  await soon(() => expect(rig.routeOf(uid)?.hostKeys).toEqual([impostor.hostKey]));
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshReady'));
});

test('what a probe found is remembered over a restart of the operator: nothing flickers', async () => {
  const uid = rig.putAccess('web', image);
  await rig.startOperator();
  const { authorizedKeys } = await secretOfPods();
  const address = ownAddress();
  const { hostKey } = await startSshd({ address, port: 2222, authorizedKeys });
  rig.putMainPod('web-1', 'web', { address });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshReady'));
  await rig.quiet();
  await rig.stopOperator();
  const before = rig.writes().length;
  await rig.startOperator();
  await rig.quiet();
  expect(rig.writes().slice(before)).toEqual([]);
  expect(rig.routeOf(uid)?.hostKeys).toEqual([hostKey]);
});

test('an sshd that knows nothing of us, with host keys in the spec, and a key that it does not know', async () => {
  const address = ownAddress();
  const hostKey = PrivateKey.generateEd25519();
  const uid = rig.putAccess('web', unmanaged(2022, { hostKeys: [hostKey.publicKey.toLine('root@image')] }));
  await rig.startOperator();
  const { authorizedKeys } = await secretOfPods();
  const deaf = await startSshd({ address, port: 2022, authorizedKeys: [], hostKey });
  rig.putMainPod('web-1', 'web', { address });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('MappingKeyRefused'));
  expect(rig.condition('web', 'Ready')?.message).toContain('spec.mainContainer.authorizedKeysPath');
  await deaf.stop();
  await startSshd({ address, port: 2022, authorizedKeys, hostKey });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshReady'));
  expect(rig.statusOf('web')?.users?.[0]?.effectiveUser).toBe(`${ACCOUNT} of the image (shared)`);
  expect(rig.condition('web', 'PolicyEnforced')).toMatchObject({ status: 'True' });
  rig.putAccess('web', unmanaged(2022, { hostKeys: ['nonsense'] }));
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('HostKeyNotUsable'));
  expect(rig.routeOf(uid)?.hostKeys).toEqual([]);
});

test('nobody listens: said once, with the ports that the container declares, and over as soon as somebody does', async () => {
  rig.putAccess('web', managed);
  await rig.startOperator();
  const { hostKey, authorizedKeys } = await secretOfPods();
  const address = ownAddress();
  rig.putMainPod('web-1', 'web', { address, ports: [8080, 9090] });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshdNotListening'));
  expect(rig.condition('web', 'Ready')?.message).toMatch(
    /port 2222 of .*web-1, which declares ports 8080, 9090; .*SSH_CONTAINER_ROLE/,
  );
  await rig.quiet();
  expect(rig.events('SshdNotListening')).toHaveLength(1);
  await startSshd({ address, port: 2222, authorizedKeys, hostKey });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshReady'));
});

test('something else listens there', async () => {
  const address = ownAddress();
  const port = await listen(
    address,
    (socket) => void socket.resume().end('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(100)),
  );
  rig.putAccess('web', unmanaged(port));
  await rig.startOperator();
  rig.putMainPod('web-1', 'web', { address });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('NotSsh'));
});

test('a container that ends says why', async () => {
  rig.putAccess('web', managed);
  await rig.startOperator();
  await secretOfPods();
  rig.putMainPod('web-1', 'web', { ended: { exitCode: 1, message: 'sshaccess: [no-sshd] this image has none.\n' } });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('NoOpensshServer'));
});

test('a policy that sshd itself has a part in waits for new pods, and one that it has none in does not', async () => {
  rig.putAccess('web', managed);
  await rig.startOperator();
  const { hostKey, authorizedKeys } = await secretOfPods();
  const address = ownAddress();
  await startSshd({ address, port: 2222, authorizedKeys, hostKey, lines: ['VersionAddendum sshaccess-setup-1'] });
  rig.putMainPod('web-1', 'web', { address, startedAt: '2020-01-01T00:00:00Z' });
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshReady'));
  rig.putAccess('web', { ...managed, policy: { root: { maxSessions: 3 } } });
  await rig.quiet();
  expect(rig.reason('web', 'PolicyEnforced')).toBe('PolicyEnforceable');
  rig.putAccess('web', { ...managed, policy: { root: { remoteForwarding: 'loopback' } } });
  await soon(() => expect(rig.reason('web', 'PolicyEnforced')).toBe('SshdSettingsOutdated'));
  expect(textOf(rig.secretOf(secretAt('web-sshaccess')), 'sshd-settings')).toContain('REMOTE_FORWARDING=loopback\n');
  rig.putMainPod('web-1', 'web', { address, id: 'anew', startedAt: '2999-01-01T00:00:00Z' });
  await soon(() => expect(rig.reason('web', 'PolicyEnforced')).toBe('PolicyEnforceable'));
});

test('back with a sidecar, nothing is said of an sshd any more', async () => {
  rig.putAccess('web', managed);
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'PolicyEnforced')).toBeDefined());
  rig.putAccess('web');
  await soon(() => expect(rig.condition('web', 'PolicyEnforced')).toBeUndefined());
  expect(rig.reason('web', 'KeysValid')).toBe('AllKeysValid');
});
