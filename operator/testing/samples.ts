/** Objects for unit tests, with the least that a test must say. */
import { SshAccess, SshAccessSpec } from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import type { AccessPod } from '../access-pod.ts';
import type { CachedAccess } from '../cached-access.ts';
import { encode, type Secret } from '../secret.ts';
import type { Workload } from '../workload.ts';

export const publicLine = (comment = 'alice@laptop'): string => PrivateKey.generateEd25519().publicKey.toLine(comment);

export function access(spec: object = {}, metadata: object = {}): SshAccess {
  return SshAccess.parse({
    metadata: { namespace: 'acme', name: 'web', uid: 'u1', ...metadata },
    spec: SshAccessSpec.parse({ target: { name: 'web' }, users: [{ secretRef: { name: 'alice-key' } }], ...spec }),
  });
}

export function cachedAccess(spec: object = {}, status: CachedAccess['status'] = {}): CachedAccess {
  return {
    metadata: {
      namespace: 'acme',
      name: 'web',
      uid: 'u1',
      generation: 3,
      resourceVersion: '7',
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    access: access(spec),
    problem: '',
    status,
  };
}

export function secret(data: Record<string, string>): Secret {
  const encoded = Object.entries(data).map(([key, value]) => [key, encode(value)]);
  return {
    metadata: { uid: 's1', resourceVersion: '1', labels: {}, annotations: {}, ownerReferences: [] },
    data: Object.fromEntries(encoded),
  };
}

export const record = {
  version: 1,
  access: 'web',
  container: 'app',
  sessionEntry: 'chroot',
  rootUid: 0,
  limitedUid: 61_000,
  runtime: 'sidecar',
} as const;

const healthy = { isReady: true, waiting: '', sharesProcesses: true, crashing: undefined } as const;

export function pod(name: string, changes: Partial<AccessPod> = {}): AccessPod {
  return { namespace: 'acme', name, access: 'web', record, ...healthy, ...changes };
}

export function workload(changes: Partial<Workload> = {}): Workload {
  return {
    kind: 'Deployment',
    namespace: 'acme',
    name: 'web',
    uid: 'w1',
    resourceVersion: '1',
    isDeleting: false,
    phase: 'active',
    containers: ['app'],
    label: undefined,
    isOurs: false,
    rolledAt: undefined,
    processNamespace: undefined,
    ...changes,
  };
}
