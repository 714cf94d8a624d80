import { stringify } from 'yaml';
import { z } from 'zod';
import { demo } from './demo.ts';
import { eventually } from './eventually.ts';
import { apply, get, kubectl } from './kubectl.ts';

export type Workload = {
  namespace: string;
  name: string;
  /** The app: `sh -c` of this. */
  script: string;
  replicas?: number;
  /** Another image than the demo's. */
  image?: string;
  /** More fields of the container, such as a readiness probe. */
  container?: Record<string, unknown>;
  /** More fields of the pod's spec. */
  pod?: Record<string, unknown>;
  /** More labels of the pods. With that of an SshAccess that is there, they are made with ssh, and not rolled. */
  podLabels?: Record<string, string>;
  /** Labels of the namespace, such as its Pod Security level. */
  namespaceLabels?: Record<string, string>;
};

const documents = (objects: readonly unknown[]): string => objects.map((object) => stringify(object)).join('---\n');

/** Creates a namespace with one Deployment in it, from an image without any ssh server, running as uid 1000. */
export async function createWorkload(workload: Workload): Promise<void> {
  const { namespace, name } = workload;
  const labels = { app: name };
  const app = {
    name: 'app',
    image: workload.image ?? demo().appImage,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-c', workload.script],
    securityContext: { runAsUser: 1000, runAsGroup: 1000 },
    ...workload.container,
  };
  const manifest = documents([
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: workload.namespaceLabels ?? {} } },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace, name },
      spec: {
        replicas: workload.replicas ?? 1,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels: { ...labels, ...workload.podLabels } },
          spec: { terminationGracePeriodSeconds: 1, containers: [app], ...workload.pod },
        },
      },
    },
  ]);
  // Of two that make one namespace at the same time, one hears that it is there already.
  await eventually(() => apply(manifest), 20_000);
}

/** A Secret with a user's public keys, as a user would write it. */
export const keySecret = (namespace: string, name: string, content: string): string =>
  stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name },
    stringData: { 'ssh-publickey': content },
  });

/** An SshAccess for a Deployment of the same name. */
export const accessManifest = (namespace: string, name: string, users: readonly unknown[], spec: object = {}): string =>
  stringify({
    apiVersion: 'sshaccess.dev/v1alpha1',
    kind: 'SshAccess',
    metadata: { namespace, name },
    spec: { target: { name }, users, ...spec },
  });

/** Status of a condition of an SshAccess, as `True: Reason: message`. */
export async function condition(namespace: string, name: string, type: string): Promise<string> {
  const path = `jsonpath={range .status.conditions[?(@.type=="${type}")]}{.status}: {.reason}: {.message}{end}`;
  return kubectl('get', 'sshacc', '-n', namespace, name, '-o', path);
}

const Judged = z.object({
  metadata: z.object({ generation: z.int() }),
  status: z
    .object({
      conditions: z.array(z.looseObject({ type: z.string(), status: z.string(), observedGeneration: z.int() })),
    })
    .default({ conditions: [] }),
});

/** Waits until the SshAccess is Ready for its present generation. */
export async function waitUntilReady(namespace: string, name: string): Promise<void> {
  await eventually(async () => {
    const { metadata, status } = await get(Judged, 'sshacc', '-n', namespace, name);
    const ready = status.conditions.find(({ type }) => type === 'Ready');
    const isReady = ready?.status === 'True' && ready.observedGeneration === metadata.generation;
    if (!isReady) throw new Error(`${namespace}/${name} is not ready: ${JSON.stringify(ready)}`);
  }, 150_000);
}

/** Removes a namespace and all that is in it, and waits for the end of it. */
export async function removeNamespace(namespace: string): Promise<void> {
  await kubectl('delete', 'namespace', namespace, '--ignore-not-found', '--wait=true', '--timeout=120s');
}
