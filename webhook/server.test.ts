import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { createLogger } from '../lib/process/logger.ts';
import { WebhookMetrics } from './metrics.ts';
import { mutatePod } from './mutate-pod.ts';
import type { Cluster } from './injection-plan.ts';
import { admissionServer, type AdmissionServerOptions } from './server.ts';
import { followCertificate, readCertificate } from './serving-certificate.ts';
import { generator, type Random } from './testing/generator.ts';

const folder = mkdtempSync(join(tmpdir(), 'sshaccess-webhook-'));
const stop = new AbortController();
const log = createLogger('webhook', { level: 'silent' });

function makeCertificate(commonName: string): void {
  const files = ['-keyout', join(folder, 'tls.key'), '-out', join(folder, 'tls.crt')];
  const options = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  execFileSync('openssl', ['req', '-x509', ...options, '-subj', `/CN=${commonName}`, ...files], { stdio: 'ignore' });
}

const cluster: Cluster = {
  access: (namespace, name) => ({
    metadata: { namespace, name, uid: 'u' },
    spec: {
      target: { apiVersion: 'apps/v1', kind: 'Deployment', name },
      runtime: 'sidecar',
      users: [{}],
      audit: { logging: true },
    },
  }),
  namespaceLabels: () => ({}),
  limitRanges: () => [],
  systemNamespace: 'sshaccess-system',
  defaultLevel: 'privileged',
};
const settings = {
  image: 'sidecar',
  pullPolicy: 'IfNotPresent',
  resources: { usual: {}, guaranteed: { cpu: '1', memory: '1Gi' } },
  metricsPort: 0,
};

const metrics = new WebhookMetrics();

let port = 0;
let isStopping = false;
let failing = false;
let server: ReturnType<typeof admissionServer>;
beforeAll(async () => {
  makeCertificate('first');
  const current = await readCertificate(folder);
  const answer: AdmissionServerOptions['answer'] = async (request) => {
    if (failing) throw new Error('no answer');
    return mutatePod(request, cluster, settings);
  };
  server = admissionServer(current, { answer, isStopping: () => isStopping, clientCA: '', metrics, log });
  await server.listen({ port: 0, host: '127.0.0.1' });
  port = z.object({ port: z.int() }).parse(server.server.address()).port;
  const use = (next: typeof current): void => server.server.setSecureContext({ ...next, minVersion: 'TLSv1.2' });
  metrics.watchCertificate(() => current);
  followCertificate({ folder, periodMs: 20, current }, use, () => undefined, stop.signal);
});
afterAll(async () => {
  stop.abort();
  await server.close();
  rmSync(folder, { recursive: true });
});

type Answer = { status: number; body: string; connection?: string | undefined };

function post(
  body: string | Buffer,
  headers: Record<string, string> = { 'content-type': 'application/json' },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      port,
      host: '127.0.0.1',
      path: '/mutate-pods',
      method: 'POST',
      rejectUnauthorized: false,
      headers,
    };
    const request = https.request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      const { connection } = response.headers;
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, connection }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

const review = (request: Record<string, unknown> = {}) => ({
  apiVersion: 'admission.k8s.io/v1',
  kind: 'AdmissionReview',
  request: {
    uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
    kind: { group: '', version: 'v1', kind: 'Pod' },
    namespace: 'acme',
    operation: 'CREATE',
    object: {
      metadata: { generateName: 'my-llm-', labels: { 'sshaccess.dev/access': 'my-llm' } },
      spec: { containers: [{ name: 'app' }] },
    },
    ...request,
  },
});
const Response = z.object({
  response: z.object({
    uid: z.string(),
    allowed: z.boolean(),
    patch: z.string().optional(),
    warnings: z.array(z.string()).optional(),
    auditAnnotations: z.record(z.string(), z.string()),
  }),
});
const send = async (body: unknown) => Response.parse(JSON.parse((await post(JSON.stringify(body))).body)).response;

test('a pod with our label comes back with a patch under the uid of the request', async () => {
  const response = await send(review());
  expect(response).toMatchObject({
    uid: review().request.uid,
    allowed: true,
    auditAnnotations: { decision: 'injected' },
  });
  expect(JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString())).toContainEqual(
    expect.objectContaining({ op: 'add', path: '/spec/initContainers' }),
  );
});

test('dry-run is answered the same, since nothing is ever written', async () => {
  expect(await send(review({ dryRun: true }))).toEqual(await send(review()));
});

test('the Lease by which the operator asks whether we are reached comes back with our word on it', async () => {
  const kind = { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease' };
  const response = await send(review({ kind, object: { metadata: { name: 'probe' } }, dryRun: true }));
  expect(response).toMatchObject({ allowed: true, auditAnnotations: { decision: 'answered' } });
  expect(JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString())).toEqual([
    { op: 'add', path: '/metadata/annotations', value: { 'sshaccess.dev/webhook-answers': 'true' } },
  ]);
  const updated = await send(review({ kind, operation: 'UPDATE', object: { metadata: { name: 'probe' } } }));
  expect(updated.patch).toBeUndefined();
});

test('what is not the creation of a pod passes unchanged', async () => {
  for (const request of [
    { operation: 'UPDATE' },
    { subResource: 'exec' },
    { kind: { group: '', version: 'v1', kind: 'Node' } },
  ]) {
    const response = await send(review(request));
    expect(response).toMatchObject({ allowed: true, auditAnnotations: { decision: 'not-a-pod-create' } });
    expect(response.patch).toBeUndefined();
  }
});

test('a pod that is skipped passes with a word about it, and whoever made it is told why', async () => {
  const spec = { hostNetwork: true, containers: [{ name: 'app' }] };
  const response = await send(review({ object: { metadata: review().request.object.metadata, spec } }));
  expect(JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString())).toEqual([
    expect.objectContaining({ op: 'add', path: '/metadata/annotations' }),
  ]);
  expect(response.warnings).toEqual([expect.stringContaining('the network of its node')]);
});

