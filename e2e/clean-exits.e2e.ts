/** SshAccess, workload, namespace, definition and release go in any order, leave nothing behind, and nothing hangs. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { z } from 'zod';
import { FINALIZER, routeSecretName } from '../crds/index.ts';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { helm, HELM_TEST_MS, helmAndWait } from './support/helm.ts';
import { apply, get, kubectl, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, ssh } from './support/openssh.ts';
import { succeed } from './support/process.ts';
import { accessManifest, condition, createWorkload, keySecret, waitUntilReady } from './support/workload.ts';

const CRDS = 'charts/sshaccess/crds';
const CRD = 'sshaccesses.sshaccess.dev';
const namespace = 'e2e-exits';
const users = [{ secretRef: { name: 'key' } }];
const scratch = mkdtempSync(join(tmpdir(), 'sshaccess-exits-'));
const valuesFile = join(scratch, 'values.json');
const Access = z.object({ metadata: z.object({ uid: z.string(), finalizers: z.array(z.string()).default([]) }) });
let key = { path: '', publicKey: '' };
let demoAccess = '';

/** As the global set-up did. */
const install = (): Promise<string> =>
  helmAndWait('upgrade', '--install', 'sshaccess', 'charts/sshaccess', '-f', valuesFile);

const inSystem = (...args: string[]): Promise<string> => kubectl(...args, '-n', demo().systemNamespace);
const scaleOperators = (replicas: number): Promise<string> =>
  inSystem('scale', 'deployment/sshaccess-operator', `--replicas=${replicas}`);
const routes = (): Promise<string> => inSystem('get', 'secrets', '-l', 'sshaccess.dev/route=true', '-o', 'name');
const accessOf = (place: string) => get(Access, 'sshacc', 'app', '-n', place);
const labelsOf = (place: string): Promise<string> =>
  kubectl('get', 'deployment', 'app', '-n', place, '-o', 'jsonpath={.spec.template.metadata.labels}');
const isLabelled = async (place: string): Promise<boolean> => (await labelsOf(place)).includes('sshaccess.dev/access');

async function bringAccess(place: string): Promise<void> {
  await apply(keySecret(place, 'key', key.publicKey));
  await apply(accessManifest(place, 'app', users));
}

/** A workload with an SshAccess that is served; answers the name of its route. */
async function served(place: string, replicas = 1): Promise<string> {
  await createWorkload({ namespace: place, name: 'app', script: 'sleep infinity', replicas });
  await bringAccess(place);
  await eventually(async () => expect(await isLabelled(place)).toBe(true));
  const route = `secret/${routeSecretName((await accessOf(place)).metadata.uid)}`;
  await eventually(async () => expect(await routes()).toContain(route));
  return route;
}

const remove = (...what: string[]): Promise<string> => kubectl('delete', ...what, '--wait=true', '--timeout=150s');

const Release = z.object({ info: z.object({ status: z.string() }) });
/** Whatever broke off half-way: for a second try, and for those that come after us, all is as it was before. */
async function putInOrder(): Promise<void> {
  await kubectl('apply', '--server-side', '--force-conflicts', '-f', CRDS);
  const status = await helm('status', 'sshaccess', '-o', 'json').catch(() => undefined);
  // Of one that is half gone Helm makes none that is whole.
  if (status !== undefined && Release.parse(JSON.parse(status)).info.status !== 'deployed')
    await helmAndWait('uninstall', 'sshaccess', '--no-hooks');
  await install();
  await scaleOperators(1);
  await inSystem('rollout', 'status', 'deployment/sshaccess-operator', '--timeout=150s');
  await eventually(async () => await apply(demoAccess));
  const places = (await kubectl('get', 'namespaces', '-o', 'jsonpath={.items[*].metadata.name}')).split(' ');
  const left = places.filter((place) => place.startsWith(`${namespace}-`));
  if (left.length > 0) await remove('namespace', ...left);
}
/** For a test that takes away what the others, and a second try of it, need. */
async function takesAway(): Promise<void> {
  onTestFailed(putInOrder);
  // It was taken away with what a first try has left.
  await bringAccess(namespace);
}

beforeAll(async () => {
  key = await generateKey('exits');
  writeFileSync(valuesFile, await helm('get', 'values', 'sshaccess', '-o', 'json'));
  const { spec } = await get(z.object({ spec: z.unknown() }), 'sshacc', 'hello', '-n', 'acme');
  const metadata = { namespace: 'acme', name: 'hello' };
  demoAccess = JSON.stringify({ apiVersion: 'sshaccess.dev/v1alpha1', kind: 'SshAccess', metadata, spec });
  await served(namespace);
});

afterAll(async () => {
  await putInOrder();
  await remove('namespace', namespace, '--ignore-not-found');
  await waitUntilReady('acme', 'hello');
  await kubectl('rollout', 'status', 'deployment/hello', '-n', 'acme', '--timeout=120s');
  rmSync(scratch, { recursive: true });
  disposeScratch();
});

