/** What a collector gets of logins, and what logins notice of it. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { LABEL_ENDPOINTS } from '../crds/index.ts';
import { createLogger } from '../lib/process/logger.ts';
import { type CollectedSpan, type Collector, startCollector } from '../lib/process/tracing/testing/collector.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { FakeClock } from '../lib/ssh/testing/fake-clock.ts';
import { EndpointSliceObject, LABEL_SERVICE_NAME } from './directory/objects.ts';
import { PiperMetrics } from './metrics.ts';
import * as say from './testing/messages.ts';
import { obliging } from './testing/obliging-pod.ts';
import type { RawClient } from './testing/raw-client.ts';
import { keys, startRig, type RigOptions } from './testing/rig.ts';
import { tracesBy, tracingOf } from './tracing.ts';

vi.setConfig({ testTimeout: 60_000 });
const soon = <T>(read: () => T) => expect.poll(read, { timeout: 30_000, interval: 20 });

const log = createLogger('piper', { level: 'silent' });
const OURSELVES = { source: { namespace: 'system', watched: undefined }, pod: { name: 'piper-0', uid: 'p-1' } };

async function tracedRig(options: RigOptions = {}, answer?: Parameters<typeof startCollector>[0]) {
  const collector = await startCollector(answer);
  const metrics = new PiperMetrics();
  const config = { ...OURSELVES, tracing: { url: `${collector.url}/v1/traces`, ratio: 1 } };
  const tracing = await tracingOf(config, metrics, log);
  if (tracing === undefined) throw new Error('there is no tracing');
  const rig = await startRig({ metrics, beginTrace: tracesBy(tracing), pod: { serve: obliging }, ...options });
  onTestFinished(async () => {
    await rig.stop();
    await tracing.stop(0);
    collector.stop();
  });
  return { rig, collector, metrics, tracing, flush: () => tracing.stop(30_000) };
}

async function runProgram(client: RawClient): Promise<void> {
  client.send(say.channelOpen('session', 3));
  expect((await client.received.take())[0]).toBe(MSG.CHANNEL_OPEN_CONFIRMATION);
  client.send(say.channelRequest(3, 'exec', true, say.text('cat /secret')));
  expect((await client.received.take())[0]).toBe(MSG.CHANNEL_SUCCESS);
}

/** As lines: `  name: error`, in the order of time; and whether each is within its parent and after the step before. */
function outline({ spans }: Collector): string[] {
  const stepsOf = (parent: CollectedSpan | undefined): CollectedSpan[] =>
    spans.filter(({ parentSpanId }) => parentSpanId === parent?.spanId).toSorted(byTime);
  const lines = (span: CollectedSpan, indent: string): string[] => {
    let before = span.startTimeUnixNano;
    for (const step of [...stepsOf(span), { startTimeUnixNano: span.endTimeUnixNano, endTimeUnixNano: 0n }]) {
      expect(step.startTimeUnixNano).toBeGreaterThanOrEqual(before);
      before = step.endTimeUnixNano;
    }
    expect(span.endTimeUnixNano).toBeGreaterThanOrEqual(span.startTimeUnixNano);
    const error = span.attributes['error.type'];
    const line = `${indent}${span.name}${error === undefined ? '' : `: ${String(error)}`}`;
    return [line, ...stepsOf(span).flatMap((step) => lines(step, `${indent}  `))];
  };
  const shown = stepsOf(undefined).flatMap((root) => lines(root, ''));
  expect(shown).toHaveLength(spans.length);
  return shown;
}

const byTime = (left: CollectedSpan, right: CollectedSpan): number =>
  Number(left.startTimeUnixNano - right.startTimeUnixNano) || Number(left.endTimeUnixNano - right.endTimeUnixNano);

const UPSTREAM = [
  '  upstream connect',
  '    tcp connect',
  '    key exchange',
  '    authentication',
  '    assert identity',
];
const BEFORE = ['  accept', '  key exchange', '  authentication', '  choose pod'];

test('a login is a trace, from the connection to the first program, each step after the other', async () => {
  const { rig, collector, flush } = await tracedRig();
  await runProgram(await rig.login());
  await flush();
  expect(outline(collector)).toEqual(['ssh login', ...BEFORE, ...UPSTREAM, '  first session']);
  expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(1);
  const root = collector.spans.find(({ parentSpanId }) => parentSpanId === undefined);
  expect(root).toMatchObject({
    kind: 2,
    attributes: {
      'network.protocol.name': 'ssh',
      'sshaccess.connection.id': (await rig.pod.links.take()).assertion?.connectionId,
      'sshaccess.access.namespace': 'acme',
      'sshaccess.access.name': 'hello',
      'sshaccess.role': 'root',
      'sshaccess.runtime': 'sidecar',
      'sshaccess.session.kind': 'exec',
    },
  });
  expect(collector.spans.find(({ name }) => name === 'upstream connect')).toMatchObject({
    kind: 3,
    attributes: { 'sshaccess.pod.name': 'pod-127.0.0.1', 'server.port': rig.podPort },
  });
  expect(collector.resources[0]).toMatchObject({
    'service.name': 'sshaccess-piper',
    'service.instance.id': 'p-1',
    'k8s.pod.name': 'piper-0',
    'k8s.namespace.name': 'system',
  });
  expect(collector.problems).toEqual([]);
});

