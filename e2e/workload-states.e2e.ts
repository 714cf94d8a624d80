/** Workloads whose pods do not just roll: each says what it is waiting for, and gets ssh when that has come. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { apply, kubectl, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey } from './support/openssh.ts';
import { accessManifest, condition, keySecret, removeNamespace } from './support/workload.ts';

const namespace = 'e2e-workload-states';
const users = [{ secretRef: { name: 'key' } }];

/** One of the app, of this kind, without ssh. */
function manifest(kind: string, name: string, spec: object = {}): string {
  const labels = { app: name };
  const container = {
    name: 'app',
    image: demo().appImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['sleep', 'infinity'],
    securityContext: { runAsUser: 1000, runAsGroup: 1000 },
    resources: { requests: { cpu: '1m' } },
  };
  return stringify({
    apiVersion: 'apps/v1',
    kind,
    metadata: { namespace, name },
    spec: {
      ...(kind !== 'DaemonSet' && { replicas: 1 }),
      ...(kind === 'StatefulSet' && { serviceName: name }),
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { terminationGracePeriodSeconds: 0, containers: [container] },
      },
      ...spec,
    },
  });
}

const access = (kind: string, name: string, spec: object = {}): string =>
  accessManifest(namespace, name, users, { target: { kind, name }, ...spec });

const injected = (name: string) => condition(namespace, name, 'Injected');
/** Until Injected says so. */
const says = (name: string, words: string | RegExp) =>
  eventually(async () => expect(await injected(name)).toMatch(words), 150_000);
const isReady = (name: string) =>
  eventually(async () => expect(await condition(namespace, name, 'Ready')).toMatch(/^True/), 150_000);

/** What stands between "kubectl" and the end of the condition's sentence, as a person would type it. */
async function advised(name: string): Promise<string[]> {
  const [, command = ''] = /(kubectl .*)$/.exec((await injected(name)).trim()) ?? [];
  const [, ...words] = command.replaceAll(/[()]/g, '').split(' ');
  return words;
}

beforeAll(async () => {
  await apply(stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }));
  await apply(keySecret(namespace, 'key', (await generateKey('workload-states')).publicKey));
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

const onDelete = { updateStrategy: { type: 'OnDelete' } };

test.concurrent.each([
  { what: 'a paused Deployment', kind: 'Deployment', name: 'paused', spec: { paused: true }, reason: 'Paused' },
  { what: 'a StatefulSet with OnDelete', kind: 'StatefulSet', name: 'kept', spec: onDelete, reason: 'PodsKept' },
  { what: 'a DaemonSet with OnDelete', kind: 'DaemonSet', name: 'everywhere', spec: onDelete, reason: 'PodsKept' },
  { what: 'a bare ReplicaSet', kind: 'ReplicaSet', name: 'bare', spec: {}, reason: 'PodsKept' },
])('$what says which command gives its pods ssh, and it does', async ({ kind, name, spec, reason }) => {
  // What is paused from the start makes no pods.
  await apply(manifest(kind, name, { ...spec, paused: undefined }));
  await eventually(async () =>
    expect(await kubectl('get', 'pods', '-n', namespace, '-l', `app=${name}`, '-o', 'name')).toContain('pod/'),
  );
  await apply(manifest(kind, name, spec));
  await apply(access(kind, name));
  await says(name, `False: ${reason}`);
  await kubectl(...(await advised(name)));
  await isReady(name);
});

test.concurrent('a Deployment that is scaled to zero waits for a replica', async () => {
  await apply(manifest('Deployment', 'zero', { replicas: 0 }));
  await apply(access('Deployment', 'zero'));
  await says('zero', 'False: ScaledToZero');
  await kubectl('scale', '-n', namespace, 'deployment/zero', '--replicas=1');
  await isReady('zero');
});

test.concurrent('replicas belong to the HorizontalPodAutoscaler, whatever we write', async () => {
  await apply(manifest('Deployment', 'scaled'));
  await apply(
    stringify({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { namespace, name: 'scaled' },
      spec: {
        minReplicas: 2,
        maxReplicas: 3,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'scaled' },
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
        ],
      },
    }),
  );
  await apply(access('Deployment', 'scaled'));
  await says('scaled', 'True: PodsInjected: all 2 pods have ssh');
  const replicas = await kubectl('get', 'deployment', '-n', namespace, 'scaled', '-o', 'jsonpath={.spec.replicas}');
  expect(replicas).toBe('2');
});

test.concurrent('a ReplicaSet of a Deployment is not touched: its owner is named', async () => {
  await apply(manifest('Deployment', 'owner', { replicas: 0 }));
  const replicaSet = await eventually(async () => {
    const name = await kubectl('get', 'replicasets', '-n', namespace, '-l', 'app=owner', '-o', 'name');
    expect(name).toContain('/');
    return name.trim().split('/')[1] ?? '';
  });
  await apply(accessManifest(namespace, 'owned', users, { target: { kind: 'ReplicaSet', name: replicaSet } }));
  await says('owned', /False: TargetControlled: .* is made by deployment\/owner/);
});

test.concurrent('a tool that resets the template is named, and not fought without end', async () => {
  const labels = () =>
    kubectl('get', 'deployment', '-n', namespace, 'git', '-o', 'jsonpath={.spec.template.metadata.labels}');
  const reset = async (): Promise<void> => {
    const patch = JSON.stringify([{ op: 'remove', path: '/spec/template/metadata/labels/sshaccess.dev~1access' }]);
    await kubectl('patch', 'deployment', '-n', namespace, 'git', '--type=json', '-p', patch, '--field-manager=gitops');
  };
  const asTool = ['apply', '--server-side', '--field-manager=gitops', '-f', '-'];
  expect(await tryKubectl(asTool, manifest('Deployment', 'git', { replicas: 0 }))).toMatchObject({ code: 0 });
  await apply(access('Deployment', 'git'));
  for (let time = 0; time < 3; time++) {
    await eventually(async () => expect(await labels()).toContain('sshaccess.dev/access'));
    await reset();
  }
  await says('git', /False: LabelContested: .* gitops was the last to write there: .* sshaccess\.dev\/access: git/);
  expect(await labels()).not.toContain('sshaccess.dev/access');
  // Whoever does as it says is served.
  await kubectl(
    'patch',
    'deployment',
    '-n',
    namespace,
    'git',
    '--field-manager=gitops',
    '-p',
    JSON.stringify({
      spec: { replicas: 1, template: { metadata: { labels: { 'sshaccess.dev/access': 'git' } } } },
    }),
  );
  await isReady('git');
});

test.concurrent('rollout: Manual says the command, and it does', async () => {
  await apply(manifest('Deployment', 'manual'));
  await apply(access('Deployment', 'manual', { rollout: 'Manual' }));
  await says('manual', 'False: LabelMissing');
  const [, words = ''] = /kubectl (.*) -p '/.exec(await injected('manual')) ?? [];
  const [, patch = ''] = /-p '(.*)'/.exec(await injected('manual')) ?? [];
  await kubectl(...words.split(' '), '-p', patch);
  await isReady('manual');
});
