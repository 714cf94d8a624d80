/** Every way to be refused after the key is known: one reason in the log, the metric, the Event, and on the screen. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EventRecorder } from '../lib/kube/event-recorder.ts';
import { TestApiServer } from '../lib/kube/testing/api-server.ts';
import { createLogger } from '../lib/process/logger.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Reader } from '../lib/ssh/wire.ts';
import type { FakePodOptions } from './testing/fake-pod.ts';
import * as say from './testing/messages.ts';
import { obliging } from './testing/obliging-pod.ts';
import type { RawClient } from './testing/raw-client.ts';
import { keys, type Rig, startRig } from './testing/rig.ts';
import { KubernetesWitness } from './witness.ts';

const server = new TestApiServer();
beforeAll(() => server.start());
afterAll(() => server.stop());

const EVENTS = '/apis/events.k8s.io/v1/namespaces/acme/events';
/** On loopback nobody listens at it: it is a port that no connection may be made to. */
const CLOSED_PORT = 1;

type Refused = {
  code: string;
  /** In the Event. */
  reason: string;
  sentence: string;
  pod?: Partial<FakePodOptions>;
  arrange?: (rig: Rig) => unknown;
  /** What the person then sees. By default: of the login, which fails. */
  screen?: (rig: Rig) => Promise<string>;
};

/** The banner, which clients show, is the text of the disconnect. */
async function screenOfLogin(rig: Rig): Promise<string> {
  const client = rig.client();
  const error: unknown = await client.login('acme-hello', keys.alice).catch((thrown: unknown) => thrown);
  const [banner = ''] = client.banners.slice(-1);
  expect(String(error)).toContain(banner.trim());
  return banner;
}

async function openSession(client: RawClient, number: number): Promise<Buffer> {
  client.send(say.channelOpen('session', number));
  return client.received.take();
}

/** Of the last session that the policy has: the next is refused, and the connection goes on. */
async function screenOfSession(rig: Rig): Promise<string> {
  const client = await rig.login('acme-hello-dev', keys.bob);
  for (const number of [0, 1]) expect((await openSession(client, number))[0]).toBe(MSG.CHANNEL_OPEN_CONFIRMATION);
  const refusal = await openSession(client, 2);
  expect(refusal[0]).toBe(MSG.CHANNEL_OPEN_FAILURE);
  expect(client.link.transport.closed).toBe(false);
  return new Reader(refusal, 9).utf8();
}

/** Of a session that is open when the gateway stops. */
async function screenOfDrain(rig: Rig): Promise<string> {
  const client = await rig.login();
  void rig.piper.drain(AbortSignal.abort());
  return (await client.closed.promise)?.message ?? '';
}

const past = '2020-01-01T00:00:00Z';

const REFUSED: readonly Refused[] = [
  {
    code: 'not-rolled-out',
    reason: 'NotRolledOut',
    sentence: 'still those of before ssh was set up',
    arrange: (rig) => [rig.setPods([]), rig.setRoute({ awaitsRollout: true })],
  },
  {
    code: 'not-rolled-out',
    reason: 'NotRolledOut',
    sentence: 'still those of before ssh was set up',
    // Labelled, and started while the webhook was away: nothing answers in them.
    arrange: (rig) => rig.setRoute({ awaitsRollout: true, port: CLOSED_PORT }),
  },
  { code: 'no-pods', reason: 'NoPods', sentence: 'has no running pod', arrange: (rig) => rig.setPods([]) },
  {
    code: 'disabled',
    reason: 'Disabled',
    sentence: 'switched off',
    arrange: (rig) => rig.setRoute({ enabled: false }),
  },
  {
    code: 'expired',
    reason: 'Expired',
    sentence: 'has expired',
    arrange: (rig) => rig.setRoute({ users: rig.users.map((user) => ({ ...user, expiresAt: past })) }),
  },
  {
    code: 'too-many-sessions',
    reason: 'TooManySessions',
    sentence: 'no more than 2 sessions at once',
    screen: screenOfSession,
  },
  {
    code: 'too-many-connections',
    reason: 'TooManyConnections',
    sentence: 'too many connections open',
    arrange: async (rig) => {
      for (let login = 0; login < 8; login++) await rig.login();
    },
  },
  { code: 'draining', reason: 'Draining', sentence: 'has to shut down', screen: screenOfDrain },
  {
    code: 'host-key-mismatch',
    reason: 'HostKeyMismatch',
    sentence: 'could not prove that it belongs',
    pod: { hostKey: keys.stranger },
  },
  {
    code: 'host-key-unknown',
    reason: 'HostKeyUnknown',
    sentence: "no host key of this workload's pods is known yet",
    arrange: (rig) => rig.setRoute({ hostKeys: [] }),
  },
  {
    code: 'unreachable',
    reason: 'Unreachable',
    sentence: 'no pod of this workload answered on its ssh port',
    arrange: (rig) => rig.setRoute({ port: CLOSED_PORT }),
  },
  {
    code: 'mapping-key-refused',
    reason: 'MappingKeyRefused',
    sentence: "did not accept the gateway's key",
    pod: { mappingKey: keys.stranger },
  },
  {
    code: 'ceiling-refused',
    reason: 'CeilingRefused',
    sentence: 'does not allow this role and policy',
    pod: { accepts: () => false },
  },
];

