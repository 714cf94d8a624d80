/** The operator and images that bring their own sshd, against an API server on loopback. */
import { expect, test } from 'vitest';
import { LABEL_ACCESS } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { textOf } from './secret.ts';
import { deploymentAt, podAt, secretAt, serviceAt, soon, useOperator } from './testing/rig.ts';
import { publicLine } from './testing/samples.ts';

const rig = useOperator();
const twoUsers = [{ secretRef: { name: 'alice-key' } }, { suffix: 'dev', secretRef: { name: 'bob-key' } }];

test('an image that brings its own sshd: its Secret, route and Service', async () => {
  const uid = rig.putAccess('web', { runtime: 'main_container', users: twoUsers });
  rig.putKey('bob-key', { authorized_keys: publicLine() });
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uid)).toHaveLength(2));
  await soon(() => expect(textOf(rig.secretOf(secretAt('web-sshaccess')), '05-ssh-init.sh')).toMatch(/^#!/));
  const data = rig.secretOf(secretAt('web-sshaccess'));
  expect(textOf(data, 'sshd-settings')).toContain('LOCAL_FORWARDING=loopback\n');
  const hostKeys = [PrivateKey.parse(textOf(data, 'host-key') ?? '').publicKey.toLine()];
  expect(rig.routeOf(uid)).toMatchObject({ runtime: 'main_container', port: 2222, hostKeys });
  expect(rig.routeOf(uid)?.users.map(({ upstreamUser }) => upstreamUser)).toEqual([undefined, undefined]);
});

test('an sshd that knows nothing of us: its own port, account and host keys', async () => {
  const hostKey = publicLine('');
  const mainContainer = { managed: false, user: 'deploy', authorizedKeysPath: '/keys', hostKeys: [hostKey] };
  const uid = rig.putAccess('web', { runtime: 'main_container', mainContainer });
  await rig.startOperator();
  const users = [{ username: 'acme-web', upstreamUser: 'deploy' }];
  await soon(() =>
    expect(rig.routeOf(uid)).toMatchObject({ runtime: 'main_container', port: 22, hostKeys: [hostKey], users }),
  );
  await soon(() =>
    expect(rig.server.get(serviceAt('web-sshaccess'))).toMatchObject({
      spec: { ports: [{ port: 22, targetPort: 22 }] },
    }),
  );
  rig.putAccess('web');
  await soon(() => expect(rig.routeOf(uid)).toMatchObject({ runtime: 'sidecar', port: 2222 }));
  expect(rig.routeOf(uid)?.users).toEqual([expect.not.objectContaining({ upstreamUser: 'deploy' })]);
  await soon(() =>
    expect(rig.server.get(serviceAt('web-sshaccess'))).toMatchObject({ spec: { ports: [{ port: 2222 }] } }),
  );
});

const rolledAt = () =>
  /"sshaccess.dev\/rolled-at":"([^"]+)"/.exec(JSON.stringify(rig.server.get(deploymentAt('web'))))?.[1];
const main = { runtime: 'main_container' } as const;

test('a live SshAccess is switched to main_container and back: its pods are rolled once each way', async () => {
  rig.putAccess('web');
  await rig.startOperator();
  rig.putPod('web-1', 'web');
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('PodsInjected'));
  expect(rolledAt()).toBeUndefined();
  expect(JSON.stringify(rig.server.get(deploymentAt('web')))).not.toContain('pod-settings');

  rig.putAccess('web', main);
  await soon(() => expect(rolledAt()).toBeDefined());
  const first = rolledAt();
  await soon(() => expect(rig.condition('web', 'Injected')?.message).toContain('spec.runtime is main_container'));
  rig.putPod('web-2', 'web');
  await rig.quiet();
  expect(rolledAt()).toBe(first);
  for (const name of ['web-1', 'web-2']) rig.server.remove(podAt(name));
  rig.putMainPod('web-3', 'web');
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('PodsInjected'));

  rig.putAccess('web', { ...main, mainContainer: { bootstrap: { script: 'true' } } });
  await soon(() => expect(rolledAt()).not.toBe(first));
  const second = rolledAt();
  rig.putAccess('web');
  await soon(() => expect(rolledAt()).not.toBe(second));
  const third = rolledAt();
  rig.server.remove(podAt('web-3'));
  rig.putPod('web-4', 'web');
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('PodsInjected'));
  await rig.quiet();
  expect(rolledAt()).toBe(third);
  expect(JSON.stringify(rig.server.get(deploymentAt('web')))).not.toContain('pod-settings');
});

test('rollout Manual: nothing is rolled, the condition has the command, and the route still speaks to the pods that are there', async () => {
  const uid = rig.putAccess('web', { rollout: 'Manual' });
  await rig.startOperator();
  rig.server.put(deploymentAt('web'), labelled('web'));
  rig.putPod('web-1', 'web');
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('SshReady'));
  rig.putAccess('web', { ...main, rollout: 'Manual' });
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('PodsOutdated'));
  expect(rig.condition('web', 'Injected')?.message).toContain('kubectl rollout restart -n acme deployment/web');
  await rig.quiet();
  expect(rolledAt()).toBeUndefined();
  // The piper sees by its ident what a pod is.
  expect(rig.routeOf(uid)?.runtime).toBe('main_container');
  expect(rig.statusOf('web')).toMatchObject({ runtime: 'sidecar', pods: [{ name: 'web-1', ready: true }] });
});

const labelled = (access: string) => ({
  metadata: {},
  spec: {
    replicas: 1,
    template: { metadata: { labels: { app: 'web', [LABEL_ACCESS]: access } }, spec: { containers: [{ name: 'app' }] } },
  },
});
