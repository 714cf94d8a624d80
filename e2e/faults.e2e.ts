/** The usual faults, each made to happen: one command tells the reason, in the words of docs/troubleshooting.md. */
import { readFileSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import * as z from 'zod';
import { LABEL_ACCESS } from '../crds/index.ts';
import { bundlePlugin } from '../scripts/build-plugin.ts';
import { patternOfWords, SEEDED_FAULTS, type SeededFault } from '../scripts/seeded-faults.ts';
import { loadImage } from './cluster/deploy.ts';
import { runningTestCluster } from './cluster/test-cluster.ts';
import { testImage } from './images/test-images.ts';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { freePort } from './support/free-port.ts';
import { apply, get, kubectl, list } from './support/kubectl.ts';
import { disposeScratch, generateKey, scratch, sshCommand } from './support/openssh.ts';
import { run } from './support/process.ts';
import {
  accessManifest,
  createWorkload,
  keySecret,
  removeNamespace,
  waitUntilReady,
  type Workload,
} from './support/workload.ts';

const namespace = 'e2e-faults';
const restricted = 'e2e-faults-restricted';
const webhookless = 'e2e-faults-webhook';
const deaf = 'sshaccess-deaf-to-e2e-faults';

const script = 'sleep infinity';
const primary = { secretRef: { name: 'alice' } };
const team = [
  primary,
  { suffix: 'gone', secretRef: { name: 'no-such-secret' } },
  { suffix: 'private', secretRef: { name: 'private' } },
  { suffix: 'late', secretRef: { name: 'alice' }, expiresAt: '2026-01-01T00:00:00Z' },
];
const key = join(scratch, 'alice');
const stranger = join(scratch, 'stranger');
let env: NodeJS.ProcessEnv;

/** What a person types, and what stands on their screen then. */
async function screen(...command: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(command, { env, input: 'exit\n' });
  return `${stdout}${stderr}`;
}
const describeAccess = (name: string, of = namespace): Promise<string> =>
  screen('kubectl', 'describe', 'sshacc', name, '-n', of);
const login = (user: string, ...options: readonly string[]): Promise<string> =>
  screen(...sshCommand({ user, key }, ['-o', 'LogLevel=INFO', ...options]));

/** Each as its row in docs/troubleshooting.md asks. */
const ASKED: Readonly<Record<SeededFault, () => Promise<string>>> = {
  wrongKey: () => screen('kubectl', 'sshaccess', 'status', 'app', '-n', namespace, '-i', stranger),
  secretMissing: () => describeAccess('app'),
  privateKey: () => describeAccess('app'),
  noShell: () => login(`${namespace}-bare`, '-tt'),
  restricted: () => describeAccess('app', restricted),
  webhookDown: () => describeAccess('app', webhookless),
  networkPolicy: () => login(`${namespace}-cut`),
  noReadyPod: () => describeAccess('stuck'),
  usernameTaken: () => describeAccess('claim'),
  expired: () => login(`${namespace}-app-late`),
  podHostKey: () => login(`${namespace}-app--trap`),
  gatewayHostKey: () => login(`${namespace}-app`, '-o', `UserKnownHostsFile=${join(scratch, 'other-host')}`),
  wrongPort: async () => login(`${namespace}-app`, '-p', String(await freePort())),
};

/** Nobody is let in to that pod. */
const cutOff = stringify({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { namespace, name: 'cut' },
  spec: { podSelector: { matchLabels: { app: 'cut' } }, policyTypes: ['Ingress'] },
});

beforeAll(async () => {
  await tearDown();
  await bundlePlugin(scratch);
  await symlink(demo().kubectl, join(scratch, 'kubectl'));
  const path = [scratch, dirname(process.execPath), process.env['PATH']].join(':');
  env = { ...process.env, PATH: path, KUBECONFIG: demo().kubeconfig };
  const alice = await generateKey('alice');
  const other = await generateKey('stranger');
  const place = `[${demo().sshHost}]:${demo().sshPort}`;
  await writeFile(join(scratch, 'other-host'), `${place} ${other.publicKey}\n`);

  // The SshAccesses come first, as the pods carry their labels.
  await apply(
    [
      namespaceWith(alice.publicKey, namespace),
      namespaceWith(alice.publicKey, restricted, { 'pod-security.kubernetes.io/enforce': 'restricted' }),
      namespaceWith(alice.publicKey, webhookless),
      cutOff,
      keySecret(namespace, 'private', readFileSync(stranger, 'utf8')),
      accessManifest(namespace, 'app', team),
      ...['bare', 'stuck', 'cut'].map((name) => accessManifest(namespace, name, [primary])),
      accessManifest(restricted, 'app', [primary, { suffix: 'dev', secretRef: { name: 'alice' } }]),
      accessManifest(webhookless, 'app', [primary]),
    ].join('---\n'),
  );
  await Promise.all([
    seedPods(),
    seedRestricted(),
    seedWebhookless(),
    waitUntilReady(namespace, 'app').then(seedNames),
  ]);
});

/** A namespace with a user's key in it. */
const namespaceWith = (publicKey: string, name: string, labels: object = {}): string =>
  [
    stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }),
    keySecret(name, 'alice', publicKey),
  ].join('---\n');

async function tearDown(): Promise<void> {
  await kubectl('delete', 'mutatingwebhookconfiguration', deaf, '--ignore-not-found');
  await withoutWebhook('remove');
  await Promise.all([namespace, restricted, webhookless].map(removeNamespace));
}

