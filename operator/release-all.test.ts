/** What `helm uninstall` runs, against an API server on loopback. */
import { expect, test } from 'vitest';
import { FINALIZER } from '../crds/index.ts';
import { at, deploymentAt, secretAt, soon, useOperator } from './testing/rig.ts';

const rig = useOperator();
const OPERATOR = '/apis/apps/v1/namespaces/sys/deployments/operator';
const LEASE = '/apis/coordination.k8s.io/v1/namespaces/sys/leases/sshaccess-operator';

const ARE_OPERATORS = { component: 'operator' };

/** One SshAccess that is served, and an operator that has just been stopped. */
async function served(): Promise<string> {
  rig.server.put(OPERATOR, {
    metadata: {},
    spec: { replicas: 2, selector: { matchLabels: ARE_OPERATORS }, template: {} },
  });
  const uid = rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  await rig.quiet();
  await rig.stopOperator();
  return uid;
}

const finalizers = (name: string) => rig.server.get(at(name))?.metadata.finalizers;

test('the SshAccess stays, with its keys; route, label and finalizer go, and no operator is left', async () => {
  const uid = await served();
  rig.server.put(secretAt('route-dead', 'sys'), { metadata: { labels: { 'sshaccess.dev/route': 'true' } } });
  const hostKey = rig.secretOf(secretAt('web-sshaccess'))?.data['host-key'];
  await rig.releaseAll();
  expect(finalizers('web')).toEqual([]);
  expect(rig.labelOf('web')).toBe(false);
  expect(rig.routeOf(uid)).toBeUndefined();
  expect(rig.server.get(secretAt('route-dead', 'sys'))).toBeUndefined();
  expect(rig.reason('web', 'Ready')).toBe('Uninstalled');
  expect(rig.server.get(OPERATOR)?.['spec']).toMatchObject({ replicas: 0 });
  expect(rig.server.get(LEASE)).toBeUndefined();

  // Installed again: served again, with the host key that users' pods had.
  await rig.startOperator();
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('WaitingForPods'));
  expect(finalizers('web')).toEqual([FINALIZER]);
  expect(rig.routeOf(uid)).toBeDefined();
  expect(rig.secretOf(secretAt('web-sshaccess'))?.data['host-key']).toBe(hostKey);
});

test('nothing is written while an operator leads', async () => {
  const uid = await served();
  const spec = { holderIdentity: 'operator-2', leaseDurationSeconds: 3_600 };
  rig.server.put(LEASE, { metadata: {}, spec });
  const before = rig.server.requests.length;
  const released = rig.releaseAll();
  released.catch(() => undefined);
  // Asked twice, and waited between.
  const asked = () => rig.server.requests.slice(before).filter((line) => line === `GET ${LEASE}`);
  await soon(() => expect(asked().length).toBeGreaterThan(1));
  expect(finalizers('web')).toEqual([FINALIZER]);
  expect(rig.routeOf(uid)).toBeDefined();
  rig.server.put(LEASE, { ...rig.server.get(LEASE), spec: { ...spec, holderIdentity: '' } });
  await released;
  expect(finalizers('web')).toEqual([]);
});

test('the Lease is held until the last operator has ended, though another has long given it back', async () => {
  await served();
  const other = '/api/v1/namespaces/sys/pods/operator-2';
  rig.server.put(other, { metadata: { labels: ARE_OPERATORS } });
  const released = rig.releaseAll();
  await soon(() => expect(finalizers('web')).toEqual([]));
  const asked = () => rig.server.requests.filter((line) => line === 'GET /api/v1/namespaces/sys/pods');
  await soon(() => expect(asked().length).toBeGreaterThan(1));
  expect(rig.server.get(LEASE)?.['spec']).toMatchObject({ holderIdentity: 'job-1' });
  rig.server.remove(other);
  await released;
  expect(rig.server.get(LEASE)).toBeUndefined();
});

test('what fails is tried again', async () => {
  await served();
  rig.server.fail(3, 500, /PATCH .*sshaccesses\/web$/);
  await rig.releaseAll();
  expect(finalizers('web')).toEqual([]);
  expect(rig.labelOf('web')).toBe(false);
});

test('a workload that refuses holds nothing up', async () => {
  await served();
  rig.server.fail(1_000, 403, /PATCH .*acme\/deployments/);
  await rig.releaseAll();
  expect(finalizers('web')).toEqual([]);
  expect(rig.events('ReleaseFailed')).toHaveLength(1);
});

test('an SshAccess that is being deleted, or does not parse, is released as well', async () => {
  await served();
  rig.server.remove(at('web'));
  rig.server.put(at('odd'), { metadata: { finalizers: ['other', FINALIZER] }, spec: { users: 'x' } });
  await rig.releaseAll();
  expect(rig.server.get(at('web'))).toBeUndefined();
  expect(finalizers('odd')).toEqual(['other']);
  expect(rig.labelOf('web')).toBe(false);
});

test('a workload that people labelled themselves keeps its label', async () => {
  rig.server.put(OPERATOR, {
    metadata: {},
    spec: { replicas: 1, selector: { matchLabels: ARE_OPERATORS }, template: {} },
  });
  const template = { metadata: { labels: { 'sshaccess.dev/access': 'web' } }, spec: { containers: [{ name: 'app' }] } };
  rig.server.put(deploymentAt('web'), { metadata: {}, spec: { replicas: 1, template } });
  rig.putAccess('web', { rollout: 'Manual' });
  await rig.startOperator();
  await soon(() => expect(finalizers('web')).toEqual([FINALIZER]));
  await rig.quiet();
  await rig.stopOperator();
  await rig.releaseAll();
  expect(rig.labelOf('web')).toBe(true);
  expect(finalizers('web')).toEqual([]);
});

test.each([
  ['the cluster', undefined],
  ['some namespaces', ['acme']],
])('without the definition of SshAccess, of %s, the routes go, and that is all', async (_, namespaces) => {
  rig.namespaces = namespaces;
  rig.server.put(secretAt('route-dead', 'sys'), { metadata: { labels: { 'sshaccess.dev/route': 'true' } } });
  rig.server.put(secretAt('unrelated', 'sys'), { metadata: {} });
  rig.server.fail(1_000, 404, /sshaccesses/);
  await rig.releaseAll();
  expect(rig.server.get(secretAt('route-dead', 'sys'))).toBeUndefined();
  expect(rig.server.get(secretAt('unrelated', 'sys'))).toBeDefined();
});
