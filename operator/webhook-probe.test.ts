import { afterEach, beforeEach, expect, test } from 'vitest';
import { ANNOTATION_WEBHOOK_ANSWERS } from '../crds/index.ts';
import { TestApiServer } from '../lib/kube/testing/api-server.ts';
import { WebhookProbe } from './webhook-probe.ts';

const server = new TestApiServer();
const { signal } = new AbortController();
let isServing = true;
const probe = (settleMs: number) => new WebhookProbe({ client: server.client(), systemNamespace: 'sys', settleMs });

beforeEach(async () => {
  await server.start();
  server.requests.length = 0;
  isServing = true;
  const metadata = { annotations: { [ANNOTATION_WEBHOOK_ANSWERS]: 'true' } };
  server.onTry = (object) => (isServing ? { ...object, metadata } : object);
});
afterEach(() => server.stop());

test('however many ask at once, the API server is asked once, and the answer is believed for a while', async () => {
  const one = probe(0);
  const all = await Promise.all(Array.from({ length: 50 }, () => one.hindrance(signal)));
  expect(all.every((hindrance) => hindrance === undefined)).toBe(true);
  expect(await one.hindrance(signal)).toBeUndefined();
  expect(server.requests).toEqual(['POST /apis/coordination.k8s.io/v1/namespaces/sys/leases']);
});

test('a webhook that has just begun to answer is given a moment, and one that stops begins anew', async () => {
  const one = probe(200);
  const why = async () => (await one.hindrance(signal))?.why;
  expect(await why()).toBe('it has begun to answer just now');
  isServing = false;
  await expect.poll(why).toBe('the API server got no answer from it');
  isServing = true;
  await expect.poll(why, { timeout: 10_000 }).toBe('it has begun to answer just now');
  await expect.poll(why, { timeout: 10_000 }).toBeUndefined();
});

test('who waits is told for how long, and longer from time to time', async () => {
  isServing = false;
  const one = probe(0);
  const first = await one.hindrance(signal);
  expect(first?.waitMs).toBeGreaterThan(0);
  const second = await one.hindrance(signal);
  expect(second?.waitMs).toBeLessThanOrEqual(first?.waitMs ?? 0);
  expect(server.requests).toHaveLength(1);
});

test('an API server that is not there is no webhook that serves', async () => {
  const one = probe(0);
  await server.stop();
  expect((await one.hindrance(signal))?.why).toBe('the API server did not ask it: Unreachable');
  await server.start();
});
