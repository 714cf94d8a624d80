import { describe, expect, test } from 'vitest';
import { LABEL_ACCESS, LABEL_WEBHOOK_PROBE } from '../crds/index.ts';
import { parseEnvironment } from '../lib/process/config.ts';
import { Config } from '../webhook/config.ts';
import { tools } from './cluster/tools.ts';
import { chart, find, podTemplate, render, type Rendered, template } from './support/chart.ts';
import { demo } from './support/demo.ts';
import { kubectl, tryKubectl } from './support/kubectl.ts';
import { run, succeed } from './support/process.ts';

const podSpec = (objects: readonly Rendered[], name: string) => podTemplate(objects, name).spec;

/** Each as `helm --set`. */
const VARIANTS: readonly (readonly [string, ...string[]])[] = [
  ['operator.replicas=1', 'webhook.replicas=1', 'piper.replicas=1', 'podDisruptionBudget.enabled=false'],
  ['piper.autoscaling.enabled=true', 'piper.autoscaling.maxReplicas=9', 'piper.priorityClassName=high'],
  ['piper.hostPort=2222', 'piper.service.type=ClusterIP'],
  ['piper.service.type=NodePort', 'piper.service.nodePort=32222', 'piper.service.externalTrafficPolicy=Cluster'],
  ['image.pullSecrets={a,b}', 'image.pullPolicy=Always', `image.digests.sidecar=sha256:${'1'.repeat(64)}`],
  ['webhook.failurePolicy=Fail', 'webhook.timeoutSeconds=1', 'webhook.defaultPodSecurityLevel=restricted'],
  ['webhook.tls.existingSecret=tls', 'webhook.tls.caBundle=pem', 'piper.hostKeys.existingSecret=keys'],
  ['piper.banExempt={10.0.0.0/8}', 'piper.proxyProtocolFrom={10.1.0.0/16,2001:db8::/32}'],
  ['admissionPolicy.enabled=true', 'watchNamespaces={default}'],
  ['networkPolicy.enabled=true', 'networkPolicy.apiServer.cidrs={192.0.2.1/32}', 'watchNamespaces={default}'],
  [
    'networkPolicy.enabled=true',
    'networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring',
    'networkPolicy.webhookFrom[0].ipBlock.cidr=192.0.2.1/32',
  ],
  ['tracing.endpoint=https://collector.example.com/otlp', 'tracing.samplingRatio=0.1'],
  ['piper.nodeSelector.pool=ssh', 'piper.tolerations[0].operator=Exists', 'endpoint.host=ssh.example.com'],
];

/** What is rendered, as files to read: `npx vitest run --project e2e e2e/chart.e2e.ts -t golden -u` writes them. */
const GOLDEN: readonly (readonly [string, ...string[]])[] = [
  ['defaults'],
  [
    'one-of-each-on-a-node',
    'operator.replicas=1',
    'webhook.replicas=1',
    'piper.hostPort=2222',
    'piper.service.type=ClusterIP',
  ],
  [
    'closed',
    'watchNamespaces={acme,globex}',
    'admissionPolicy.enabled=true',
    'networkPolicy.enabled=true',
    'tracing.endpoint=http://192.0.2.7:4318',
    'networkPolicy.extraEgress[0].ports[0].port=4318',
    'networkPolicy.extraEgress[0].to[0].ipBlock.cidr=192.0.2.7/32',
  ],
  [
    'own-keys',
    'webhook.tls.certManager.enabled=true',
    'piper.hostKeys.existingSecret=keys',
    'piper.service.type=NodePort',
  ],
  [
    'large',
    'piper.autoscaling.enabled=true',
    'webhook.failurePolicy=Fail',
    `image.digests.piper=sha256:${'1'.repeat(64)}`,
  ],
];

/** The first time on a machine it is built. */
const BUILD_MS = 600_000;
/** What kube-score asks for, and why we do not. */
const UNSCORED: Readonly<Record<string, string>> = {
  'container-image-pull-policy': 'a value; IfNotPresent, since a release is never another image under the same name',
  'container-ephemeral-storage-request-and-limit': 'no program of ours writes to its file system, which is read-only',
  'deployment-has-host-podantiaffinity': 'replicas spread over nodes by topologySpreadConstraints',
};
/** They run once, by helm, and so no policy selects them. */
const HOOKS = new Set(['sshaccess-test', 'sshaccess-release-all']);

/** Keys and certificates are made anew each time. */
const withoutKeys = (text: string): string =>
  text
    .replaceAll(/(tls\.crt|tls\.key|ca\.crt|caBundle|ed25519-host-key): \S+$/gm, '$1: <made>')
    .replaceAll(/(sshaccess\.dev\/expires): "\d+"/g, '$1: <made>')
    .replaceAll(/^\s*$\n/gm, '');

