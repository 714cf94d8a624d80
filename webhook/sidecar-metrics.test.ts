/** Where a sidecar serves metrics, and where not. What is injected without: the golden files. */
import { expect, test } from 'vitest';
import { InjectionRecord, SIDECAR_ENV } from '../crds/index.ts';
import { inject } from './inject.ts';
import { Access, decide, type Cluster } from './injection-plan.ts';
import { Pod } from './pod.ts';

const PORT = 9464;

function admitted(pod: Pod, metricsPort: number, runtime: object = {}): Pod {
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
  const decision = decide(pod, 'acme', cluster);
  if ('skip' in decision) throw new Error(`skipped: ${decision.skip}`);
  return inject(pod, decision.plan, {
    image: 'sidecar',
    pullPolicy: 'IfNotPresent',
    resources: { usual: {}, guaranteed: { cpu: '1', memory: '1Gi' } },
    metricsPort,
  });
}

const podOf = (spec: object): Pod =>
  Pod.parse({
    metadata: { labels: { 'sshaccess.dev/access': 'my-llm' } },
    spec: { containers: [{ name: 'app' }], ...spec },
  });

/** What its sidecar was told and declares, and what the pod's record says. */
function metricsOf(pod: Pod) {
  const sidecar = pod.spec.initContainers?.find(({ name }) => name === 'sshaccess');
  return {
    told: sidecar?.env?.find(({ name }) => name === SIDECAR_ENV.metricsPort)?.value,
    declared: sidecar?.ports?.find(({ name }) => name === 'ssh-metrics')?.containerPort,
    recorded: InjectionRecord.parse(JSON.parse(pod.metadata.annotations?.['sshaccess.dev/injected'] ?? '')).metricsPort,
  };
}

const ON = { told: `${PORT}`, declared: PORT, recorded: PORT };
const OFF = { told: undefined, declared: undefined, recorded: undefined };

test('the sidecar is told the port and declares it, where the installation wants that', () => {
  expect(metricsOf(admitted(podOf({}), PORT))).toEqual(ON);
  expect(metricsOf(admitted(podOf({}), 0))).toEqual(OFF);
});

test.each([
  ['the app', { containers: [{ name: 'app', ports: [{ containerPort: PORT }] }] }],
  ['another container', { containers: [{ name: 'app' }, { name: 'proxy', ports: [{ containerPort: PORT }] }] }],
  ['an init container', { initContainers: [{ name: 'first', ports: [{ containerPort: PORT, protocol: 'TCP' }] }] }],
])('who declares the port has it, and ssh all the same: %s', (_who, spec) => {
  const pod = admitted(podOf(spec), PORT);
  expect(metricsOf(pod)).toEqual(OFF);
  expect(pod.spec.initContainers?.some(({ name }) => name === 'sshaccess')).toBe(true);
});

test('the same number of UDP is another port', () => {
  const ports = [{ containerPort: PORT, protocol: 'UDP' }];
  expect(metricsOf(admitted(podOf({ containers: [{ name: 'app', ports }] }), PORT))).toEqual(ON);
});

test('a second round and a copy have what holds then: the same, another port, none, or one that is taken by now', () => {
  const first = admitted(podOf({}), PORT);
  expect(admitted(first, PORT)).toEqual(first);
  const moved = PORT + 1;
  expect(metricsOf(admitted(first, moved))).toEqual({ told: `${moved}`, declared: moved, recorded: moved });
  expect(admitted(first, 0)).toEqual(admitted(podOf({}), 0));
  const proxy = { name: 'proxy', ports: [{ containerPort: PORT }] };
  const joined = { ...first, spec: { ...first.spec, containers: [...first.spec.containers, proxy] } };
  expect(metricsOf(admitted(joined, PORT))).toEqual(OFF);
});

test('the sshd of an image serves none', () => {
  const runtime = { runtime: 'main_container' };
  expect(admitted(podOf({}), PORT, runtime)).toEqual(admitted(podOf({}), 0, runtime));
});