test.each(REFUSED)('$code ($sentence): log, metric, Event, screen', async ({ code, reason, sentence, ...row }) => {
  for (const { metadata } of server.list(EVENTS)) server.remove(`${EVENTS}/${metadata.name}`);
  const log = createLogger('piper', { level: 'silent' });
  const events = new EventRecorder({
    client: server.client(),
    controller: 'sshaccess.dev/piper',
    instance: 'p-0',
    log,
  });
  const rig = await startRig({
    witness: new KubernetesWitness(events, undefined),
    pod: { serve: obliging, ...row.pod },
  });
  await row.arrange?.(rig);
  const screen = await (row.screen ?? screenOfLogin)(rig);
  expect(screen).toContain(sentence);
  const id = new RegExp(`\\[${code}, connection ([0-9a-f]{16})\\]`).exec(screen)?.[1] ?? 'none';

  const isOfChannel = code === 'too-many-sessions';
  if (isOfChannel) for (const client of rig.clients) client.close();
  const said = isOfChannel ? { refused: ['session: maxSessions'] } : { reason: code };
  await expect
    .poll(() => rig.lines.filter(({ connection, event }) => connection === id && event !== 'start'))
    .toMatchObject([said]);
  const metric = isOfChannel
    ? 'sshaccess_piper_requests_refused_total{reason="maxSessions",program="piper"} 1\n'
    : `sshaccess_piper_connections_ended_total{reason="${code}",program="piper"} 1\n`;
  expect(await rig.piper.metrics.registry.metrics()).toContain(metric);
  // A rig that is stopped says so to those who are still there: not only this one's Events are here.
  const seen = { type: 'Warning', regarding: { kind: 'SshAccess', namespace: 'acme', name: 'hello' } };
  const withId = (event: Record<string, unknown>): boolean => String(event['note']).endsWith(`(connection ${id})`);
  await expect
    .poll(() => server.list(EVENTS).find((event) => event['reason'] === reason && withId(event)))
    .toMatchObject(seen);
});

test('before the key is known, whatever is wrong with the workload looks like any wrong key', async () => {
  const rig = await startRig();
  const answerOf = async (): Promise<Buffer> => {
    const client = rig.client();
    await client.ready;
    client.requestAuthentication();
    await client.received.take();
    client.authenticate('acme-hello', keys.stranger);
    const answer = await client.received.take();
    client.close();
    return answer;
  };
  const usual = await answerOf();
  for (const { arrange } of REFUSED.filter(({ arrange: does, screen }) => does !== undefined && screen === undefined)) {
    await arrange?.(rig);
    expect(await answerOf()).toEqual(usual);
    for (const client of rig.clients) client.close();
    rig.setPods(['127.0.0.1']);
    rig.setRoute({});
  }
});
