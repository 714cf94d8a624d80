/** What holds for every pod and every SshAccess, tried on pods that chance makes. */
import { expect, test } from 'vitest';
import { inject } from './inject.ts';
import { Access, decide, type Cluster } from './injection-plan.ts';
import { allContainers, Pod } from './pod.ts';
import { generator, type Random } from './testing/generator.ts';

const settings = {
  image: 'sidecar',
  pullPolicy: 'IfNotPresent',
  resources: {
    usual: { requests: { cpu: '10m' }, limits: { cpu: '1' } },
    guaranteed: { cpu: '100m', memory: '256Mi' },
  },
  // Some have it for themselves: PORTS.
  metricsPort: 9000,
};

const SERVERS = [
  { runtime: 'sidecar' },
  { runtime: 'sidecar', processNamespace: 'Isolated' },
  { runtime: 'main_container', mainContainer: { bootstrap: { script: 'date' } } },
  { runtime: 'main_container', mainContainer: { setup: 'Image' } },
  {
    runtime: 'main_container',
    mainContainer: { managed: false, user: 'deploy', authorizedKeysPath: '/srv/keys/authorized_keys' },
  },
];
const ACCESSES = SERVERS.flatMap((server) =>
  ['app', 'helper'].map((container) =>
    Access.parse({
      metadata: { namespace: 'acme', name: 'my-llm', uid: 'u' },
      spec: { target: { name: 'my-llm', container }, users: [{ secretRef: { name: 'key' } }], ...server },
    }),
  ),
);

/** The pod as `access` has it; undefined: skipped. */
function injected(pod: Pod, access: Access): Pod | undefined {
  const cluster: Cluster = {
    access: () => access,
    namespaceLabels: () => ({}),
    limitRanges: () => [],
    systemNamespace: 'sshaccess-system',
    defaultLevel: 'baseline',
  };
  const decision = decide(pod, 'acme', cluster);
  return 'skip' in decision ? undefined : inject(pod, decision.plan, settings);
}

const some = <T>(random: Random, things: readonly T[]): T[] => things.filter(() => random(3) === 0);

const VARIABLES = ['HOME', 'PUID', 'PGID', 'SSH_BOOTSTRAP_SCRIPT', 'LANG'];
/** Those that the contract takes from whoever has them. */
const CONTRACT = ['SSH_PORT', 'SSH_USERNAMES', 'SSHACCESS_SECRET_DIR', 'SSH_BOOTSTRAP_REQUIRED', 'SSHACCESS_CONTAINER'];
const PATHS = ['/data', '/run', '/ssh-runtime', '/ssh-runtime/home', '/srv', '/tmp'];
const PORTS = [
  { name: 'http', containerPort: 80, protocol: 'TCP' },
  { containerPort: 2222, protocol: 'UDP' },
  { name: 'sshaccess', containerPort: 9000, protocol: 'TCP' },
];

function randomContainer(random: Random, name: string, variables: readonly string[]) {
  const volumes = ['disk', 'claim'];
  return {
    name,
    ...(random(4) > 0 && { env: some(random, variables).map((variable) => ({ name: variable, value: '7' })) }),
    ...(random(4) > 0 && {
      volumeMounts: some(random, PATHS).map((mountPath) => ({ name: volumes[random(2)], mountPath })),
    }),
    ...(random(2) > 0 && { ports: some(random, PORTS) }),
    ...(random(2) > 0 && { securityContext: { runAsUser: random(3) * 1000, runAsNonRoot: random(2) > 0 } }),
    ...(random(3) > 0 && { resources: { limits: { cpu: '1', memory: '1Gi' } } }),
  };
}

function randomPod(random: Random, variables: readonly string[]): Pod {
  const containers = ['helper', 'app', 'proxy'].slice(0, 2 + random(2));
  const evictable = 'cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes';
  return Pod.parse({
    metadata: {
      labels: { 'sshaccess.dev/access': 'my-llm' },
      annotations: random(2) > 0 ? { [evictable]: ['disk', 'disk,claim', 'other'][random(3)] } : { other: 'x' },
    },
    spec: {
      containers: containers.map((name) => randomContainer(random, name, variables)),
      ...(random(2) > 0 && { initContainers: some(random, [{ name: 'migrate' }, { name: 'mesh' }]) }),
      volumes: [
        { name: 'disk', emptyDir: {} },
        { name: 'claim', persistentVolumeClaim: { claimName: 'claim' } },
      ],
      ...(random(3) > 0 && { shareProcessNamespace: random(2) > 0 }),
    },
  });
}

