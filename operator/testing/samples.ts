/** Objects for unit tests, with the least that a test must say. */
import { SshAccess, SshAccessSpec, type InjectionRecord, type SshdSetup } from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import type { AccessPod, MainContainerState } from '../access-pod.ts';
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
    asked: {},
    kicks: undefined,
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

const healthy = { isReady: true, waiting: '', sharesProcesses: true, main: undefined, crashing: undefined } as const;

export function pod(name: string, changes: Partial<AccessPod> = {}): AccessPod {
  const identity = {
    namespace: 'acme',
    name,
    uid: `uid-of-${name}`,
    createdAt: '2026-01-01T00:00:00Z',
    address: '10.0.0.1',
  };
  return { ...identity, access: 'web', isControlled: true, record, skipped: undefined, ...healthy, ...changes };
}

type MainContainerRecord = NonNullable<InjectionRecord['mainContainer']>;

/** What the webhook notes of a pod whose image brings the sshd. */
export function mainRecord(setup: SshdSetup = 'init-script', changes: Partial<MainContainerRecord> = {}) {
  const mainContainer = { setup, port: 2222, usernames: ['acme-web'], ...changes };
  const facts = { sessionEntry: 'sshd', rootUid: 1000, limitedUid: null, runtime: 'main_container' } as const;
  return { ...record, ...facts, mainContainer };
}

/** A pod of runtime main_container whose sshd has been reached. */
export function mainPod(name: string, changes: Partial<AccessPod> = {}, main: Partial<MainContainerState> = {}) {
  const state = {
    name: 'app',
    id: `containerd://${name}`,
    isRunning: true,
    startedAt: '',
    ports: [],
    ended: undefined,
  };
  return pod(name, { record: mainRecord(), sharesProcesses: false, main: { ...state, ...main }, ...changes });
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
    rollout: 'rolling',
    hasPods: true,
    selector: 'app=web',
    controller: undefined,
    lastWriter: undefined,
    containers: ['app'],
    label: undefined,
    isOurs: false,
    rolledAt: undefined,
    rollAttempt: 0,
    settings: {},
    ...changes,
  };
}