test('E4: of the user a trace says nothing, nor what they do: that stays in the log', async () => {
  const { rig, collector, flush } = await tracedRig();
  const client = await rig.login();
  await runProgram(client);
  await flush();
  const attributes = collector.spans.flatMap((span) => Object.entries(span.attributes));
  const said = JSON.stringify([attributes, collector.resources]);
  expect(said).toContain('sshaccess.connection.id');
  const [alice, mapping] = [keys.alice.publicKey, keys.mapping.publicKey];
  const secrets = ['acme-hello', alice.fingerprint, mapping.fingerprint, `${client.socket.localPort}`, 'secret', 'cat'];
  expect(secrets.filter((secret) => said.includes(secret))).toEqual([]);
  // The pod of this test is called by its address.
  expect(attributes.filter(([key]) => /user|client|address|key/.test(key))).toEqual([]);
});

test('a login that is refused after its key was verified is a trace that says where and why', async () => {
  const { rig, collector, flush } = await tracedRig({ pod: { hostKey: keys.stranger } });
  await expect(rig.login()).rejects.toThrow('host-key-mismatch');
  rig.setPods([]);
  await expect(rig.login()).rejects.toThrow('no-pods');
  rig.setRoute({ enabled: false });
  await expect(rig.login()).rejects.toThrow('disabled');
  await flush();
  expect(outline(collector)).toEqual([
    'ssh login: host-key-mismatch',
    ...BEFORE,
    '  upstream connect: host-key-mismatch',
    '    tcp connect',
    '    key exchange: host-key-mismatch',
    'ssh login: no-pods',
    ...BEFORE.slice(0, 3),
    '  choose pod: no-pods',
    'ssh login: disabled',
    ...BEFORE.slice(0, 2),
    '  authentication: disabled',
  ]);
});

test('each pod that is tried has its span', async () => {
  const { rig, collector, flush } = await tracedRig();
  rig.setPods(['127.0.0.1'], { ready: false });
  // Ready, so it is tried first; and nobody listens there.
  const metadata = {
    name: 's',
    namespace: 'acme',
    labels: { [LABEL_ENDPOINTS]: 'hello', [LABEL_SERVICE_NAME]: 'hello-sshaccess' },
  };
  const endpoints = [{ addresses: ['127.0.0.2'], targetRef: { name: 'pod-away' } }];
  rig.directory.setSlice('acme/other', EndpointSliceObject.parse({ metadata, addressType: 'IPv4', endpoints }));
  await runProgram(await rig.login());
  await flush();
  expect(outline(collector)).toEqual([
    'ssh login',
    ...BEFORE,
    '  upstream connect: unreachable',
    '    tcp connect: unreachable',
    ...UPSTREAM,
    '  first session',
  ]);
});

test('E4: strangers leave none', async () => {
  const { rig, collector, flush } = await tracedRig();
  await expect(rig.login('acme-hello', keys.stranger)).rejects.toThrow();
  await expect(rig.login('nobody')).rejects.toThrow();
  await rig.client().ready;
  for (const client of rig.clients) client.close();
  await soon(() => rig.lines.filter(({ event }) => event === 'refused')).toHaveLength(3);
  await flush();
  expect(collector.spans).toEqual([]);
});

test('who opens no session has a trace without one: after ten seconds, or when they leave', async () => {
  const clock = new FakeClock();
  const { rig, collector, flush } = await tracedRig({ clock });
  await rig.login();
  clock.pass(10_000);
  (await rig.login()).close();
  await soon(() => rig.lines.filter(({ event }) => event === 'end')).toHaveLength(1);
  await flush();
  const one = ['ssh login', ...BEFORE, ...UPSTREAM];
  expect(outline(collector)).toEqual([...one, ...one]);
});

test.each([
  ['hangs', () => undefined],
  ['answers 500', (response) => void response.writeHead(500).end()],
  ['is not there', undefined],
] satisfies readonly [string, Parameters<typeof startCollector>[0]][])(
  'where the collector %s, logins go on, and what is dropped or lost is counted',
  async (how, answer) => {
    const { rig, collector, metrics, tracing } = await tracedRig({}, answer);
    if (how === 'is not there') collector.stop();
    // More than are held.
    const span = { name: 'x', kind: 'internal', from: 0, to: 1, attributes: {}, steps: [] } as const;
    for (let time = 0; time < 3_000; time++) tracing.record(span);
    for (let time = 0; time < 5; time++) {
      const client = await rig.login();
      await runProgram(client);
      client.close();
    }
    const lost = async (): Promise<number> => {
      const counted = await metrics.registry.getSingleMetricAsString('sshaccess_piper_trace_spans_total');
      expect(counted).toMatch(/result="exported".* 0$/m);
      return Number(/result="dropped".* (\d+)$/m.exec(counted)?.[1]);
    };
    await expect.poll(lost).toBeGreaterThanOrEqual(3_000 - 2_048);
  },
);

test('nobody who wants no traces has any', async () => {
  expect(await tracingOf({ ...OURSELVES, tracing: undefined }, new PiperMetrics(), log)).toBeUndefined();
  expect(tracesBy(undefined)).toBeUndefined();
});