const PODS = 60;
/** Much longer than it takes: other tests have the machine too. */
const TIMEOUT_MS = 120_000;
function* cases(seed: number, variables: readonly string[]): Generator<[Pod, Access, Pod]> {
  const random = generator(seed);
  for (let round = 0; round < PODS; round += 1) {
    const pod = randomPod(random, variables);
    for (const access of ACCESSES) {
      const result = injected(pod, access);
      if (result !== undefined) yield [pod, access, result];
    }
  }
}

test('twice equals once', { timeout: TIMEOUT_MS }, () => {
  let count = 0;
  for (const [, access, once] of cases(1, [...VARIABLES, ...CONTRACT])) {
    expect(injected(once, access)).toEqual(once);
    count += 1;
  }
  // Most are injected: else this would prove nothing.
  expect(count).toBeGreaterThan(PODS * 5);
});

test('a pod that was injected otherwise before is as if it had not been', { timeout: TIMEOUT_MS }, () => {
  for (const [pod, , once] of cases(2, VARIABLES)) {
    for (const access of ACCESSES) {
      const fresh = injected(pod, access);
      expect(comparable(injected(once, access))).toEqual(comparable(fresh));
    }
  }
});

/** Without the message policy, which stays, lists in which nothing is left, and the order of lists: none of ours refers to another. */
function comparable(pod: Pod | undefined): unknown {
  const withoutOrder = new Set(['env', 'volumes', 'volumeMounts', 'ports']);
  return JSON.parse(
    JSON.stringify(pod ?? {}, (key, value: unknown) => {
      if (key === 'terminationMessagePolicy') return undefined;
      if (!Array.isArray(value)) return value;
      if (value.length === 0) return undefined;
      return withoutOrder.has(key) ? value.map((item) => JSON.stringify(item)).toSorted() : value;
    }),
  );
}

test(
  'the pod is one that the API server takes: what must be unique is, and what is mounted is there',
  { timeout: TIMEOUT_MS },
  () => {
    const unique = (values: readonly unknown[] = []): void => expect(new Set(values).size).toBe(values.length);
    for (const [, , { spec }] of cases(3, [...VARIABLES, ...CONTRACT])) {
      const containers = [...(spec.initContainers ?? []), ...spec.containers];
      const volumes = (spec.volumes ?? []).map(({ name }) => name);
      unique(containers.map(({ name }) => name));
      unique(volumes);
      for (const { env, volumeMounts, ports } of containers) {
        unique(env?.map(({ name }) => name));
        unique(volumeMounts?.map(({ mountPath }) => mountPath));
        unique(ports?.flatMap(({ name }) => name ?? []));
        expect(volumes).toEqual(expect.arrayContaining((volumeMounts ?? []).map(({ name }) => name)));
      }
    }
  },
);

test("nothing of the pod's own is changed but by the contract", { timeout: TIMEOUT_MS }, () => {
  const variables = ['HOME', 'LANG'];
  const own = (pod: Pod, names: readonly string[]) =>
    allContainers(pod)
      .filter(({ name }) => names.includes(name))
      .map(({ env = [], volumeMounts = [], ports = [], terminationMessagePolicy: _policy, ...others }) => ({
        ...others,
        env: env.filter(({ name }) => variables.includes(name)),
        volumeMounts: volumeMounts.filter(({ name }) => !name.startsWith('sshaccess')),
        ports: ports.filter((port) => port.name !== 'sshaccess' || port.containerPort !== 2222),
      }));
  for (const [pod, , after] of cases(4, variables)) {
    const names = allContainers(pod).map(({ name }) => name);
    expect(own(after, names)).toEqual(own(pod, names));
    expect(after.spec.securityContext).toEqual(pod.spec.securityContext);
    expect(after.spec.volumes?.slice(0, 2)).toEqual(pod.spec.volumes);
  }
});
