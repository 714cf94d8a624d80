import { expect, test, vi } from 'vitest';
import { MSG } from '../lib/ssh/numbers.ts';
import { PiperMetrics } from './metrics.ts';
import { obliging } from './testing/obliging-pod.ts';
import { channelData, channelOpen } from './testing/messages.ts';
import { keys, startRig, type Rig } from './testing/rig.ts';

vi.setConfig({ testTimeout: 30_000 });

async function value({ piper }: Rig, name: string, labels: Record<string, string> = {}): Promise<number | undefined> {
  const values = (await piper.metrics.registry.getSingleMetric(name)?.get())?.values ?? [];
  const found = values.find((one) => Object.entries(labels).every(([label, word]) => one.labels[label] === word));
  return found?.value;
}

test('a login is timed, and its sessions and bytes are counted while it lasts and afterwards', async () => {
  const rig = await startRig({ pod: { serve: obliging } });
  const bytes = (direction: string) => value(rig, 'sshaccess_piper_connection_bytes_total', { direction });
  expect([await bytes('in'), await bytes('out')]).toEqual([0, 0]);
  const client = await rig.login('acme-hello', keys.alice);
  client.send(channelOpen('session', 0));
  expect((await client.received.take())[0]).toBe(MSG.CHANNEL_OPEN_CONFIRMATION);
  const before = await bytes('in');
  client.send(channelData(0, 'x'.repeat(10_000)));
  await client.received.take();
  expect(await bytes('in')).toBeGreaterThan((before ?? Infinity) + 10_000);
  expect(await value(rig, 'sshaccess_piper_sessions')).toBe(1);
  expect(await value(rig, 'sshaccess_piper_connections')).toBe(1);
  expect(await value(rig, 'sshaccess_piper_routes')).toBe(1);
  const counts = async () => await rig.piper.metrics.registry.metrics();
  expect(await counts()).toContain('sshaccess_piper_login_duration_seconds_count{program="piper"} 1\n');
  expect(await counts()).toContain('sshaccess_piper_upstream_duration_seconds_count{program="piper"} 1\n');

  const there = await bytes('out');
  client.close();
  await expect.poll(() => value(rig, 'sshaccess_piper_connections')).toBe(0);
  expect(await bytes('out')).toBeGreaterThanOrEqual(there ?? Infinity);
  const ended = (reason: string) => value(rig, 'sshaccess_piper_connections_ended_total', { reason });
  expect([await ended('client-closed'), await ended('unreachable')]).toEqual([1, 0]);
  const refused = () => value(rig, 'sshaccess_piper_logins_refused_total', { reason: 'client-closed' });
  expect(await refused()).toBe(0);
});

test('a login that reaches no pod is refused, and a stranger is no login', async () => {
  const rig = await startRig();
  const refusedLogins = (reason: string) => value(rig, 'sshaccess_piper_logins_refused_total', { reason });
  rig.setRoute({ enabled: false });
  await rig.login('acme-hello', keys.alice).catch(() => undefined);
  await expect.poll(() => refusedLogins('disabled')).toBe(1);
  await rig.login('acme-hello', keys.stranger).catch(() => undefined);
  for (const client of rig.clients) client.close();
  await expect
    .poll(() => value(rig, 'sshaccess_piper_connections_ended_total', { reason: 'authentication-failed' }))
    .toBe(1);
  expect(await refusedLogins('authentication-failed')).toBe(0);
  expect(await rig.piper.metrics.registry.metrics()).toContain(
    'sshaccess_piper_login_duration_seconds_count{program="piper"} 0\n',
  );
});

test('when the API server was heard is told where there is one, and nothing where there is none', async () => {
  let heard: number | undefined;
  const metrics = new PiperMetrics();
  const none = (): number => 0;
  const traffic = () => ({ bytesIn: 0, bytesOut: 0 });
  const sources = { connections: none, sessions: none, startUps: none, bans: none, routes: none, traffic };
  metrics.watch({ ...sources, lastContact: () => heard });
  const line = async () =>
    /^sshaccess_piper_last_contact_timestamp_seconds.*$/m.exec(await metrics.registry.metrics())?.[0];
  expect(await line()).toBeUndefined();
  heard = 1_700_000_000_500;
  expect(await line()).toBe('sshaccess_piper_last_contact_timestamp_seconds{program="piper"} 1700000000.5');
});
