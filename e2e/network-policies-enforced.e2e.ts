/**
 * NetworkPolicies of the chart and of docs/network-policies.md, as the network plugin enforces them: on the native cluster
 * e2e/cluster/native/network-policies, else the cluster's own. One that enforces nothing fails here.
 */
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { LABEL_ACCESS, SSH_PORT } from '../crds/index.ts';
import { patternOfWords, SEEDED_FAULTS } from '../scripts/seeded-faults.ts';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { helmUpgrade } from './support/helm.ts';
import { apply, get, kubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, type Login, rootLogin, scratch, ssh } from './support/openssh.ts';
import { servingPipers } from './support/piper-pods.ts';
import { succeed } from './support/process.ts';
import { tenantPolicies } from './support/tenant-policies.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const outside = 'e2e-stranger';
const tenant = 'e2e-policies';
const APP_PORT = 8000;
const script = `cd /tmp && exec python3 -m http.server ${APP_PORT}`;
const alice: Login = { user: `${tenant}-app`, key: `${scratch}/alice` };
let publicKey = '';
const system = demo().systemNamespace;
const [forClosed, forOpen] = tenantPolicies();
/** What a tenant begins with who wants to say what may come in. */
const closed = stringify({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'closed', namespace: tenant },
  spec: { podSelector: {}, policyTypes: ['Ingress'] },
});

const ofOurs = (enabled: boolean): Promise<string> => helmUpgrade('--set', `networkPolicy.enabled=${enabled}`);
function ofTenant(verb: 'apply' | 'delete', policy: string): Promise<string> {
  const args = [verb, '-n', tenant, '-f', '-', ...(verb === 'delete' ? ['--ignore-not-found'] : [])];
  return succeed([demo().kubectl, '--kubeconfig', demo().kubeconfig, ...args], { input: policy });
}

/** Until the test ends, however it does: another try begins without it. */
async function applyToTenant(policy: string): Promise<void> {
  onTestFinished(async () => void (await ofTenant('delete', policy)));
  await ofTenant('apply', policy);
}

beforeAll(async () => {
  await Promise.all([outside, tenant].map(removeNamespace));
  ({ publicKey } = await generateKey('alice'));
  await createWorkload({ namespace: outside, name: 'stranger', script });
  await kubectl('rollout', 'status', 'deployment/stranger', '-n', outside, '--timeout=120s');
});

afterAll(async () => {
  await Promise.all([ofOurs(false), ...[outside, tenant].map(removeNamespace)]);
  disposeScratch();
});

const Pods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }),
      status: z.object({ podIP: z.string().default('') }),
    }),
  ),
});

/** Name and address of a pod of these. */
async function podOf(namespace: string, selector: string): Promise<{ name: string; address: string }> {
  const { items } = await get(Pods, 'pods', '-n', namespace, '-l', selector);
  const pod = items.find(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.podIP !== '');
  if (pod === undefined) throw new Error(`no pod ${selector} is in ${namespace}`);
  return { name: pod.metadata.name, address: pod.status.podIP };
}
const stranger = () => podOf(outside, 'app=stranger');
const app = () => podOf(tenant, 'app=app');
const program = (name: string) => podOf(system, `app.kubernetes.io/component=${name}`);

/** Who is kept out is told so, or waits; three seconds are for who is not, on a machine that has much else to do. */
const PROBE = `
for place; do
  (timeout 3 bash -c "exec 3<>/dev/tcp/\${place%:*}/\${place#*:}" 2>/dev/null && echo "$place" || true) &
done
wait`;

/** Which of those places (`address:port`) a pod reaches. */
async function reached(namespace: string, pod: string, places: Readonly<Record<string, string>>): Promise<string[]> {
  const said = await kubectl('exec', '-n', namespace, pod, '--', 'sh', '-c', PROBE, 'sh', ...Object.values(places));
  const open = new Set(said.split('\n'));
  return Object.keys(places).filter((name) => open.has(places[name] ?? ''));
}

async function reachedByStranger(places: Readonly<Record<string, string>>): Promise<string[]> {
  return reached(outside, (await stranger()).name, places);
}

/** All that our programs listen on. */
async function ourPorts(): Promise<Record<string, string>> {
  const [piper, webhook, operator] = await Promise.all([program('piper'), program('webhook'), program('operator')]);
  return {
    'piper ssh': `${piper.address}:2222`,
    'piper metrics': `${piper.address}:8080`,
    'piper bans': `${piper.address}:9090`,
    'webhook https': `${webhook.address}:8443`,
    'webhook metrics': `${webhook.address}:8080`,
    'operator metrics': `${operator.address}:8080`,
  };
}

