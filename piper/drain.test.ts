import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import * as say from './testing/messages.ts';
import { keys, startRig } from './testing/rig.ts';

test('SIGTERM: no new clients, sessions stay until they end', async () => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  const drained = rig.piper.drain(new AbortController().signal);
  const late = connect({ port: rig.port, host: '127.0.0.1' });
  await new Promise((resolve) => late.once('error', resolve));
  client.send(say.globalRequest('keepalive@openssh.com', true));
  await link.received.take();
  let done = false;
  void drained.then(() => (done = true));
  await delay(50);
  expect(done).toBe(false);
  client.close();
  await drained;
});

test('new clients are served until none has come for a while, and no longer', async () => {
  const rig = await startRig();
  const hurry = new AbortController();
  const drained = rig.piper.drain(hurry.signal, 1000);
  const late = await rig.login();
  late.close();
  await drained;
  const refused = connect({ port: rig.port, host: '127.0.0.1' });
  expect(await new Promise((resolve) => refused.once('error', resolve))).toMatchObject({ code: 'ECONNREFUSED' });
});

test('who is in a hurry does not wait for clients that may come', async () => {
  const rig = await startRig();
  const hurry = new AbortController();
  const drained = rig.piper.drain(hurry.signal, 3_600_000);
  hurry.abort();
  await drained;
});

test('before it is known who may come in, clients are told so and can try again', async () => {
  const rig = await startRig({ knowsNobodyYet: true });
  await expect(rig.login()).rejects.toThrow('has not heard from the cluster yet');
  await rig.piper.serve();
  await rig.login();
});

test('who logs in after everybody was told to go does not hold the drain up', async () => {
  const rig = await startRig();
  const client = rig.client();
  await client.ready;
  await rig.piper.drain(AbortSignal.abort());
  await expect(client.login('acme-hello', keys.alice)).rejects.toThrow('[draining,');
  expect(rig.piper.connections.size).toBe(0);
  expect(rig.pod.connections).toBe(0);
});
