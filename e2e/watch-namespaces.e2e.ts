/** `watchNamespaces`: what is served, what our ServiceAccounts may read, and a second installation beside this one. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { sidecarMetrics } from '../scripts/metric-registries.ts';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { helmUpgrade } from './support/helm.ts';
import { apply, kubectl, pods, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, ssh } from './support/openssh.ts';
import { portForward } from './support/port-forward.ts';
import { run } from './support/process.ts';
import { accessManifest, condition, createWorkload, keySecret, removeNamespace } from './support/workload.ts';

const inside = 'e2e-watched';
const outside = 'e2e-unwatched';
const leaving = 'e2e-watched-leaving';
const METRICS_PORT = 22_904;
const users = [{ secretRef: { name: 'alice' } }];
let alice = '';
const promised = sidecarMetrics().series;

/** By which the API server of a cluster of ours says to our webhook who it is; '': it is another's, which does not. */
function clientCA(): string {
  const path = join(dirname(demo().kubeconfig), 'webhook-client.crt');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** With names, and what else only some installations ask for; without, as the demo is. */
const serveOnly = (namespaces: readonly string[]): Promise<string> => {
  const isClosed = namespaces.length > 0;
  const values = {
    watchNamespaces: namespaces,
    'admissionPolicy.enabled': isClosed,
    'sidecar.metrics.port': isClosed ? METRICS_PORT : 0,
    'webhook.clientCA': isClosed ? clientCA() : '',
  };
  const set = Object.entries(values).flatMap(([name, value]) => ['--set-json', `${name}=${JSON.stringify(value)}`]);
  return helmUpgrade(...set);
};

beforeAll(async () => {
  const { path, publicKey } = await generateKey('alice');
  alice = path;
  for (const namespace of [inside, outside, leaving]) {
    await createWorkload({ namespace, name: 'app', script: 'sleep infinity' });
    await apply(keySecret(namespace, 'alice', publicKey));
  }
  await serveOnly(['acme', inside, leaving]);
  for (const namespace of [inside, outside, leaving]) await apply(accessManifest(namespace, 'app', users));
});

afterAll(async () => {
  await serveOnly([]);
  await Promise.all([inside, outside, leaving].map(removeNamespace));
  disposeScratch();
});

describe('with a list of namespaces', () => {
  test('one that is in it is served', async () => {
    await eventually(async () => expect(await condition(inside, 'app', 'Ready')).toMatch(/^True/));
    expect(await ssh({ user: `${inside}-app`, key: alice }, 'echo in')).toMatchObject({ code: 0, stdout: 'in\n' });
  });

  test('F2: its pods have come to the webhook, which answers nobody who has no certificate of webhook.clientCA', async () => {
    const { systemNamespace } = demo();
    const webhooks = ['get', 'pods', '-n', systemNamespace, '-l', 'app.kubernetes.io/component=webhook'];
    const names = await kubectl(
      ...webhooks,
      '--field-selector=status.phase=Running',
      '-o',
      'jsonpath={.items[*].metadata.name}',
    );
    const { port, stop } = await portForward(systemNamespace, names.split(' ').at(-1) ?? '', 8443);
    const said = await new Promise<string>((resolve) => {
      const stranger = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
      stranger.on('error', () => undefined).once('close', () => resolve(''));
      stranger.once('data', (data: Buffer) => resolve(data.toString().split('\r\n', 1)[0] ?? ''));
      stranger.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    });
    await stop();
    expect(said).toBe(clientCA() === '' ? 'HTTP/1.1 404 Not Found' : '');
  });

  test('its sidecars serve metrics where that was asked for, of how many and not of whom', async () => {
    await eventually(async () => {
      const [pod] = await pods(inside, 'app');
      const name = pod?.metadata.name ?? '';
      const annotations = await kubectl('get', 'pod', name, '-n', inside, '-o', 'jsonpath={.metadata.annotations}');
      // A webhook of before the upgrade may have made it, on its way out.
      if (!annotations.includes('metricsPort')) await kubectl('delete', 'pod', name, '-n', inside, '--wait=false');
      expect(await ssh({ user: `${inside}-app`, key: alice }, 'true')).toMatchObject({ code: 0 });
      const path = `/api/v1/namespaces/${inside}/pods/${name}:${METRICS_PORT}/proxy`;
      const page = await kubectl('get', '--raw', `${path}/metrics`);
      expect(page).toMatch(/^sshaccess_sidecar_logins_total\{program="sidecar"\} [1-9]/m);
      for (const { name: metric, type } of promised) expect(page).toContain(`# TYPE ${metric} ${type}\n`);
      expect(page).toContain(`\nsshaccess_build_info{version="${manifest.version}",program="sidecar"} 1\n`);
      expect(page).not.toMatch(/\b(?:e2e|alice|app)\b|\d+\.\d+\.\d+\.\d+/);
      expect(await kubectl('get', '--raw', `${path}/readyz`)).toBe('ok\n');
    });
  });

  test('one that is not in it is as if we were not there', async () => {
    // What was applied later has been served by now.
    expect(await condition(outside, 'app', 'Ready')).toBe('');
    expect(await kubectl('get', 'sshacc', 'app', '-n', outside, '-o', 'jsonpath={.metadata.finalizers}')).toBe('');
    expect(await kubectl('get', 'secrets,services', '-n', outside, '-o', 'name')).not.toContain('app-sshaccess');
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'asks', labels: { 'sshaccess.dev/access': 'app' } },
    };
    const spec = { containers: [{ name: 'app', image: demo().appImage, command: ['sleep', '1'] }] };
    const made = await tryKubectl(
      ['create', '-n', outside, '--dry-run=server', '-o', 'json', '-f', '-'],
      JSON.stringify({ ...pod, spec }),
    );
    expect(made.stdout).toContain('"asks"');
    expect(made.stdout).not.toContain('sshaccess.dev/injected');
  });

  const mayOf = async (program: string, namespace: string, verb: string, what: string): Promise<boolean> => {
    const { systemNamespace } = demo();
    const who = `--as=system:serviceaccount:${systemNamespace}:sshaccess-${program}`;
    const place = namespace === '' ? ['--all-namespaces'] : ['-n', namespace];
    return (await tryKubectl(['auth', 'can-i', verb, what, who, ...place])).stdout.trim() === 'yes';
  };

  test.each([
    ['operator', 'list', 'secrets'],
    ['operator', 'get', 'secrets'],
    ['operator', 'patch', 'deployments.apps'],
    ['operator', 'list', 'sshaccesses.sshaccess.dev'],
    ['piper', 'list', 'endpointslices.discovery.k8s.io'],
    ['webhook', 'list', 'sshaccesses.sshaccess.dev'],
    ['webhook', 'list', 'limitranges'],
  ])('F6: the %s may %s %s there, and nowhere else', async (program, verb, what) => {
    expect(await mayOf(program, inside, verb, what)).toBe(true);
    for (const place of [outside, 'kube-system', '']) expect(await mayOf(program, place, verb, what)).toBe(false);
  });

  test('F6: the piper and the webhook read no Secret of a workload, here or there', async () => {
    for (const program of ['piper', 'webhook']) {
      for (const place of [inside, outside, '']) expect(await mayOf(program, place, 'get', 'secrets')).toBe(false);
    }
  });

  test('a second installation is refused where it would serve the same namespace, and let be where not', async () => {
    const { helm, kubeconfig } = demo();
    const second = (namespaces: readonly string[]) =>
      run([
        helm,
        'install',
        'second',
        'charts/sshaccess',
        '--kubeconfig',
        kubeconfig,
        '--namespace',
        outside,
        '--dry-run=server',
        '--skip-crds',
        '--set-json',
        `watchNamespaces=${JSON.stringify(namespaces)}`,
      ]);
    expect((await second([])).stderr).toMatch(/the installation \S+\/sshaccess is in this cluster: give both a list/);
    expect((await second([outside, inside])).stderr).toMatch(/the namespace e2e-watched is served by the installation/);
    expect(await second([outside])).toMatchObject({ code: 0 });
  });
});

