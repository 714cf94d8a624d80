import { describe, expect, test } from 'vitest';
import { LABEL_ACCESS, LABEL_WEBHOOK_PROBE } from '../crds/index.ts';
import { parseEnvironment } from '../lib/process/config.ts';
import { Config } from '../webhook/config.ts';
import { chart, find, podTemplate, render, type Rendered } from './support/chart.ts';
import { demo } from './support/demo.ts';
import { tryKubectl } from './support/kubectl.ts';
import { succeed } from './support/process.ts';

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
  ['networkPolicy.enabled=true', 'networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring'],
  ['piper.nodeSelector.pool=ssh', 'piper.tolerations[0].operator=Exists', 'endpoint.host=ssh.example.com'],
];

describe('the chart', () => {
  const defaults = render();

  test('gives the webhook an environment that it understands', () => {
    const [container] = podSpec(render('image.registry=reg.example', 'image.tag=v1'), 'sshaccess-webhook').containers;
    const environment = Object.fromEntries(
      (container?.env ?? []).map(({ name, value }) => [name, value ?? 'from-field']),
    );
    const config = parseEnvironment(Config, environment);
    expect(config).toMatchObject({ SIDECAR_IMAGE: 'reg.example/sidecar:v1', SIDECAR_PULL_POLICY: 'IfNotPresent' });
    expect(config.SIDECAR_RESOURCES.limits).toEqual({ cpu: '2', memory: '1Gi' });
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

  // As another release: what the API server would say, and nothing is made.
  test.each(VARIANTS)('is taken by the API server with %s', async (...set) => {
    const namespace = demo().systemNamespace;
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

  test('refuses values that it does not know', () => {
    expect(() => render('piper.replica=3')).toThrow(/additional properties 'replica' not allowed/);
    expect(() => render('logLevel=loud')).toThrow(/logLevel/);
  });
});
