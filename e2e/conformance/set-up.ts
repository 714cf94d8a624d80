/** Brings every column into the cluster, all at once, and its users to the door. */
import { LABEL_ACCESS, podSecretName } from '../../crds/index.ts';
import { loadImage } from '../cluster/deploy.ts';
import { runningTestCluster } from '../cluster/test-cluster.ts';
import { IMAGE_KINDS, type ImageKind, testImage } from '../images/test-images.ts';
import { eventually } from '../support/eventually.ts';
import { apply, kubectl } from '../support/kubectl.ts';
import { routes } from '../support/routes.ts';
import { generateKey, type Login } from '../support/openssh.ts';
import { accessManifest, keySecret, removeNamespace, waitUntilReady } from '../support/workload.ts';
import { type Column, COLUMNS, LEVELS, namespaceOf } from './columns.ts';
import type { Role, SessionPolicy } from '../../crds/session-policy.ts';

export type Keys = Readonly<Record<Role, string>>;

/** Everything that an SshAccess can open. It comes first: a policy is narrowed at once, but widened after minutes. */
export const EVERYTHING = {
  root: { remoteForwarding: 'loopback', socketForwarding: true, agentForwarding: true, x11Forwarding: true },
  limited: { localForwarding: 'loopback', sftp: { access: 'read-write' } },
} as const;

const USERS = [{ secretRef: { name: 'root-key' } }, { suffix: 'dev', secretRef: { name: 'limited-key' } }];

/** An SshAccess for each column, with this policy. */
export const applyAccess = (policy: object): Promise<string> =>
  apply(
    COLUMNS.map(({ level, name, neighbour }) =>
      accessManifest(namespaceOf(level), name, USERS, {
        // The pods carry the label from the start, so none is made twice.
        rollout: 'Manual',
        target: { name, ...(neighbour === true && { container: 'app' }) },
        policy,
      }),
    ).join('---\n'),
  );

export async function setUp(): Promise<Keys> {
  // Of a run that was cut short: its policies are narrow by now.
  await tearDown();
  const images = await loadImages();
  const made = { root: await generateKey('root'), limited: await generateKey('limited') };
  const base = LEVELS.flatMap((level) => [
    JSON.stringify(namespace(level)),
    keySecret(namespaceOf(level), 'root-key', made.root.publicKey),
    keySecret(namespaceOf(level), 'limited-key', made.limited.publicKey),
    JSON.stringify(appSecret(level)),
  ]);
  await apply(base.join('\n---\n'));
  await applyAccess(EVERYTHING);
  await eventually(async () => {
    for (const { level, name } of COLUMNS)
      await kubectl('get', 'secret', '-n', namespaceOf(level), podSecretName(name));
  });
  await apply(COLUMNS.map((column) => JSON.stringify(deployment(column, images))).join('\n---\n'));
  await Promise.all(COLUMNS.map(({ level, name }) => waitUntilReady(namespaceOf(level), name)));
  const available = ['--for=condition=Available', 'deployments', '--all', '--timeout=120s'];
  for (const level of LEVELS) await kubectl('wait', '-n', namespaceOf(level), ...available);
  return { root: made.root.path, limited: made.limited.path };
}

export async function tearDown(): Promise<void> {
  await Promise.all(LEVELS.map((level) => removeNamespace(namespaceOf(level))));
}

async function loadImages(): Promise<Record<ImageKind, string>> {
  const cluster = await runningTestCluster();
  const names = { debian: '', sh: '', musl: '', distroless: '' };
  // One after the other: each may be made first.
  for (const kind of IMAGE_KINDS) names[kind] = await loadImage(cluster, (docker) => testImage(kind, docker));
  return names;
}

const namespace = (level: Column['level']) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: {
    name: namespaceOf(level),
    // The first is a namespace without the label, as most are.
    labels: level === 'privileged' ? {} : { 'pod-security.kubernetes.io/enforce': level },
  },
});

const appSecret = (level: Column['level']) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { namespace: namespaceOf(level), name: 'app-secret' },
  stringData: { word: 'sesame\n' },
});

function deployment(column: Column, images: Readonly<Record<ImageKind, string>>) {
  const { level, name, securityContext, podSpec } = column;
  const labels = { app: name, [LABEL_ACCESS]: name };
  const container = { imagePullPolicy: 'IfNotPresent', securityContext };
  const data = { name: 'data', mountPath: '/data' };
  const app = {
    ...container,
    name: 'app',
    image: images[column.image],
    command: ['/probe', 'serve', '/data'],
    workingDir: '/data',
    env: [
      { name: 'FRUIT', value: 'apple' },
      { name: 'TZ', value: 'Indian/Mauritius' },
    ],
    volumeMounts: [
      data,
      { name: 'app-secret', mountPath: '/etc/app-secret' },
      ...('readOnlyRootFilesystem' in securityContext ? [{ name: 'tmp', mountPath: '/tmp' }] : []),
    ],
  };
  const prepare = {
    ...container,
    name: 'prepare',
    image: images.debian,
    command: ['sh', '-c', 'echo "written by init" > /data/from-init'],
    volumeMounts: [data],
  };
  const neighbour = {
    ...container,
    name: 'neighbour',
    image: images.debian,
    command: ['sleep', 'infinity'],
    env: [{ name: 'FRUIT', value: 'pear' }],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: namespaceOf(level), name },
    spec: {
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 1,
          ...podSpec,
          initContainers: [prepare],
          containers: column.neighbour === true ? [neighbour, app] : [app],
          volumes: [
            { name: 'data', emptyDir: {} },
            { name: 'tmp', emptyDir: {} },
            { name: 'app-secret', secret: { secretName: 'app-secret' } },
          ],
        },
      },
    },
  };
}

export const loginOf = ({ level, name }: Column, role: Role, keys: Keys): Login => ({
  user: `${namespaceOf(level)}-${name}${role === 'root' ? '' : '-dev'}`,
  key: keys[role],
});

/** What the piper has been told that these users may do, by their usernames. */
export async function policies(): Promise<ReadonlyMap<string, SessionPolicy>> {
  const users = (await routes()).flatMap((route) => route.users);
  return new Map(users.map(({ username, policy }) => [username, policy]));
}
