import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { createLogger } from '../process/logger.ts';
import { LeadershipLostError, runWhenLeader } from './leader-election.ts';
import { TestApiServer } from './testing/api-server.ts';

const LEASE = '/apis/coordination.k8s.io/v1/namespaces/system/leases/operator';
const log = createLogger('test', { level: 'silent' });
/** A busy machine may let nobody run for a second, and that is to cost no lease. */
const times = { durationMs: 4_000, renewDeadlineMs: 3_000, retryMs: 50 };
let server: TestApiServer;
let stops: AbortController[];

beforeEach(async () => {
  server = new TestApiServer();
  stops = [];
  await server.start();
});
afterEach(async () => {
  for (const stop of stops) stop.abort();
  await server.stop();
});

function candidate(identity: string) {
  const stop = new AbortController();
  stops.push(stop);
  const state = { leads: false, aborted: false };
  const ended = runWhenLeader(
    { client: server.client(), lease: { namespace: 'system', name: 'operator' }, identity, log, ...times },
    async (signal) => {
      state.leads = true;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      state.leads = false;
      state.aborted = true;
    },
    stop.signal,
  );
  // Observed by the tests; until then a rejection must not count as unhandled.
  ended.catch(() => undefined);
  return { stop, state, ended };
}
const soon = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 10 });
const spec = () => server.get(LEASE)?.['spec'];
const Held = z.object({ holderIdentity: z.string(), renewTime: z.string() });

test('one leads; when it ends it hands over at once', async () => {
  const first = candidate('one');
  await soon(() => expect(first.state.leads).toBe(true));
  const second = candidate('two');
  await new Promise((resolve) => setTimeout(resolve, 1.25 * times.durationMs));
  expect(second.state.leads).toBe(false);
  expect(spec()).toMatchObject({ holderIdentity: 'one', leaseDurationSeconds: 4 });
  first.stop.abort();
  await first.ended;
  // Given back, and not left to run out; the other may have it already.
  expect(['', 'two']).toContain(Held.parse(spec()).holderIdentity);
  await soon(() => expect(second.state.leads).toBe(true));
  expect(spec()).toMatchObject({ holderIdentity: 'two', leaseTransitions: 1 });
});

test('renew times have six digits', async () => {
  const only = candidate('one');
  await soon(() => expect(only.state.leads).toBe(true));
  expect(JSON.stringify(spec())).toMatch(/"renewTime":"[^"]+\.\d{6}Z"/);
});

test('a leader that cannot renew stops leading before another may lead', async () => {
  const first = candidate('one');
  await soon(() => expect(first.state.leads).toBe(true));
  await server.stop();
  await expect(first.ended).rejects.toThrow(LeadershipLostError);
  expect(first.state.aborted).toBe(true);
  await server.start();
  const second = candidate('two');
  await soon(() => expect(second.state.leads).toBe(true));
});

test('a short outage does not cost the lease', async () => {
  const first = candidate('one');
  await soon(() => expect(first.state.leads).toBe(true));
  const { renewTime } = Held.parse(spec());
  server.fail(4, 500);
  await soon(() => expect(Held.parse(spec()).renewTime > renewTime).toBe(true));
  expect(first.state.leads).toBe(true);
});

test('a dead leader is followed after its lease ran out', async () => {
  server.put(LEASE, {
    metadata: {},
    spec: { holderIdentity: 'dead', leaseDurationSeconds: 1, renewTime: '2020-01-01T00:00:00.000000Z' },
  });
  const startedAt = performance.now();
  const next = candidate('two');
  await soon(() => expect(next.state.leads).toBe(true));
  // Its clock may have been wrong: we wait a whole duration of our own.
  expect(performance.now() - startedAt).toBeGreaterThan(900);
});
