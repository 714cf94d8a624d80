import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startTracing, type TracingOptions } from './otlp.ts';
import { OpenSpan, type Span } from './span.ts';
import { type Collector, startCollector, take } from './testing/collector.ts';

vi.setConfig({ testTimeout: 60_000 });
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000, interval: 20 });

function login(): Span {
  let now = performance.now();
  const root = new OpenSpan('ssh login', () => now++, { kind: 'server' });
  root.set({ 'sshaccess.connection.id': 'c-1', 'server.port': 2222 });
  root.step('accept');
  root.step('upstream connect', { kind: 'client' }).step('tcp connect');
  root.end('unreachable');
  return root.close();
}
const SPANS_OF_ONE = 4;

async function collectorOf(...answer: Parameters<typeof startCollector>): Promise<Collector> {
  const collector = await startCollector(...answer);
  onTestFinished(() => collector.stop());
  return collector;
}

function tracingTo(url: string, options: Partial<TracingOptions> = {}) {
  const counts = { exported: 0, dropped: 0, failed: 0, rejected: 0 };
  const problems: (string | undefined)[] = [];
  const tracing = startTracing({
    url: `${url}/v1/traces`,
    ratio: 1,
    resource: { 'service.name': 'tester' },
    count: (result, spans) => (counts[result] += spans),
    onChange: (problem) => problems.push(problem),
    batchDelayMs: 10,
    timeoutMs: 30_000,
    ...options,
  });
  onTestFinished(() => tracing.stop(0));
  return { ...tracing, counts, problems };
}

test('a trace is one of OTLP: ids, times in nanoseconds, parents, kinds, and why it failed', async () => {
  const collector = await collectorOf();
  const before = BigInt(Date.now() - 1) * 1_000_000n;
  const { record, counts } = tracingTo(collector.url);
  const span = login();
  record(span);
  await soon(() => counts).toEqual({ exported: SPANS_OF_ONE, dropped: 0, failed: 0, rejected: 0 });
  const [root, accept, upstream, connect] = ['ssh login', 'accept', 'upstream connect', 'tcp connect'].map((name) =>
    collector.spans.find((collected) => collected.name === name),
  );
  expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(1);
  expect(root).toMatchObject({
    kind: 2,
    status: { code: 2 },
    attributes: { 'sshaccess.connection.id': 'c-1', 'server.port': 2222, 'error.type': 'unreachable' },
  });
  expect(root?.parentSpanId).toBeUndefined();
  expect(accept).toMatchObject({ kind: 1, parentSpanId: root?.spanId, status: { code: 0 }, attributes: {} });
  expect(upstream).toMatchObject({ kind: 3, parentSpanId: root?.spanId, status: { code: 2 } });
  expect(connect).toMatchObject({ parentSpanId: upstream?.spanId, attributes: { 'error.type': 'unreachable' } });
  const [from = 0n, to = 0n] = [root?.startTimeUnixNano, root?.endTimeUnixNano];
  expect(from).toBeGreaterThan(before);
  expect(Number(to - from) / 1e6).toBeCloseTo(span.to - span.from, 2);
  expect(collector.resources[0]).toMatchObject({ 'service.name': 'tester' });
  expect(collector.problems).toEqual([]);
});

test('of a ratio of 0 nothing is sent, and whole traces are of one between', async () => {
  const collector = await collectorOf();
  const none = tracingTo(collector.url, { ratio: 0 });
  const some = tracingTo(collector.url, { ratio: 0.5 });
  for (let time = 0; time < 200; time++) {
    none.record(login());
    some.record(login());
  }
  await Promise.all([none.stop(30_000), some.stop(30_000)]);
  expect(none.counts).toEqual({ exported: 0, dropped: 0, failed: 0, rejected: 0 });
  // By chance alone it is beyond these once in 10^18.
  const traces = Map.groupBy(collector.spans, ({ traceId }) => traceId);
  expect(traces.size).toBeGreaterThan(40);
  expect(traces.size).toBeLessThan(160);
  expect(new Set([...traces.values()].map(({ length }) => length))).toEqual(new Set([SPANS_OF_ONE]));
});

test('values are bounded, whoever has chosen them', async () => {
  const collector = await collectorOf();
  const { record } = tracingTo(collector.url);
  record({ ...login(), attributes: { 'sshaccess.pod.name': 'x'.repeat(100_000) }, steps: [] });
  await soon(() => collector.spans[0]?.attributes).toMatchObject({ 'sshaccess.pod.name': 'x'.repeat(256) });
});

