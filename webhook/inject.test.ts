import { readdirSync, readFileSync } from 'node:fs';
import { applyPatch } from 'rfc6902';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import * as z from 'zod';
import { inject } from './inject.ts';
import { Access, decide, type Cluster, type InjectionPlan } from './injection-plan.ts';
import { Namespace } from './namespace.ts';
import { diff } from './patch.ts';
import { Pod } from './pod.ts';
import type { SidecarSettings } from './sidecar-container.ts';

const testdata = new URL('testdata/', import.meta.url);
const cases = readdirSync(testdata)
  .filter((file) => file.endsWith('.yaml') && !file.includes('.golden.'))
  .map((file) => file.replace('.yaml', ''));

const settings: SidecarSettings = {
  image: 'ghcr.io/sshaccess/sidecar:0.1.0',
  pullPolicy: 'IfNotPresent',
  resources: {
    usual: { requests: { cpu: '10m', memory: '64Mi' }, limits: { cpu: '2', memory: '1Gi' } },
    guaranteed: { cpu: '100m', memory: '256Mi' },
  },
  metricsPort: 0,
};

/** `<case>.yaml` is a Namespace, an SshAccess in it and a Pod: all that a decision is made of. */
function load(name: string): { pod: unknown; plan: InjectionPlan } {
  const text = readFileSync(new URL(`${name}.yaml`, testdata), 'utf8');
  const documents: unknown[] = parseAllDocuments(text).map((document) => document.toJS());
  const namespace = Namespace.parse(documents[0]);
  const access = Access.parse(documents[1]);
  const cluster: Cluster = {
    access: (where, wanted) => (where === 'acme' && wanted === access.metadata.name ? access : undefined),
    namespaceLabels: () => namespace.metadata.labels,
    limitRanges: () => [],
    systemNamespace: 'sshaccess-system',
    defaultLevel: 'privileged',
  };
  const decision = decide(Pod.parse(documents[2]), 'acme', cluster);
  if ('skip' in decision) throw new Error(`${name} is skipped: ${decision.skip}`);
  return { pod: documents[2], plan: decision.plan };
}

/** The pod that the API server makes of `object` and our patch. */
function admit(object: unknown, plan: InjectionPlan) {
  const pod = Pod.parse(object);
  const patch = diff(pod, inject(pod, plan, settings));
  const result: unknown = structuredClone(object);
  const problems = applyPatch(result, structuredClone(patch));
  expect(problems.every((problem) => problem === null)).toBe(true);
  return { patch, result };
}

/** What an injection for another target wrote. */
const OTHER = JSON.stringify({
  version: 1,
  access: 'my-llm',
  container: 'other',
  sessionEntry: 'sshd',
  rootUid: 1,
  limitedUid: 1,
  runtime: 'main_container',
});

/** What is the contract's, and not the pod's own, though the pod has it. */
const CHANGED: Readonly<Record<string, readonly string[]>> = {
  main: [
    'replace /metadata/annotations/cluster-autoscaler.kubernetes.io~1safe-to-evict-local-volumes',
    'replace /spec/containers/0/env/0/value',
    'replace /spec/containers/0/terminationMessagePolicy',
  ],
};

// To accept a change of the golden files: npx vitest run --project unit webhook -u
describe.each(cases)('%s', (name) => {
  const { pod, plan } = load(name);
  const { patch, result } = admit(pod, plan);

  test('is injected as the golden file says', async () => {
    await expect(stringify(result)).toMatchFileSnapshot(`testdata/${name}.golden.yaml`);
  });

  test('is patched as the golden file says', async () => {
    await expect(`${JSON.stringify(patch, null, 2)}\n`).toMatchFileSnapshot(`testdata/${name}.golden.json`);
  });

  test('twice equals once', () => {
    expect(admit(result, plan).patch).toEqual([]);
  });

  test('nothing of the pod is lost or changed but what is ours', () => {
    // There every removal or replacement concerns a place where an earlier injection was.
    if (name.startsWith('copied')) return;
    const changed = patch.filter(({ op }) => op !== 'add').map(({ op, path }) => `${op} ${path}`);
    expect(changed).toEqual(CHANGED[name] ?? []);
  });
});

test('the input is not changed', () => {
  const { pod, plan } = load('several-containers');
  const before = structuredClone(pod);
  inject(Pod.parse(pod), plan, settings);
  expect(pod).toEqual(before);
});

test('the Secret is mounted into the container that serves ssh, and into no other of the app', () => {
  const WithMounts = z.object({
    spec: z.object({
      containers: z.array(
        z.object({ name: z.string(), volumeMounts: z.array(z.object({ name: z.string() })).default([]) }),
      ),
    }),
  });
  for (const name of cases) {
    const { pod, plan } = load(name);
    const { containers } = WithMounts.parse(admit(pod, plan).result).spec;
    const mounting = containers.filter((one) => one.volumeMounts.some((mount) => mount.name.startsWith('sshaccess')));
    expect(mounting.map((one) => one.name)).toEqual(plan.mainContainer === undefined ? [] : [plan.container]);
  }
});

describe.each(['hello', 'main-image'])('what others do to our container between two rounds stays: %s', (file) => {
  const { pod, plan } = load(file);
  const sidecarOf = (object: unknown) => Pod.parse(object).spec.initContainers?.[0];

  test.each([
    ['AlwaysPullImages', { imagePullPolicy: 'Always' }],
    ['a registry mirror', { image: 'mirror.local/sidecar:0.1.0' }],
    ['LimitRanger', { resources: { limits: { 'ephemeral-storage': '1Gi' } } }],
    ['a field of a later Kubernetes', { resizePolicy: [] }],
  ])('%s', (_who, change) => {
    const first = Pod.parse(admit(pod, plan).result);
    const [sidecar, ...others] = first.spec.initContainers ?? [];
    const changed = { ...first, spec: { ...first.spec, initContainers: [{ ...sidecar, ...change }, ...others] } };
    const second = admit(changed, plan);
    expect(second.patch).toEqual([]);
    expect(sidecarOf(second.result)).toMatchObject(change);
  });

  test('what was decided otherwise before is not mixed with what is decided now', () => {
    const first = Pod.parse(admit(pod, plan).result);
    const [sidecar, ...others] = first.spec.initContainers ?? [];
    const securityContext = { ...sidecar?.securityContext, privileged: true };
    const volumeMounts = [...(sidecar?.volumeMounts ?? []), { name: 'other', mountPath: '/other' }];
    const changed = {
      metadata: { ...first.metadata, annotations: { ...first.metadata.annotations, 'sshaccess.dev/injected': OTHER } },
      spec: { ...first.spec, initContainers: [{ ...sidecar, securityContext, volumeMounts }, ...others] },
    };
    expect(sidecarOf(admit(changed, plan).result)).toEqual(sidecar);
  });

  test('what they add to our lists stays, what they take out comes back', () => {
    const first = Pod.parse(admit(pod, plan).result);
    const [sidecar] = first.spec.initContainers ?? [];
    const foreign = { name: 'other', mountPath: '/other' };
    const changed = {
      ...first,
      spec: {
        ...first.spec,
        initContainers: [{ ...sidecar, env: [{ name: 'OTHER', value: 'x' }], volumeMounts: [foreign] }],
      },
    };
    const again = sidecarOf(admit(changed, plan).result);
    expect(again?.env?.map(({ name }) => name)).toEqual(['OTHER', ...(sidecar?.env ?? []).map(({ name }) => name)]);
    expect(again?.volumeMounts).toEqual([...(sidecar?.volumeMounts ?? []), foreign]);
  });
});
