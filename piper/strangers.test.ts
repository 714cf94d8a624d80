/** B4: those who come and do not log in. They get little of our time, and take no place from who does. */
import { connect, createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import * as say from './testing/messages.ts';
import { keys, startRig } from './testing/rig.ts';

vi.setConfig({ testTimeout: 30_000 });

test('B4: who does not log in is sent away: silent, half a greeting, or half a login', async () => {
  const rig = await startRig({ limits: { loginGraceMs: 300 } });
  const closed = (greeting: string) =>
    new Promise<void>((resolve) => {
      const socket = connect({ port: rig.port, host: '127.0.0.1' }, () => socket.write(greeting));
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
      socket.resume();
    });
  const authenticating = rig.client();
  await authenticating.ready;
  authenticating.requestAuthentication();
  await Promise.all([
    closed(''),
    closed('SSH-2.0-Ope'),
    closed('SSH-2.0-OpenSSH_9\r\n'),
    authenticating.closed.promise,
  ]);
  expect(rig.records().map(({ reason }) => reason)).toEqual(Array.from({ length: 4 }, () => 'login-grace'));
});

test('B4: start-ups are capped; who holds all places keeps nobody out, and those who are logged in do not notice', async () => {
  const rig = await startRig({ limits: { startUpsPerSource: 5 } });
  const client = await rig.login();
  const link = await rig.pod.links.take();
  // Silent, and there for the whole of the login grace: the attacker's address is everybody's, as behind a SNAT.
  const open = new Set<Socket>();
  const greeted = Array.from({ length: 40 }, async () => {
    const socket = connect({ port: rig.port, host: '127.0.0.1' }).on('error', () => undefined);
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    await new Promise((resolve) => socket.once('data', resolve));
    socket.resume();
  });
  await Promise.all(greeted);
  await expect.poll(() => open.size).toBe(5);
  await rig.login();
  await rig.login('acme-hello-dev', keys.bob);
  client.send(say.globalRequest('keepalive@openssh.com', true));
  await link.received.take();
  expect(rig.records().filter(({ reason }) => reason === 'start-ups')).toHaveLength(36);
  for (const socket of open) socket.destroy();
});

test('B4: who has proven who they are gives way to nobody while the pod is being reached', async () => {
  const rig = await startRig({ limits: { startUpsPerSource: 2 }, addresses: ['127.0.0.9'] });
  const floods: Socket[] = [];
  const flood = async () => {
    const socket = connect({ port: rig.port, host: '127.0.0.1' }).on('error', () => undefined);
    floods.push(socket);
    await new Promise((resolve) => socket.once('data', resolve));
  };
  // In front of the pod: the login goes on only when four others have come.
  const gate = createServer((fromPiper) => {
    void Promise.all(Array.from({ length: 4 }, flood)).then(() => {
      const toPod = connect({ port: rig.podPort, host: '127.0.0.1' });
      return fromPiper.pipe(toPod).pipe(fromPiper);
    });
  });
  await new Promise<void>((resolve) => gate.listen(rig.podPort, '127.0.0.9', resolve));
  onTestFinished(() => void gate.close());
  await expect(rig.login()).resolves.toBeDefined();
  for (const socket of floods) socket.destroy();
});