test('one whose Role is gone keeps no program from starting, and can be deleted with what it has', async () => {
  await eventually(async () => expect(await condition(leaving, 'app', 'Ready')).toMatch(/^True/));
  const uid = await kubectl('get', 'sshacc', 'app', '-n', leaving, '-o', 'jsonpath={.metadata.uid}');
  const system = ['-n', demo().systemNamespace];
  const routes = () => kubectl('get', 'secrets', ...system, '-l', 'sshaccess.dev/route=true', '-o', 'name');
  expect(await routes()).toContain(uid);
  await kubectl('delete', 'rolebindings,roles', '-n', leaving, '-l', 'app.kubernetes.io/part-of=sshaccess');
  const programs = ['deployment/sshaccess-operator', 'deployment/sshaccess-webhook'];
  await kubectl('rollout', 'restart', ...system, ...programs);
  // They are ready, and serve the others.
  for (const program of programs) await kubectl('rollout', 'status', ...system, program, '--timeout=120s');
  const login = () => ssh({ user: `${inside}-app`, key: alice }, 'true');
  for (const [enabled, code] of [
    [false, 255],
    [true, 0],
  ] as const) {
    await apply(accessManifest(inside, 'app', users, { enabled }));
    await eventually(async () => expect(await login()).toMatchObject({ code }));
  }
  expect(await routes()).toContain(uid);

  await removeNamespace(leaving);
  await eventually(async () => expect(await routes()).not.toContain(uid));
});

describe('with the admission policy, an organization', () => {
  const written = (namespace: string, organization: string) =>
    tryKubectl(
      ['apply', '--dry-run=server', '-f', '-'],
      accessManifest(namespace, 'claims', users, { organization, target: { name: 'app' } }),
    );
  const label = (organization: string) =>
    kubectl('label', 'namespace', inside, '--overwrite', `sshaccess.dev/organization=${organization}`);

  test('C3: that its namespace does not have is refused, with a sentence', async () => {
    // The API server takes a while to compile a policy that is new.
    await eventually(async () => expect((await written(inside, 'acme')).code).toBe(1));
    expect((await written(inside, 'acme')).stderr).toMatch(
      /spec.organization: acme is not the organization of this namespace, which is e2e-watched; .* label the namespace/,
    );
    expect(await written(inside, inside)).toMatchObject({ code: 0 });
    expect(await written(outside, 'acme')).toMatchObject({ code: 0 });
  });

  test('that its label grants is taken; a label that can begin no username is said, and who is there goes on', async () => {
    await label('other');
    await eventually(async () => expect(await written(inside, 'other')).toMatchObject({ code: 0 }));
    await label('Other');
    await eventually(async () =>
      expect((await written(inside, 'other')).stderr).toMatch(
        /which is Other;|label sshaccess.dev.organization .* is Other/,
      ),
    );
    // What is there is patched by the operator, and goes whenever its owner wants.
    await kubectl('delete', 'sshacc', 'app', '-n', inside, '--timeout=60s');
  });
});