afterAll(async () => {
  await tearDown();
  disposeScratch();
});

/** With the label from the start: its pods are made once. */
const create = (workload: Workload): Promise<void> =>
  createWorkload({ ...workload, podLabels: { [LABEL_ACCESS]: workload.name } });

/** Workloads of which something is wrong with the pods. */
async function seedPods(): Promise<void> {
  await create({ namespace, name: 'app', script });
  const image = await loadImage(await runningTestCluster(), (withDocker) => testImage('distroless', withDocker));
  const container = { command: undefined, volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }] };
  const volumes = [{ name: 'tmp', emptyDir: {} }];
  await create({ namespace, name: 'bare', script, image, container, pod: { volumes } });
  await create({ namespace, name: 'stuck', script, pod: { nodeSelector: { no: 'such-node' } } });
  await create({ namespace, name: 'cut', script });
  // Before it runs it does not answer either.
  await kubectl('rollout', 'status', 'deployment/cut', '-n', namespace, '--timeout=150s');
}

async function seedRestricted(): Promise<void> {
  const securityContext = {
    runAsUser: 1000,
    runAsGroup: 1000,
    runAsNonRoot: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  };
  const namespaceLabels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await create({ namespace: restricted, name: 'app', script, container: { securityContext }, namespaceLabels });
}

const Webhooks = z.looseObject({ webhooks: z.array(z.looseObject({ namespaceSelector: z.looseObject({}) })) });

/** For one namespace alone, nobody answers where the webhook should: ours is not asked about it, and another is not there. */
async function seedWebhookless(): Promise<void> {
  const real = await get(Webhooks, 'mutatingwebhookconfiguration', 'sshaccess-webhook');
  const named = [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: [webhookless] }];
  const service = { namespace: demo().systemNamespace, name: 'nobody', path: '/mutate-pods', port: 443 };
  await apply(
    stringify({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: deaf },
      webhooks: real.webhooks.map((webhook) => ({
        ...webhook,
        clientConfig: { service },
        namespaceSelector: { matchExpressions: named },
      })),
    }),
  );
  await withoutWebhook('add');
  await create({ namespace: webhookless, name: 'app', script });
}

const FIELD_MANAGER = 'e2e-faults';
const Managed = z.object({
  metadata: z.object({ managedFields: z.array(z.looseObject({ manager: z.string() })) }),
});
const Expressions = z.object({
  webhooks: z.tuple(
    [z.object({ namespaceSelector: z.object({ matchExpressions: z.array(z.unknown()) }) })],
    z.unknown(),
  ),
});

/** Whether the webhook is asked about that namespace. */
async function withoutWebhook(verb: 'add' | 'remove'): Promise<void> {
  const path = '/webhooks/0/namespaceSelector/matchExpressions';
  const { webhooks } = await get(Expressions, 'mutatingwebhookconfiguration', 'sshaccess-webhook');
  const exception = { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: [webhookless] };
  const others = webhooks[0].namespaceSelector.matchExpressions.filter(
    (expression) => JSON.stringify(expression) !== JSON.stringify(exception),
  );
  const value = verb === 'add' ? [...others, exception] : others;
  const patch = JSON.stringify([{ op: 'replace', path, value }]);
  await patchWebhook(patch);
  if (verb === 'remove') await giveBack();
}

/** What we have written is ours until we let go of it: helm refuses to write it. */
async function giveBack(): Promise<void> {
  const { metadata } = await get(Managed, 'mutatingwebhookconfiguration', 'sshaccess-webhook', '--show-managed-fields');
  const value = metadata.managedFields.filter(({ manager }) => manager !== FIELD_MANAGER);
  await patchWebhook(JSON.stringify([{ op: 'replace', path: '/metadata/managedFields', value }]));
}

const patchWebhook = (patch: string): Promise<string> =>
  kubectl(
    'patch',
    'mutatingwebhookconfiguration',
    'sshaccess-webhook',
    '--type=json',
    `--field-manager=${FIELD_MANAGER}`,
    '-p',
    patch,
  );

const Pod = z.object({ status: z.object({ podIP: z.string() }) });

/** What goes by the name of the app and is not it. */
async function seedNames(): Promise<void> {
  await apply(accessManifest(namespace, 'claim', [primary], { slug: 'app', target: { name: 'app' } }));
  // Of another SshAccess: it has a host key of its own.
  const pods = await list(Pod, 'pods', '-n', 'acme', '-l', 'sshaccess.dev/access=hello');
  const labels = { 'kubernetes.io/service-name': 'app-sshaccess', 'sshaccess.dev/endpoints': 'app' };
  await apply(
    stringify({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace, name: 'trap', labels },
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: pods.slice(0, 1).map(({ status }) => status.podIP),
          conditions: { ready: true, serving: true },
          targetRef: { kind: 'Pod', name: 'trap' },
        },
      ],
      ports: [{ name: 'ssh', port: 2222, protocol: 'TCP' }],
    }),
  );
}

const FAULTS = Object.keys(ASKED).filter((name): name is SeededFault => Object.hasOwn(SEEDED_FAULTS, name));

test.concurrent.each(FAULTS.map((fault) => ({ fault, ...SEEDED_FAULTS[fault] })))(
  '$title: one command tells it',
  async ({ fault, says }) => {
    await eventually(async () => expect(await ASKED[fault]()).toMatch(patternOfWords(says)));
  },
);