async function appPorts(): Promise<Record<string, string>> {
  const { address } = await app();
  return { ssh: `${address}:${SSH_PORT}`, app: `${address}:${APP_PORT}` };
}

const loggedIn = (login: Login): Promise<void> =>
  eventually(async () => expect(await ssh(login, 'echo in')).toMatchObject({ code: 0, stdout: 'in\n' }));

test('F6: without a policy a stranger reaches every port of our programs, but that for bans, which is on loopback', async () => {
  await eventually(async () => {
    const places = await ourPorts();
    const others = Object.keys(places).filter((name) => name !== 'piper bans');
    expect(await reachedByStranger(places)).toEqual(others);
  });
});

test('F6: with networkPolicy.enabled, those that are for all', async () => {
  await ofOurs(true);
  await eventually(async () =>
    expect(await reachedByStranger(await ourPorts())).toEqual(['piper ssh', 'webhook https']),
  );
});

test('with it our programs start, become ready, and serve: new workloads, new pods, logins', async () => {
  const [one] = await servingPipers();
  // A piper takes its time to leave.
  await Promise.all([renew('piper', one?.metadata.name ?? ''), renewThoseWhoMakeSsh().then(addApp)]);
  await loggedIn(alice);
  await loggedIn(rootLogin());
});

async function renewThoseWhoMakeSsh(): Promise<void> {
  await Promise.all(['operator', 'webhook'].map((name) => renew(name, '-l', `app.kubernetes.io/component=${name}`)));
}

/** Deletes pods of that program, and waits until all that it should have are ready. */
async function renew(name: string, ...which: readonly string[]): Promise<void> {
  await kubectl('delete', 'pod', '-n', system, ...which);
  await kubectl('rollout', 'status', `deployment/sshaccess-${name}`, '-n', system, '--timeout=120s');
}

/** The tenant's, with ssh. */
async function addApp(): Promise<void> {
  const namespace = stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: tenant } });
  const access = accessManifest(tenant, 'app', [{ secretRef: { name: 'alice' } }]);
  await apply([namespace, keySecret(tenant, 'alice', publicKey), access].join('---\n'));
  await createWorkload({ namespace: tenant, name: 'app', script, podLabels: { [LABEL_ACCESS]: 'app' } });
  await waitUntilReady(tenant, 'app');
}

test('F6: they reach the API server and, but for the webhook, pods at their ssh port; nobody else', async () => {
  const apiServer = await kubectl('get', 'service', 'kubernetes', '-o', 'jsonpath={.spec.clusterIP}:443');
  const places = {
    ...(await appPorts()),
    'API server': apiServer,
    stranger: `${(await stranger()).address}:${APP_PORT}`,
  };
  await eventually(async () => expect(await reachedByStranger(places)).toEqual(Object.keys(places)));
  const reachedBy = async (name: string): Promise<string[]> => reached(system, (await program(name)).name, places);
  await eventually(async () => {
    expect(await Promise.all(['piper', 'operator', 'webhook'].map(reachedBy))).toEqual([
      ['ssh', 'API server'],
      ['ssh', 'API server'],
      ['API server'],
    ]);
  });
});

test('F6: the document for a namespace without policies closes the ssh port to strangers, and no other port', async () => {
  await applyToTenant(forOpen);
  await eventually(async () => expect(await reachedByStranger(await appPorts())).toEqual(['app']));
  await loggedIn(alice);
  await ofTenant('delete', forOpen);
  await eventually(async () => expect(await reachedByStranger(await appPorts())).toEqual(['ssh', 'app']));
});

test('F6: in a closed namespace the login says that it may be a NetworkPolicy; the document for one lets us in, and no stranger', async () => {
  await applyToTenant(closed);
  await eventually(async () => {
    const { stdout, stderr } = await ssh(alice, 'echo in', { ssh: ['-o', 'LogLevel=INFO'] });
    expect(`${stdout}${stderr}`).toMatch(patternOfWords(SEEDED_FAULTS.networkPolicy.says));
  });
  await applyToTenant(forClosed);
  await loggedIn(alice);
  // Itself it reaches: what it finds closed is.
  const places = { ...(await appPorts()), itself: `${(await stranger()).address}:${APP_PORT}` };
  await eventually(async () => expect(await reachedByStranger(places)).toEqual(['itself']));
});