test('who stops still answers, and keeps no connection for the next review', async () => {
  const body = JSON.stringify(review());
  // Node's own agent of one request asks for the end of it, unlike the API server.
  const headers = { 'content-type': 'application/json', connection: 'keep-alive' };
  expect((await post(body, headers)).connection).toBe('keep-alive');
  isStopping = true;
  expect(await post(body, headers)).toMatchObject({ status: 200, connection: 'close' });
  isStopping = false;
});

/** What is counted under this name, by its first label. */
async function counts(name: string): Promise<Record<string, number>> {
  const found = (await metrics.registry.getSingleMetric(name)?.get())?.values ?? [];
  return Object.fromEntries(found.map(({ labels, value }) => [String(Object.values(labels)[0]), value]));
}

test('reviews are counted by outcome, and pods that are left alone by the reason', async () => {
  const reviews = () => counts('sshaccess_webhook_reviews_total');
  const before = await reviews();
  await send(review());
  await send(review({ operation: 'UPDATE' }));
  await post('{}');
  failing = true;
  expect((await post(JSON.stringify(review()))).status).toBe(500);
  failing = false;
  const after = await reviews();
  const grown = Object.entries(after).map(([outcome, count]) => [outcome, count - (before[outcome] ?? 0)]);
  expect(Object.fromEntries(grown)).toMatchObject({ injected: 1, unchanged: 0, skipped: 1, malformed: 1, failed: 1 });
  expect(await counts('sshaccess_webhook_pods_skipped_total')).toMatchObject({ 'name-taken': 0 });
  expect((await counts('sshaccess_webhook_pods_skipped_total'))['not-a-pod-create']).toBeGreaterThan(0);
});

describe('malformed reviews are a 4xx with a sentence, and the server lives on', () => {
  test.each([
    ['no body', '', 'cannot be empty'],
    ['half a body', '{', 'JSON'],
    ['null', 'null', 'AdmissionReview'],
    ['nothing in it', '{}', 'apiVersion'],
    ['another version', JSON.stringify({ ...review(), apiVersion: 'admission.k8s.io/v1beta1' }), 'apiVersion'],
    ['no uid', JSON.stringify(review({ uid: '' })), 'request.uid'],
    ['no object', JSON.stringify(review({ object: null })), 'Pod'],
    [
      'no containers',
      JSON.stringify(review({ object: { metadata: {}, spec: { containers: [] } } })),
      'spec.containers',
    ],
    ['a forged prototype', '{"__proto__":{"polluted":true}}', 'JSON'],
  ])('%s', async (_case, body, sentence) => {
    const answer = await post(body);
    expect(answer).toMatchObject({ status: 400, body: expect.stringContaining(sentence) });
    expect((await send(review())).allowed).toBe(true);
  });

  test('another content type, and a body over 7 MiB', async () => {
    expect((await post('x', { 'content-type': 'text/html' })).status).toBe(415);
    const big = await post(Buffer.alloc(7 * 1024 * 1024 + 1, 32)).catch(() => ({ status: 413 }));
    expect(big.status).toBe(413);
    expect((await send(review())).allowed).toBe(true);
  });

  test('500 reviews with one value replaced at random are answered by 200 or 400', async () => {
    const random = generator(20_260_101);
    const statuses = new Set<number>();
    for (let round = 0; round < 500; round += 1) {
      statuses.add((await post(JSON.stringify(damage(review(), random)))).status);
    }
    expect(statuses).toEqual(new Set([200, 400]));
  });
});

const HOSTILE = [
  null,
  0,
  -1,
  1e308,
  '',
  'x',
  '\u0000',
  'é'.repeat(300),
  true,
  [],
  {},
  [null],
  { name: null },
  [[[[]]]],
];

/** A deep copy in which one value, anywhere, is another. */
function damage(value: unknown, random: Random): unknown {
  if (random(6) === 0 || typeof value !== 'object' || value === null) return HOSTILE[random(HOSTILE.length)];
  const entries = Object.entries(value);
  const victim = random(Math.max(1, entries.length));
  const copy = entries.map(([key, child], index) => [key, index === victim ? damage(child, random) : child] as const);
  return Array.isArray(value) ? copy.map(([, child]) => child) : Object.fromEntries(copy);
}

const servedName = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      const certificate: DetailedPeerCertificate = socket.getPeerCertificate(true);
      socket.destroy();
      resolve(String(certificate.subject.CN));
    });
    socket.on('error', reject);
  });

test('a new certificate is served without a restart, and a broken one never', async () => {
  expect(await servedName()).toBe('first');
  execFileSync('sh', ['-c', `echo broken > ${join(folder, 'tls.key')}`]);
  await delay(100);
  expect(await servedName()).toBe('first');
  makeCertificate('second');
  await expect.poll(servedName, { timeout: 5_000 }).toBe('second');
});

test('when the certificate ends is a metric', async () => {
  const value = (await counts('sshaccess_webhook_certificate_expiry_timestamp_seconds'))['undefined'];
  const day = 86_400;
  expect(value).toBeGreaterThan(Date.now() / 1_000);
  expect(value).toBeLessThan(Date.now() / 1_000 + day + 60);
});

test('TLS 1.1 is refused', async () => {
  const old = new Promise((resolve) => {
    const socket = connect({
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.1',
      minVersion: 'TLSv1',
      // Else our own client would be the one that refuses.
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    socket.on('secureConnect', () => resolve('accepted'));
    socket.on('error', () => resolve('refused'));
  });
  expect(await old).toBe('refused');
});
