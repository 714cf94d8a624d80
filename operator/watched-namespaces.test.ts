import { describe, expect, test } from 'vitest';
import { FINALIZER } from '../crds/index.ts';
import { at, deploymentAt, secretAt, soon, useOperator } from './testing/rig.ts';

const rig = useOperator();

test('with a list of namespaces nothing of another is read, written or kept, and its routes count as nobody’s', async () => {
  rig.namespaces = ['acme', 'beta'];
  for (const namespace of ['beta', 'other']) rig.putNamespace(namespace);
  const uids = ['acme', 'beta', 'other'].map((namespace) => rig.putAccess('web', {}, namespace));
  rig.server.put(secretAt(`route-${uids[2]}`, 'sys'), { metadata: { labels: { 'sshaccess.dev/route': 'true' } } });
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uids[0] ?? '')).toEqual(['acme-web']));
  await soon(() => expect(rig.usersOf(uids[1] ?? '')).toEqual(['beta-web']));
  await soon(() => expect(rig.secretOf(secretAt(`route-${uids[2]}`, 'sys'))).toBeUndefined());
  // A user's key is heard of in each of them.
  rig.server.remove(secretAt('alice-key', 'beta'));
  await soon(() => expect(rig.usersOf(uids[1] ?? '')).toEqual([]));
  await rig.quiet();
  expect(rig.server.get(at('web', 'other'))).toMatchObject({ metadata: { generation: 1 } });
  expect(rig.server.get(at('web', 'other'))?.['status']).toBeUndefined();
  const clusterWide = rig.server.requests.filter((line) => !line.includes('/namespaces/'));
  expect(new Set(clusterWide)).toEqual(new Set(['GET /api/v1/namespaces']));
  expect(rig.server.requests.filter((line) => line.includes('/namespaces/other'))).toEqual([]);
});

describe('a namespace of the list that we may not look into', () => {
  const refused = (namespace: string) => rig.server.fail(100_000, 403, new RegExp(`namespaces/${namespace}/`));

  test('keeps nobody from the others, its routes are left alone, and it is served when that is over', async () => {
    rig.namespaces = ['acme', 'beta'];
    rig.putNamespace('beta');
    const [uid, other] = [rig.putAccess('web'), rig.putAccess('web', {}, 'beta')];
    await rig.startOperator();
    await soon(() => expect(rig.usersOf(other)).toEqual(['beta-web']));
    await rig.quiet();
    await rig.stopOperator();

    refused('beta');
    rig.putAccess('web', { enabled: false });
    await rig.startOperator();
    await soon(() => expect(rig.routeOf(uid)?.enabled).toBe(false));
    await rig.quiet();
    expect(rig.usersOf(other)).toEqual(['beta-web']);
    rig.server.fail(0, 403);
    rig.putAccess('web', { enabled: false }, 'beta');
    await soon(() => expect(rig.routeOf(other)?.enabled).toBe(false));
  });

  test('has its routes taken away once it is gone itself', async () => {
    rig.namespaces = ['acme', 'beta'];
    rig.putNamespace('beta');
    const other = rig.putAccess('web', {}, 'beta');
    await rig.startOperator();
    await soon(() => expect(rig.routeOf(other)).toBeDefined());
    await rig.quiet();
    await rig.stopOperator();
    refused('beta');
    await rig.startOperator();
    await rig.quiet();
    expect(rig.routeOf(other)).toBeDefined();
    rig.server.remove('/api/v1/namespaces/beta');
    await soon(() => expect(rig.routeOf(other)).toBeUndefined());
  });
});

describe('with a list of namespaces an SshAccess has no finalizer, so that nothing can hang on our Role in its namespace', () => {
  const served = async (): Promise<string> => {
    rig.namespaces = ['acme'];
    const uid = rig.putAccess('web');
    await rig.startOperator();
    await soon(() => expect(rig.labelOf('web')).toBe(true));
    await soon(() => expect(rig.routeOf(uid)).toBeDefined());
    await rig.quiet();
    return uid;
  };

  test('when it is deleted, its route and the label go', async () => {
    const uid = await served();
    expect(rig.server.get(at('web'))?.metadata.finalizers ?? []).toEqual([]);
    rig.server.remove(at('web'));
    expect(rig.server.get(at('web'))).toBeUndefined();
    await soon(() => expect(rig.routeOf(uid)).toBeUndefined());
    await soon(() => expect(rig.labelOf('web')).toBe(false));
  });

  test('when it is deleted while no operator runs, they go as soon as one does', async () => {
    const uid = await served();
    await rig.stopOperator();
    rig.server.remove(at('web'));
    await rig.startOperator();
    await soon(() => expect(rig.routeOf(uid)).toBeUndefined());
    await soon(() => expect(rig.labelOf('web')).toBe(false));
  });

  test('when it is deleted and made again at once, the route of before does not stay', async () => {
    const uid = await served();
    rig.server.remove(at('web'));
    const next = rig.putAccess('web');
    await soon(() => expect(rig.usersOf(next)).toEqual(['acme-web']));
    await soon(() => expect(rig.routeOf(uid)).toBeUndefined());
    await rig.quiet();
    expect(rig.labelOf('web')).toBe(true);
  });

  test('when its namespace ends, the route goes at once', async () => {
    const uid = await served();
    const path = '/api/v1/namespaces/acme';
    const ending = { finalizers: ['kubernetes'], deletionTimestamp: new Date().toISOString() };
    rig.server.put(path, { metadata: { ...rig.server.get(path)?.metadata, ...ending } });
    await soon(() => expect(rig.routeOf(uid)).toBeUndefined());
  });

  test('one from before the list loses its finalizer; helm uninstall releases it all the same', async () => {
    const uid = rig.putAccess('web');
    await rig.startOperator();
    await soon(() => expect(rig.server.get(at('web'))?.metadata.finalizers).toEqual([FINALIZER]));
    await rig.quiet();
    await rig.stopOperator();
    rig.namespaces = ['acme'];
    await rig.startOperator();
    await soon(() => expect(rig.server.get(at('web'))?.metadata.finalizers).toEqual([]));
    await rig.quiet();
    await rig.stopOperator();
    rig.server.put('/apis/apps/v1/namespaces/sys/deployments/operator', {
      metadata: {},
      spec: { replicas: 1, selector: { matchLabels: { component: 'operator' } }, template: {} },
    });
    await rig.releaseAll();
    expect([rig.routeOf(uid), rig.labelOf('web')]).toEqual([undefined, false]);
    expect(rig.reason('web', 'Ready')).toBe('Uninstalled');
  });

  test('what people have labelled themselves keeps its label', async () => {
    const labels = { 'sshaccess.dev/access': 'nobody' };
    const template = { metadata: { labels }, spec: { containers: [{ name: 'app' }] } };
    rig.server.put(deploymentAt('web'), { metadata: {}, spec: { replicas: 1, template } });
    rig.namespaces = ['acme'];
    await rig.startOperator();
    await rig.quiet();
    expect(rig.labelOf('web')).toBe(true);
  });
});
