/** What the programs that run here say of themselves: metrics and logs, and how the chart has Prometheus find them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import manifest from '../package.json' with { type: 'json' };
import { LABEL_ACCESS, SIDECAR_CONTAINER } from '../crds/index.ts';
import { LOG_FIELDS } from '../lib/process/log-vocabulary.ts';
import { describedMetrics } from '../scripts/metric-registries.ts';
import { chart, find, render } from './support/chart.ts';
import { demo } from './support/demo.ts';
import { get, kubectl, pods, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, rootLogin, ssh } from './support/openssh.ts';

afterAll(disposeScratch);

const Scraped = z.object({
  metadata: z.object({ name: z.string(), deletionTimestamp: z.string().optional() }),
  status: z.object({ containerStatuses: z.array(z.object({ ready: z.boolean() })).default([]) }),
});

/** `/metrics` of each ready replica, by way of the API server. */
async function scrape(program: string): Promise<string[]> {
  const { systemNamespace } = demo();
  const selector = ['-n', systemNamespace, '-l', `app.kubernetes.io/component=${program}`];
  const { items } = await get(z.object({ items: z.array(Scraped) }), 'pods', ...selector);
  const ready = items.filter(
    ({ metadata, status }) =>
      metadata.deletionTimestamp === undefined && status.containerStatuses.some((one) => one.ready),
  );
  const pathOf = (pod: string) => `/api/v1/namespaces/${systemNamespace}/pods/${pod}:8080/proxy/metrics`;
  return await Promise.all(ready.map(({ metadata }) => kubectl('get', '--raw', pathOf(metadata.name))));
}

/** The sum over all replicas of the series that begin so. */
async function sum(program: string, series: string): Promise<number> {
  const lines = (await scrape(program)).flatMap((text) => text.split('\n'));
  const values = lines.filter((line) => line.startsWith(series)).map((line) => Number(line.split(' ').at(-1)));
  return values.reduce((total, value) => total + value, 0);
}

/** The sidecars of the demo serve none, as by default; those that do: e2e/watch-namespaces.e2e.ts. */
const promised = Object.entries(await describedMetrics()).filter(([program]) => program !== 'sidecar');

/** What is done may have met a replica that is on its way out, and new ones begin at 0: then it is done again. */
async function grows(count: () => Promise<number>, act: () => Promise<void>): Promise<void> {
  const growth = async (): Promise<number> => {
    const before = await count();
    await act();
    return (await count()) - before;
  };
  await expect.poll(growth, { timeout: 60_000 }).toBeGreaterThan(0);
}

/** A pod that is reviewed, and not made. */
const asked = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { generateName: 'asked-', namespace: 'acme', labels: { [LABEL_ACCESS]: 'hello' } },
  spec: { containers: [{ name: 'app', image: 'none' }] },
});

describe('the programs that run', () => {
  test.each(promised)('every metric of the %s is served by each replica', async (program, metrics) => {
    const texts = await scrape(program);
    expect(texts.length).toBeGreaterThan(0);
    for (const text of texts) {
      for (const { name, type } of metrics) expect(text).toContain(`\n# TYPE ${name} ${type}\n`);
      expect(text).toContain(`\nsshaccess_build_info{version="${manifest.version}",program="${program}"} 1\n`);
      expect(text).toContain(`\nsshaccess_ready{program="${program}"} 1\n`);
      // Who is there, and where: that is in the logs.
      expect(text).not.toMatch(/acme|hello|10\.\d+\.\d+\.\d+/);
    }
  });

  test('a login is counted by a piper', async () => {
    const logins = () => sum('piper', 'sshaccess_piper_login_duration_seconds_count{');
    await grows(logins, async () => expect((await ssh(rootLogin(), 'true')).code).toBe(0));
    expect(await sum('piper', 'sshaccess_piper_connection_bytes_total{direction="in"')).toBeGreaterThan(1_000);
    expect(await sum('piper', 'sshaccess_piper_routes{')).toBeGreaterThan(0);
    const heard = /^sshaccess_piper_last_contact_timestamp_seconds\{.*\} (\S+)$/m.exec(
      (await scrape('piper'))[0] ?? '',
    );
    expect(Number(heard?.[1])).toBeGreaterThan(Date.now() / 1_000 - 600);
  });

  test('a review of a pod is counted by a webhook, whose certificate has time left', async () => {
    const injected = () => sum('webhook', 'sshaccess_webhook_reviews_total{outcome="injected"');
    await grows(injected, async () => {
      expect((await tryKubectl(['create', '--dry-run=server', '-f', '-'], asked)).stderr).toBe('');
    });
    const end = /^sshaccess_webhook_certificate_expiry_timestamp_seconds\{.*\} (\S+)$/m;
    for (const text of await scrape('webhook')) expect(Number(end.exec(text)?.[1])).toBeGreaterThan(Date.now() / 1_000);
  });

  test('one operator leads, and each knows which SshAccesses are ready', async () => {
    await expect.poll(() => sum('operator', 'sshaccess_operator_leader{'), { timeout: 60_000 }).toBe(1);
    const ready = /^sshaccess_operator_ssh_accesses\{condition="Ready",status="True",reason="SshReady",.*\} [1-9]/m;
    for (const text of await scrape('operator')) expect(text).toMatch(ready);
    expect(await sum('operator', 'sshaccess_kube_requests_total{verb="watch",code="200"')).toBeGreaterThan(0);
  });
});

