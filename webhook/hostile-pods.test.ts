/**
 * Whoever may make pods chooses what is in them, up to 3 MiB, and nobody has checked it yet when it comes here. One pod
 * must not stop the webhook for all others: a quadratic step would take these tests minutes, and not milliseconds.
 */
import { describe, expect, test } from 'vitest';
import { Access, type Cluster } from './injection-plan.ts';
import { mutatePod } from './mutate-pod.ts';

const MANY = 40_000;
const many = <T>(make: (index: number) => T): T[] => Array.from({ length: MANY }, (_, index) => make(index));

const settings = {
  image: 'sidecar',
  pullPolicy: 'IfNotPresent',
  resources: { usual: {}, guaranteed: { cpu: '1', memory: '1Gi' } },
  metricsPort: 0,
};

const RUNTIMES = {
  sidecar: { runtime: 'sidecar' },
  'init script': { runtime: 'main_container' },
  image: { runtime: 'main_container', mainContainer: { setup: 'Image' } },
  unmanaged: {
    runtime: 'main_container',
    mainContainer: { managed: false, user: 'deploy', authorizedKeysPath: '/home/deploy/.ssh/authorized_keys' },
  },
};

describe.each(Object.entries(RUNTIMES))('%s', (_name, runtime) => {
  const access = Access.parse({
    metadata: { namespace: 'acme', name: 'my-llm', uid: 'u' },
    spec: { target: { name: 'my-llm' }, users: [{ secretRef: { name: 'key' } }], ...runtime },
  });
  const cluster: Cluster = {
    access: () => access,
    namespaceLabels: () => ({}),
    limitRanges: () => [],
    systemNamespace: 'sshaccess-system',
    defaultLevel: 'privileged',
  };
  const decisionOn = (spec: object, annotations: Record<string, string> = {}): string => {
    const metadata = { labels: { 'sshaccess.dev/access': 'my-llm' }, annotations };
    const request = {
      uid: 'u',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      namespace: 'acme',
      operation: 'CREATE',
      object: { metadata, spec: { containers: [{ name: 'app' }], ...spec } },
    };
    const { decision, reason } = mutatePod(request, cluster, settings).record;
    return reason ?? decision;
  };
  const app = (fields: object) => ({ containers: [{ name: 'app', ...fields }] });

  test('a long image', () => {
    expect(decisionOn(app({ image: `${'@'.repeat(100_000)}\n` }))).toBe('injected');
    expect(decisionOn(app({ image: `${'a/:'.repeat(100_000)}\n` }))).toBe('injected');
  });
  test('many containers, each of a uid that limited users might have', () => {
    const containers = many((index) => ({ name: `c${index}`, securityContext: { runAsUser: 61_000 + 1000 * index } }));
    expect(decisionOn({ containers })).toBe('injected');
  });
  test('many volumes and mounts', () => {
    const volumes = many((index) => ({ name: `v${index}`, emptyDir: {} }));
    const volumeMounts = many((index) => ({ name: `v${MANY - index}`, mountPath: `/v/${index}` }));
    expect(decisionOn({ volumes, ...app({ volumeMounts }) })).toBe('injected');
  });
  test('many variables, and in their midst those of an earlier injection', () => {
    const ours = { name: 'SSH_USERNAMES', value: 'old' };
    const variable = (index: number) => (index === MANY / 2 ? ours : { name: `V${index}`, value: 'x' });
    const record = {
      version: 1,
      access: 'my-llm',
      container: 'app',
      sessionEntry: 'sshd',
      rootUid: 1000,
      limitedUid: 1000,
      runtime: 'main_container',
      mainContainer: { setup: 'image', port: 2222, usernames: ['old'], environment: ['SSH_USERNAMES', 'V1', 'HOME'] },
    };
    const annotations = { 'sshaccess.dev/injected': JSON.stringify(record) };
    const volumes = [{ name: 'sshaccess', emptyDir: {} }];
    expect(decisionOn({ volumes, ...app({ env: many(variable) }) }, annotations)).toBe('injected');
  });
  test.each([
    ['long', JSON.stringify({ version: 1, access: 'a'.repeat(1_000_000) })],
    ['deep', '['.repeat(16_000)],
    ['null', 'null'],
    ['a prototype', '{"__proto__":{"version":1}}'],
  ])('a record that is %s is none', (_what, record) => {
    const annotations = { 'sshaccess.dev/injected': record };
    expect(decisionOn({ initContainers: [{ name: 'sshaccess' }] }, annotations)).toBe('name-taken');
  });
  test('long paths of dots and slashes, and names of properties that every object has', () => {
    const volumeMounts = ['/..'.repeat(300_000), '/'.repeat(300_000), 'constructor', ''].map((mountPath) => ({
      name: '__proto__',
      mountPath,
    }));
    const volumes = [{ name: '__proto__', constructor: {} }];
    expect(decisionOn({ volumes, ...app({ volumeMounts, env: [{ name: 'constructor' }] }) })).toBe('injected');
  });
});