test.each([
  ['hangs', () => undefined],
  ['answers 500', (response) => void response.writeHead(500).end('x'.repeat(100_000))],
  ['answers 503 for ever', (response) => void response.writeHead(503, { 'retry-after': '3600' }).end()],
  [
    'would rather speak something else',
    (response) => void response.writeHead(101, { connection: 'upgrade', upgrade: 'x' }).end(),
  ],
  ['cuts the connection', (response) => void response.destroy()],
  ['drips', (response) => drip(response)],
] satisfies readonly [string, Parameters<typeof startCollector>[0]][])(
  'a collector that %s costs its spans and nothing else, and they are counted; when it is well again, it gets those that come',
  async (_, answer) => {
    const collector = await collectorOf(answer);
    const { record, counts, problems } = tracingTo(collector.url, { timeoutMs: 500 });
    record(login());
    await soon(() => counts).toEqual({ exported: 0, dropped: 0, failed: SPANS_OF_ONE, rejected: 0 });
    expect(problems).toEqual([expect.stringMatching(/^.{1,200}$/)]);
    collector.behaviour.answer = take;
    // One of them: this machine may be slow, too.
    const another = (): number => {
      record(login());
      return counts.exported;
    };
    await soon(another).toBeGreaterThan(0);
    expect(problems.slice(0, 2)).toEqual([expect.any(String), undefined]);
  },
);

test.each([
  ['a body', (response) => forever(response, () => response.write('x'.repeat(65_536)))],
  ['interim answers', (response) => forever(response, () => response.writeProcessing())],
] satisfies readonly [string, Parameters<typeof startCollector>[0]][])(
  'E4: a collector that sends %s without end is hung up on, and not only when its time is over',
  async (_, answer) => {
    const collector = await collectorOf(answer);
    const { record, counts, problems } = tracingTo(collector.url, { timeoutMs: 3_600_000 });
    record(login());
    await soon(() => counts.failed).toBe(SPANS_OF_ONE);
    expect(problems).toEqual(['its answer is too long']);
  },
);

test.each([
  ['some of them', { rejectedSpans: '3', errorMessage: 'too old' }, 3, 'it rejected 3 of 4 spans: too old'],
  ['all, as a number', { rejectedSpans: 4 }, 4, 'it rejected 4 of 4 spans: it does not say why'],
  [
    'more than there were',
    { rejectedSpans: '9'.repeat(19), errorMessage: null },
    4,
    'it rejected 4 of 4 spans: it does not say why',
  ],
  [
    'with many words',
    { rejectedSpans: '1', errorMessage: 'x'.repeat(60_000) },
    1,
    'it rejected 1 of 4 spans: '.padEnd(200, 'x'),
  ],
])(
  'spans that a collector rejects with a 200 are counted as that: %s',
  async (_, partialSuccess, rejected, problem) => {
    const collector = await collectorOf((response) => void response.end(JSON.stringify({ partialSuccess })));
    const { record, counts, problems } = tracingTo(collector.url);
    record(login());
    await soon(() => counts).toEqual({ exported: SPANS_OF_ONE - rejected, dropped: 0, failed: 0, rejected });
    expect(problems).toEqual([problem]);
    collector.behaviour.answer = take;
    record(login());
    await soon(() => counts.exported).toBe(2 * SPANS_OF_ONE - rejected);
    expect(problems).toEqual([problem, undefined]);
  },
);

test.each([
  ['', 'not JSON', '{}', '{"partialSuccess":null}', '{"partialSuccess":{}}', '['.repeat(50_000)],
  ['"0"', '0', '"-1"', '-1', '1.5', '"1e3"', '[3]', '{}', 'true', '9e99'].map(
    (count) => `{"partialSuccess":{"rejectedSpans":${count},"errorMessage":"careful"}}`,
  ),
])('E4: an answer of 200 that rejects nothing, or is none, is no loss: %s …', async (...bodies) => {
  const collector = await collectorOf();
  const { record, counts, problems } = tracingTo(collector.url);
  for (const [index, body] of bodies.entries()) {
    collector.behaviour.answer = (response) => void response.end(body);
    record(login());
    await soon(() => counts).toEqual({ exported: (index + 1) * SPANS_OF_ONE, dropped: 0, failed: 0, rejected: 0 });
  }
  expect(problems).toEqual([]);
});