describe('logs', () => {
  const Line = z.record(z.string(), z.unknown());
  const linesOf = (log: string) =>
    log
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => Line.parse(JSON.parse(line)));
  const logOf = (program: string) =>
    kubectl(
      'logs',
      '-n',
      demo().systemNamespace,
      '-l',
      `app.kubernetes.io/component=${program}`,
      '--tail=5000',
      '--max-log-requests=20',
    );
  const logOfSidecar = (pod: string) => kubectl('logs', '-n', 'acme', pod, '-c', SIDECAR_CONTAINER, '--tail=5000');

  test('a connection has the same id in the log of the piper, that of the sidecar, and SSH_AUDIT', async () => {
    const marker = `true metrics-${Date.now()}`;
    const { code, stdout } = await ssh(rootLogin(), `${marker}; cat /etc/hostname`);
    expect(code).toBe(0);
    const pod = stdout.trim();
    const audit = (await logOfSidecar(pod)).split('\n').find((line) => line.includes(marker.split(' ')[1] ?? ''));
    const id = /session=(\w+)/.exec(audit ?? '')?.[1];
    const about = (log: string) => linesOf(log).filter(({ connection }) => connection === id);
    expect(about(await logOfSidecar(pod))).toContainEqual(expect.objectContaining({ username: demo().rootUser }));
    await expect
      .poll(async () => about(await logOf('piper')).map(({ event }) => event), { timeout: 20_000 })
      .toEqual(['start', 'end']);
  });

  test('every line of every program has only fields of docs/logs.md', async () => {
    const names = new Set(Object.keys(LOG_FIELDS));
    const [pod] = await pods('acme', 'hello');
    const logs = await Promise.all([
      ...['operator', 'webhook', 'piper'].map(logOf),
      logOfSidecar(pod?.metadata.name ?? ''),
    ]);
    for (const log of logs) {
      const lines = linesOf(log);
      expect(lines.length).toBeGreaterThan(0);
      expect(lines.flatMap((line) => Object.keys(line).filter((name) => !names.has(name)))).toEqual([]);
      for (const line of lines)
        expect(line).toMatchObject({ level: expect.stringMatching(/^(trace|debug|info|warn|error|fatal)$/) });
    }
  });
});

describe('images', () => {
  const Bill = z.object({
    bomFormat: z.literal('CycloneDX'),
    metadata: z.object({ component: z.object({ name: z.string() }) }),
    components: z.array(z.object({ name: z.string() })),
  });

  test.each(['operator', 'webhook', 'piper'])(
    'the %s runs as nobody, and its image says what is in it',
    async (program) => {
      const file = `/opt/sshaccess/${program}/sbom.cdx.json`;
      const where = ['-n', demo().systemNamespace, `deployment/sshaccess-${program}`];
      const [uid = '', ...bill] = (await kubectl('exec', ...where, '--', 'sh', '-c', `id -u; cat ${file}`)).split('\n');
      expect(uid).toBe('65532');
      const { metadata, components } = Bill.parse(JSON.parse(bill.join('\n')));
      expect(metadata.component.name).toBe(`sshaccess-${program}`);
      expect(components.map(({ name }) => name)).toEqual(expect.arrayContaining(['pino', 'prom-client', 'zod']));
    },
  );
});

test('the chart has Prometheus and Grafana find it, where somebody wants that', () => {
  const kinds = ['PodMonitor', 'PrometheusRule', 'ConfigMap'];
  expect(render().filter(({ kind }) => kinds.includes(kind))).toEqual([]);
  const wanted = ['podMonitor', 'prometheusRule', 'dashboard'].map((name) => `metrics.${name}.enabled=true`);
  const rendered = render(...wanted, 'metrics.podMonitor.labels.release=prom');
  expect(find(rendered, 'PodMonitor', 'sshaccess-metrics')).toMatchObject({
    metadata: { labels: { release: 'prom' } },
    spec: {
      selector: { matchLabels: { 'app.kubernetes.io/instance': 'sshaccess' } },
      namespaceSelector: { matchNames: ['system'] },
      podMetricsEndpoints: [{ port: 'health', path: '/metrics' }],
    },
  });
  const ofSidecars = (...set: readonly string[]) =>
    render('sidecar.metrics.podMonitor.enabled=true', 'metrics.podMonitor.labels.release=prom', ...set).filter(
      ({ kind }) => kind === 'PodMonitor',
    );
  expect(ofSidecars()).toEqual([]);
  expect(ofSidecars('sidecar.metrics.port=22904')).toMatchObject([
    {
      metadata: { name: 'sshaccess-sidecar-metrics', labels: { release: 'prom' } },
      spec: {
        selector: { matchExpressions: [{ key: LABEL_ACCESS, operator: 'Exists' }] },
        namespaceSelector: { any: true },
        sampleLimit: 200,
        podMetricsEndpoints: [{ port: 'ssh-metrics', path: '/metrics', interval: '30s', honorLabels: false }],
      },
    },
  ]);
  expect(ofSidecars('sidecar.metrics.port=22904', 'watchNamespaces={acme}')).toMatchObject([
    { spec: { namespaceSelector: { matchNames: ['acme'] } } },
  ]);
  const file = (path: string) => readFileSync(join(chart, path), 'utf8');
  expect(find(rendered, 'PrometheusRule', 'sshaccess-metrics')['spec']).toEqual(parse(file('rules/alerts.yaml')));
  const { data } = z
    .looseObject({ data: z.record(z.string(), z.string()) })
    .parse(find(rendered, 'ConfigMap', 'sshaccess-metrics'));
  expect(JSON.parse(data['sshaccess.json'] ?? '')).toEqual(JSON.parse(file('dashboards/sshaccess.json')));
});