describe('deleted in this order, nothing is left', () => {
  const access = ['sshacc', 'app'];
  const workload = ['deployment', 'app'];
  test.concurrent.each([
    ['SshAccess, workload, namespace', 'e2e-exits-a', [access, workload]],
    ['workload, SshAccess, namespace', 'e2e-exits-b', [workload, access]],
    ['workload, namespace', 'e2e-exits-c', [workload]],
    ['SshAccess, namespace', 'e2e-exits-d', [access]],
    ['namespace', 'e2e-exits-e', []],
  ])('%s', async (_, place, order) => {
    const route = await served(place);
    await waitUntilReady(place, 'app');
    for (const what of order) await remove(...what, '-n', place);
    if (order.includes(access)) {
      // Owner references, which Kubernetes follows in its own time.
      await eventually(async () => {
        const left = await kubectl('get', 'secrets,services,endpointslices', '-n', place, '-o', 'name');
        expect(left.trim().split('\n')).toEqual(['secret/key']);
      });
      expect(await routes()).not.toContain(route);
    }
    if (order.includes(access) && !order.includes(workload))
      expect(JSON.parse(await labelsOf(place))).toEqual({ app: 'app' });
    await remove('namespace', place);
    expect(await routes()).not.toContain(route);
  });
});

test('the definition: all SshAccesses and their routes go; the operator stays, and serves those that come with it again', async () => {
  const operators = () =>
    inSystem('get', 'pods', '-l', 'app.kubernetes.io/component=operator', '-o', 'jsonpath={.items[*].metadata.uid}');
  await takesAway();
  const before = await operators();
  await served('e2e-exits-f');
  await remove('crd', CRD);
  await eventually(async () => expect(await routes()).toBe(''));
  expect(await isLabelled(namespace)).toBe(false);
  await remove('namespace', 'e2e-exits-f');
  expect((await tryKubectl(['get', 'crd', CRD])).stderr).toContain('NotFound');

  await kubectl('apply', '--server-side', '--force-conflicts', '-f', CRDS);
  await kubectl('wait', '--for=condition=Established', '--timeout=30s', '-f', CRDS);
  await eventually(async () => await bringAccess(namespace));
  await apply(demoAccess);
  await eventually(async () => expect(await isLabelled(namespace)).toBe(true));
  await eventually(async () => expect((await routes()).trim().split('\n')).toHaveLength(2));
  expect(await operators()).toBe(before);
});

test('docs/uninstall.md: without the operator and without the hook, its commands do it by hand', async () => {
  await takesAway();
  const route = await served('e2e-exits-hand', 0);
  await scaleOperators(0);
  const operators = ['pods', '-l', 'app.kubernetes.io/component=operator'];
  await inSystem('wait', '--for=delete', '--timeout=150s', ...operators);
  const [, section = ''] = readFileSync('docs/uninstall.md', 'utf8').split('## Without the hook');
  const [, script = ''] = /```sh\n([\s\S]+?)```/.exec(section) ?? [];
  const { kubectl: program, kubeconfig } = demo();
  await succeed(['sh', '-euc', `kubectl() { '${program}' --kubeconfig '${kubeconfig}' "$@"; }\n${script}`]);
  expect(await routes()).not.toContain(route);
  for (const place of ['e2e-exits-hand', namespace]) {
    expect((await accessOf(place)).metadata.finalizers).toEqual([]);
    expect(await isLabelled(place)).toBe(false);
  }
  await remove('namespace', 'e2e-exits-hand');
  await scaleOperators(1);
  await eventually(async () => expect((await accessOf(namespace)).metadata.finalizers).toEqual([FINALIZER]));
  await eventually(async () => expect(await isLabelled(namespace)).toBe(true));
});

const REINSTALLED = 'helm uninstall leaves the SshAccesses and the host keys, and installed again all is as it was';
test(REINSTALLED, { timeout: 2 * HELM_TEST_MS }, async () => {
  await takesAway();
  await served('e2e-exits-later', 0);
  await waitUntilReady(namespace, 'app');
  const hostKeys = () => inSystem('get', 'secret', 'sshaccess-piper-host-keys', '-o', 'jsonpath={.data}');
  const podSecret = () => kubectl('get', 'secret', 'app-sshaccess', '-n', namespace, '-o', 'jsonpath={.data.host-key}');
  const before = [await hostKeys(), await podSecret()];
  // As it is installed by default: the one that does not lead must not begin to.
  await scaleOperators(2);
  await inSystem('rollout', 'status', 'deployment/sshaccess-operator', '--timeout=150s');
  await helmAndWait('uninstall', 'sshaccess');

  for (const place of [namespace, 'e2e-exits-later']) {
    expect((await accessOf(place)).metadata.finalizers).toEqual([]);
    expect(JSON.parse(await labelsOf(place))).toEqual({ app: 'app' });
  }
  expect(await condition(namespace, 'app', 'Ready')).toMatch(/^False: Uninstalled/);
  await eventually(async () => {
    const kinds = 'secrets,services,endpointslices,deployments,jobs,pods,roles,rolebindings,leases,sessionreports,pdb';
    const left = await inSystem('get', kinds, '-o', 'name');
    expect(left.trim().split('\n')).toEqual(['secret/sshaccess-piper-host-keys']);
  });
  expect(await inSystem('get', 'serviceaccounts', '-o', 'jsonpath={.items[*].metadata.name}')).toBe('default');
  const cluster = 'clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingadmissionpolicies';
  expect(await kubectl('get', cluster, '-l', 'app.kubernetes.io/part-of=sshaccess', '-o', 'name')).toBe('');
  // Pods without a sidecar, and a namespace that goes without an operator.
  await eventually(async () => {
    const path = 'jsonpath={.items[*].spec.initContainers[*].name}';
    expect(await kubectl('get', 'pods', '-n', namespace, '-o', path)).toBe('');
  });
  await remove('namespace', 'e2e-exits-later');

  await install();
  await waitUntilReady(namespace, 'app');
  const login = { user: `${namespace}-app`, key: key.path };
  await eventually(async () => expect(await ssh(login, 'true')).toMatchObject({ code: 0 }));
  expect([await hostKeys(), await podSecret()]).toEqual(before);
});