describe('the chart', () => {
  const defaults = render();

  test('gives the webhook an environment that it understands', () => {
    const [container] = podSpec(
      render('image.registry=reg.example', 'image.tag=v1', 'sidecar.metrics.port=22904'),
      'sshaccess-webhook',
    ).containers;
    const environment = Object.fromEntries(
      (container?.env ?? []).map(({ name, value }) => [name, value ?? 'from-field']),
    );
    const config = parseEnvironment(Config, environment);
    expect(config).toMatchObject({ SIDECAR_IMAGE: 'reg.example/sidecar:v1', SIDECAR_PULL_POLICY: 'IfNotPresent' });
    expect(config.SIDECAR_RESOURCES.limits).toEqual({ cpu: '2', memory: '1Gi' });
    expect(config.SIDECAR_METRICS_PORT).toBe(22_904);
    for (const port of [80, 2222, 70_000]) expect(() => render(`sidecar.metrics.port=${port}`)).toThrow(/metrics/);
  });

  test('sends only pods that opted in to the webhook, and none of kube-system or its own namespace', () => {
    const configuration = find(defaults, 'MutatingWebhookConfiguration', 'sshaccess-webhook');
    expect(configuration).toMatchObject({
      webhooks: [
        {
          objectSelector: { matchExpressions: [{ key: LABEL_ACCESS, operator: 'Exists' }] },
          namespaceSelector: { matchExpressions: [{ operator: 'NotIn', values: ['kube-system', 'system'] }] },
          rules: [{ resources: ['pods'], operations: ['CREATE'], scope: 'Namespaced' }],
          failurePolicy: 'Ignore',
          sideEffects: 'None',
          reinvocationPolicy: 'IfNeeded',
        },
        {
          objectSelector: { matchExpressions: [{ key: LABEL_WEBHOOK_PROBE, operator: 'Exists' }] },
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'system' } },
          rules: [{ resources: ['leases'], operations: ['CREATE'], scope: 'Namespaced' }],
          failurePolicy: 'Ignore',
          sideEffects: 'None',
        },
      ],
    });
  });

  test.each(['operator', 'webhook', 'piper'])('starts the %s with nothing that `restricted` forbids', (name) => {
    const spec = podSpec(defaults, `sshaccess-${name}`);
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const { securityContext } of spec.containers) {
      expect(securityContext).toMatchObject({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true });
      expect(securityContext?.capabilities).toEqual({ drop: ['ALL'] });
    }
  });

  test('lets the piper read no Secret outside its own namespace', () => {
    const clusterWide = defaults.filter(({ kind }) => kind === 'ClusterRole');
    expect(clusterWide.map(({ metadata }) => metadata.name).toSorted()).toEqual(
      ['operator', 'piper', 'webhook'].map((name) => `sshaccess-${name}`),
    );
    expect(JSON.stringify(find(clusterWide, 'ClusterRole', 'sshaccess-piper'))).not.toContain('secrets');
    expect(JSON.stringify(find(clusterWide, 'ClusterRole', 'sshaccess-webhook'))).not.toContain('secrets');
  });

  test('makes no Secret where the installation brings its own', () => {
    const own = ['webhook.tls.existingSecret=tls', 'webhook.tls.caBundle=pem', 'piper.hostKeys.existingSecret=keys'];
    expect(render(...own).filter(({ kind }) => kind === 'Secret')).toEqual([]);
    expect(render('webhook.tls.certManager.enabled=true', own[2] ?? '').map(({ kind }) => kind)).not.toContain(
      'Secret',
    );
  });

  test('pins images to their content', () => {
    const digest = `sha256:${'0a'.repeat(32)}`;
    const pinned = render(`image.digests.piper=${digest}`);
    expect(podSpec(pinned, 'sshaccess-piper').containers).toMatchObject([
      { image: expect.stringMatching(`/piper@${digest}$`) },
    ]);
    expect(podSpec(pinned, 'sshaccess-operator').containers).toMatchObject([
      { image: expect.stringMatching(/operator:/) },
    ]);
    expect(() => render('image.digests.piper=latest')).toThrow(/digests/);
  });

  test('has nothing that kube-score finds wrong, but for what is said above', { timeout: BUILD_MS }, async () => {
    const kubeScore = (await tools(['kube-score']))('kube-score');
    const ignored = Object.keys(UNSCORED).flatMap((name) => ['--ignore-test', name]);
    // Whoever reaches the CPU's limit is slowed down, with all its users; what is requested is had.
    const flags = [
      '--output-format',
      'ci',
      '--ignore-container-cpu-limit',
      '--kubernetes-version',
      'v1.29',
      ...ignored,
    ];
    const input = template('networkPolicy.enabled=true');
    const { stdout } = await run([kubeScore, 'score', ...flags, '-'], { input });
    const lines = stdout.split('\n').filter((line) => /^\[(CRITICAL|WARNING)\]/.test(line));
    const ofHooks = (line: string): boolean =>
      line.includes('does not have a matching NetworkPolicy') && HOOKS.has(/\] (\S+?)\//.exec(line)?.[1] ?? '');
    expect(stdout).toContain('[OK] sshaccess-piper');
    expect(lines.filter((line) => !ofHooks(line))).toEqual([]);
  });

  test.each(GOLDEN)('renders the golden file %s', async (name, ...set) => {
    await expect(withoutKeys(template(...set))).toMatchFileSnapshot(`testdata/chart/${name}.golden.yaml`);
  });

  // As another release: what the API server would say, and nothing is made.
  test.each(VARIANTS)('is taken by the API server with %s', async (...set) => {
    // No Pod Security level but `privileged` lets a pod have a port of its node.
    const namespace = set.some((value) => value.startsWith('piper.hostPort')) ? 'default' : demo().systemNamespace;
    const values = set.flatMap((value) => ['--set', value]);
    const manifest = await succeed([demo().helm, 'template', 'variant', chart, '--namespace', namespace, ...values]);
    const { code, stderr } = await tryKubectl(['apply', '--dry-run=server', '-f', '-'], manifest);
    expect([code, stderr]).toEqual([0, '']);
  });

  test('helm test finds the gateway', async () => {
    const { helm, kubeconfig, systemNamespace } = demo();
    const where = ['--kubeconfig', kubeconfig, '--namespace', systemNamespace];
    const said = await succeed([helm, 'test', 'sshaccess', ...where, '--logs', '--timeout', '2m'], {
      timeoutMs: 150_000,
    });
    expect(said).toContain('SSH-2.0-');
  });

  test('gives pods the labels, annotations and places that are asked for, and keeps those that select them', () => {
    const { labels, annotations } = podTemplate(
      render(
        'piper.podLabels.team=ssh',
        'piper.podLabels.app\\.kubernetes\\.io/component=other',
        'piper.podAnnotations.a=b',
      ),
      'sshaccess-piper',
    ).metadata;
    expect(labels).toMatchObject({ team: 'ssh', 'app.kubernetes.io/component': 'piper' });
    expect(annotations).toEqual({ a: 'b' });
    const account = find(
      render('webhook.serviceAccount.annotations.role=cloud'),
      'ServiceAccount',
      'sshaccess-webhook',
    );
    expect(account.metadata).toMatchObject({ annotations: { role: 'cloud' } });
    const spread = render('piper.topologySpreadConstraints[0].topologyKey=zone');
    expect(podSpec(spread, 'sshaccess-piper')).toMatchObject({ topologySpreadConstraints: [{ topologyKey: 'zone' }] });
    expect(podSpec(spread, 'sshaccess-webhook')).toMatchObject({
      topologySpreadConstraints: [{ topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' }],
    });
  });

  test('refuses a cluster without native sidecars, and says which it needs', async () => {
    const said = await run([demo().helm, 'template', 'sshaccess', chart, '--kube-version', '1.28.9']);
    expect(said.stderr).toContain('requires kubeVersion: >=1.29.0-0 which is incompatible with Kubernetes v1.28.9');
  });

  test('runs where the Pod Security level is restricted', async () => {
    const { systemNamespace } = demo();
    const level = "jsonpath={.metadata.labels['pod-security\\.kubernetes\\.io/enforce']}";
    expect(await kubectl('get', 'namespace', systemNamespace, '-o', level)).toBe('restricted');
    // With another version of the level the API server looks at all pods that are there, and warns of those that violate it.
    const another = 'pod-security.kubernetes.io/enforce-version=v1.29';
    const { code, stderr } = await tryKubectl(['label', 'namespace', systemNamespace, '--dry-run=server', another]);
    expect([code, stderr]).toEqual([0, '']);
  });

  test.each([
    ['endpoint.host=ssh.example.com', 'ssh -p 2222 <namespace>-<deployment>@ssh.example.com'],
    ['piper.service.type=LoadBalancer', "-o jsonpath='{.status.loadBalancer.ingress[0]}'"],
    ['piper.service.type=NodePort', "-o jsonpath='{.spec.ports[0].nodePort}'"],
    ['piper.service.type=ClusterIP', 'port-forward service/notes-piper 2222:2222'],
    ['piper.hostPort=2022', '--set endpoint.host=<node>,endpoint.port=2022'],
  ])('says after an installation with %s which command comes next', async (set, command) => {
    const { helm, kubeconfig, systemNamespace } = demo();
    const where = ['--kubeconfig', kubeconfig, '--namespace', systemNamespace, '--skip-crds', '--dry-run=client'];
    const said = await succeed([helm, 'install', 'notes', chart, ...where, '--set', set]);
    const notes = said.slice(said.indexOf('NOTES:'));
    expect(notes).toContain(command);
    expect(notes).toContain(`helm test notes -n ${systemNamespace}`);
  });

  test('refuses values that it does not know', () => {
    expect(() => render('piper.replica=3')).toThrow(/additional properties 'replica' not allowed/);
    expect(() => render('logLevel=loud')).toThrow(/logLevel/);
  });
});