test('E4: traces go nowhere but to the endpoint, wherever a collector says to go', async () => {
  const elsewhere = await collectorOf();
  const headers = { location: `${elsewhere.url}/v1/traces` };
  const collector = await collectorOf((response) => void response.writeHead(307, headers).end());
  const { record, counts, problems } = tracingTo(collector.url);
  record(login());
  await soon(() => counts.failed).toBe(SPANS_OF_ONE);
  expect(problems).toEqual(['it answered 307']);
  expect(elsewhere.requests).toBe(0);
});

test('where there is no collector, at any of its addresses, spans are counted as failed, and it is said why', async () => {
  const collector = await collectorOf();
  collector.stop();
  const lookup: LookupFunction = (_name, _options, callback) =>
    callback(
      null,
      ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 })),
    );
  const { record, counts, problems } = tracingTo(`http://collector.test:${collector.port}`, { lookup });
  record(login());
  await soon(() => counts.failed).toBe(SPANS_OF_ONE);
  expect(problems).toEqual([expect.stringContaining('ECONNREFUSED')]);
});

test('E4: of lookups of its name that hang there is one at a time, and when it is found traces come', async () => {
  const collector = await collectorOf();
  const asked: Parameters<LookupFunction>[2][] = [];
  const lookup: LookupFunction = (_name, _options, callback) => void asked.push(callback);
  const { record, counts, problems } = tracingTo(`http://collector.test:${collector.port}`, { lookup, timeoutMs: 200 });
  for (let batch = 1; batch <= 3; batch++) {
    record(login());
    await soon(() => counts.failed).toBe(batch * SPANS_OF_ONE);
  }
  expect(asked).toHaveLength(1);
  expect(problems).toEqual(['no answer in time']);
  const another = (): number => {
    for (const answer of asked.splice(0)) answer(null, [{ address: '127.0.0.1', family: 4 }]);
    record(login());
    return counts.exported;
  };
  await soon(another).toBeGreaterThan(0);
});

test('E4: with https a collector has to prove its name, or gets nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sshaccess-tracing-'));
  const trusted = getCACertificates('default');
  onTestFinished(() => {
    setDefaultCACertificates(trusted);
    rmSync(folder, { recursive: true });
  });
  const [keyFile, certFile] = [join(folder, 'key'), join(folder, 'cert')];
  const subject = ['-subj', '/CN=collector', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  execFileSync('openssl', ['req', '-x509', ...made, ...subject, '-keyout', keyFile, '-out', certFile], {
    stdio: 'ignore',
  });
  const [key, cert] = [keyFile, certFile].map((file) => readFileSync(file, 'utf8'));
  const collector = await collectorOf(undefined, { key: key ?? '', cert: cert ?? '' });
  const { record, counts, problems } = tracingTo(collector.url);
  record(login());
  await soon(() => counts.failed).toBe(SPANS_OF_ONE);
  expect(problems).toEqual([expect.stringContaining('self-signed certificate')]);
  expect(collector.requests).toBe(0);
  setDefaultCACertificates([...trusted, cert ?? '']);
  record(login());
  await soon(() => counts.exported).toBe(SPANS_OF_ONE);
});

test('E4: no more than 2048 spans are held, and the traces beyond are counted as dropped', async () => {
  const collector = await collectorOf(() => undefined);
  const { record, counts } = tracingTo(collector.url, { timeoutMs: 60_000 });
  for (let time = 0; time < 1_000; time++) record(login());
  await soon(() => collector.requests).toBe(1);
  expect(counts).toEqual({ exported: 0, dropped: 4_000 - 2_048, failed: 0, rejected: 0 });
});

test('who stops sends what is left, and waits for no collector that hangs', async () => {
  const [well, hanging] = await Promise.all([collectorOf(), collectorOf(() => undefined)]);
  const [one, other] = [well, hanging].map(({ url }) => tracingTo(url, { batchDelayMs: 3_600_000 }));
  for (let time = 0; time < 300; time++) {
    one?.record(login());
    other?.record(login());
  }
  await Promise.all([one?.stop(30_000), other?.stop(100)]);
  expect(one?.counts.exported).toBe(300 * SPANS_OF_ONE);
  expect(other?.counts.exported).toBe(0);
});

/** A byte every moment: never silent for long, and never done. */
function drip(response: Parameters<typeof take>[0]): void {
  response.writeHead(200);
  const timer = setInterval(() => response.write(' '), 50);
  response.once('close', () => clearInterval(timer));
}

/** A piece whenever there is a moment. */
function forever(response: Parameters<typeof take>[0], write: () => unknown): void {
  if (response.destroyed) return;
  write();
  setImmediate(forever, response, write);
}
