import { connect } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DEFAULT_POLICIES } from '../crds/index.ts';
import { PublicKey } from '../lib/ssh/keys/public-key.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Writer } from '../lib/ssh/wire.ts';
import * as say from './testing/messages.ts';
import type { PodLink } from './testing/fake-pod.ts';
import type { RawClient } from './testing/raw-client.ts';
import { keys, startRig } from './testing/rig.ts';

vi.setConfig({ testTimeout: 30_000 });

test('E3: a user with the right key reaches the pod, which is told who they are', async () => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  expect(link.assertion).toMatchObject({
    version: 1,
    username: 'acme-hello',
    role: 'root',
    policy: DEFAULT_POLICIES.root,
    uidOffset: 0,
    fingerprint: keys.alice.publicKey.fingerprint,
    clientAddress: '127.0.0.1',
    clientPort: client.socket.localPort,
  });
  client.send(say.channelOpen('session', 3));
  expect(say.describeMessage(await link.received.take())).toBe('CHANNEL_OPEN session 3');
  link.send(say.confirmation(3, 40));
  expect(say.describeMessage(await client.received.take())).toBe('CHANNEL_OPEN_CONFIRMATION 3 40');
  client.send(say.channelRequest(40, 'exec', true, say.text('id')));
  await link.received.take();
  expect(await rig.record('start')).toMatchObject({
    connection: link.assertion?.connectionId,
    username: 'acme-hello',
    fingerprint: keys.alice.publicKey.fingerprint,
    sshAccess: 'acme/hello',
    pod: 'pod-127.0.0.1',
  });
  client.close();
  await link.closed.promise;
  expect(await rig.record('end')).toMatchObject({ reason: 'client-closed', opened: ['session', 'exec'] });
  expect(rig.piper.connections.size).toBe(0);
});

test('A2: the record shows the key that signed, not one that was queried', async () => {
  const rig = await startRig();
  const both = [keys.alice.publicKey.toLine(), keys.bob.publicKey.toLine()];
  rig.setRoute({ users: rig.users.slice(0, 1).map((user) => ({ ...user, authorizedKeys: both })) });
  const client = await rig.newcomer();
  client.query('acme-hello', keys.alice);
  expect((await client.received.take())[0]).toBe(MSG.USERAUTH_PK_OK);
  client.authenticate('acme-hello', keys.bob);
  expect((await client.received.take())[0]).toBe(MSG.USERAUTH_SUCCESS);
  const { fingerprint } = keys.bob.publicKey;
  expect((await rig.pod.links.take()).assertion).toMatchObject({ role: 'root', fingerprint });
  expect(await rig.record('start')).toMatchObject({ role: 'root', fingerprint });
});

test("A2: who asks about the key of a root user and signs as a limited one is limited, in the pod's eyes and on record", async () => {
  const rig = await startRig();
  const client = await rig.newcomer();
  client.query('acme-hello-dev', keys.alice);
  expect((await client.received.take())[0]).toBe(MSG.USERAUTH_FAILURE);
  client.authenticate('acme-hello-dev', keys.bob);
  expect((await client.received.take())[0]).toBe(MSG.USERAUTH_SUCCESS);
  const who = { username: 'acme-hello-dev', role: 'limited', fingerprint: keys.bob.publicKey.fingerprint };
  expect((await rig.pod.links.take()).assertion).toMatchObject(who);
  expect(await rig.record('start')).toMatchObject(who);
});

test('C2: what is no username is never looked up', async () => {
  const rig = await startRig();
  const lookUps = vi.spyOn(rig.directory, 'lookup');
  onTestFinished(() => void vi.restoreAllMocks());
  const names = [
    'Acme-hello',
    'ACME',
    'äcme',
    'acme\u200b',
    'acme\0',
    'acme\u001b[2J',
    'acme\n',
    'a"b',
    "a'b",
    'a b',
    '../a',
  ];
  for (const name of [...names, 'a'.repeat(300), '-acme', 'acme-', '', '__proto__', 'Acme--pod', 'Acme.0']) {
    const client = await rig.newcomer();
    client.authenticate(name, keys.alice);
    expect((await client.received.take())[0]).toBe(MSG.USERAUTH_FAILURE);
    client.close();
  }
  // Nobody is looked up in their place, which takes as long.
  expect(lookUps.mock.calls.length).toBeGreaterThan(names.length);
  expect(new Set(lookUps.mock.calls.flat())).toEqual(new Set(['']));
});

/** Every byte that the server's messages hold, from the service request on. */
async function answersTo(client: RawClient, attempt: (client: RawClient) => void): Promise<string[]> {
  await client.ready;
  client.requestAuthentication();
  const accepted = await client.received.take();
  attempt(client);
  return [accepted.toString('hex'), (await client.received.take()).toString('hex')];
}

test('A8, C2: unknown user, wrong key, forged signature and a name that is none get the same bytes', async () => {
  const rig = await startRig();
  const attempts: Record<string, (client: RawClient) => void> = {
    'wrong key': (client) => client.authenticate('acme-hello', keys.stranger),
    "another user's key": (client) => client.authenticate('acme-hello', keys.bob),
    'unknown user': (client) => client.authenticate('nobody', keys.alice),
    'right key, signed by another': (client) =>
      client.authenticate('acme-hello', keys.alice, { signer: keys.stranger }),
    'upper case': (client) => client.authenticate('ACME-hello', keys.alice),
    'NUL in the name': (client) => client.authenticate('acme-hello\0', keys.alice),
    'a line break in the name': (client) => client.authenticate('acme-hello\n{"event":"start"}', keys.alice),
    __proto__: (client) => client.authenticate('__proto__', keys.alice),
    '255 bytes': (client) => client.authenticate('a'.repeat(255), keys.alice),
    'wrong key, query': (client) => client.query('acme-hello', keys.stranger),
    'unknown user, query': (client) => client.query('nobody', keys.alice),
  };
  const answers = new Map<string, string[]>();
  for (const [name, attempt] of Object.entries(attempts)) answers.set(name, await answersTo(rig.client(), attempt));
  const expected = [
    new Writer().byte(MSG.SERVICE_ACCEPT).string('ssh-userauth').bytes().toString('hex'),
    new Writer().byte(MSG.USERAUTH_FAILURE).nameList(['publickey']).boolean(false).bytes().toString('hex'),
  ];
  for (const [name, answer] of answers) expect([name, ...answer]).toEqual([name, ...expected]);
  expect(rig.pod.connections).toBe(0);
});

test('A1: a signature of another session is refused', async () => {
  const rig = await startRig();
  const other = rig.client();
  await other.ready;
  const client = rig.client();
  const { blob } = keys.alice.publicKey;
  const { signedData } = await import('../lib/ssh/authentication/request.ts');
  const { sessionId } = other.link.transport;
  const data = signedData({ sessionId, username: 'acme-hello', algorithm: 'ssh-ed25519', blob });
  const signature = keys.alice.sign('ssh-ed25519', data);
  const answers = await answersTo(client, (one) => one.authenticate('acme-hello', keys.alice, { signature }));
  expect(answers[1]?.slice(0, 2)).toBe(MSG.USERAUTH_FAILURE.toString(16));
});

test('A10: six failures end the connection, and the record says so once', async () => {
  const rig = await startRig();
  const client = rig.client();
  await client.ready;
  client.requestAuthentication();
  for (let attempt = 0; attempt < 6; attempt++) client.authenticate('acme-hello', keys.stranger);
  await client.closed.promise;
  const line = await rig.record('refused');
  expect(line).toMatchObject({ reason: 'authentication-failed', username: 'acme-hello' });
  expect(line['detail']).toBe(`key-not-authorized ${keys.stranger.publicKey.fingerprint}`);
  expect(rig.records().length).toBe(1);
});

test.each([
  ['GLOBAL_REQUEST', say.globalRequest('keepalive@openssh.com', true)],
  ['CHANNEL_OPEN', say.channelOpen('session', 0)],
  ['USERAUTH_SUCCESS', Buffer.of(MSG.USERAUTH_SUCCESS)],
])('A5: %s before authentication ends the connection', async (_name, payload) => {
  const rig = await startRig();
  for (const requested of [false, true]) {
    const client = rig.client();
    await client.ready;
    if (requested) client.requestAuthentication();
    client.send(payload);
    expect(await client.closed.promise).toMatchObject({ code: 'disconnected' });
  }
  expect(rig.pod.connections).toBe(0);
});

test('A5: a message after the signature and before success ends the connection', async () => {
  const rig = await startRig();
  const client = rig.client();
  await client.ready;
  client.requestAuthentication();
  client.authenticate('acme-hello', keys.alice);
  client.send(say.channelOpen('session', 0));
  await client.closed.promise;
  expect(rig.records().some(({ event }) => event === 'start')).toBe(false);
});

test('B3: a pod with another host key is refused before anything is said to it', async () => {
  const rig = await startRig({ pod: { hostKey: keys.stranger } });
  const client = rig.client();
  await expect(client.login('acme-hello', keys.alice)).rejects.toThrow('host-key-mismatch');
  expect(client.banners.join()).toMatch(/host-key-mismatch, connection [0-9a-f]{16}\]/);
  expect(rig.pod.connections).toBe(1);
  expect(rig.pod.authenticationAttempts).toBe(0);
  expect(await rig.record('refused')).toMatchObject({
    level: 'error',
    reason: 'host-key-mismatch',
    username: 'acme-hello',
  });
});

test('B6: a pod that asks and asks before it is piped does not fill our memory', async () => {
  const asks = (count: number) => ({
    serve: (link: PodLink) => {
      for (let sent = 0; sent < count; sent++) link.send(say.globalRequest('hostkeys-prove-00@openssh.com', true));
      return () => undefined;
    },
  });
  await (await startRig({ pod: asks(16) })).login();
  const flooded = await startRig({ pod: asks(17) });
  await expect(flooded.client().login('acme-hello', keys.alice)).rejects.toThrow('upstream-failed');
});

test('a pod that does not take the mapping key is a refusal', async () => {
  const rig = await startRig({ pod: { mappingKey: keys.stranger } });
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow('mapping-key-refused');
});

test('a pod whose ceiling does not allow the assertion is a refusal', async () => {
  const rig = await startRig({ pod: { accepts: ({ role }) => role !== 'root' } });
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow('ceiling-refused');
  await rig.login('acme-hello-dev', keys.bob);
});

test.each([
  ['disabled', { enabled: false }],
  ['expired', { expiresAt: '2020-01-01T00:00:00Z' }],
  ['expired', { expiresAt: 'next week' }],
])('%s is said to a user who has proven who they are, and to nobody else', async (reason, changes) => {
  const rig = await startRig();
  const expiring = rig.users.map((user) => ('expiresAt' in changes ? { ...user, ...changes } : user));
  rig.setRoute({ enabled: !('enabled' in changes), users: expiring });
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow(`[${reason}, connection `);
  const stranger = await answersTo(rig.client(), (client) => client.authenticate('acme-hello', keys.stranger));
  expect(stranger[1]?.slice(0, 2)).toBe(MSG.USERAUTH_FAILURE.toString(16));
  expect(rig.pod.links.size).toBe(0);
});

test('no pods and no reachable pod are told apart', async () => {
  const rig = await startRig();
  rig.setPods([]);
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow('no-pods');
  rig.setPods(['127.0.0.2', '127.0.0.3']);
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow('unreachable');
});

test('a pod that does not answer is passed over, and a not ready one is announced', async () => {
  const rig = await startRig();
  rig.setPods(['127.0.0.2', '127.0.0.3', '127.0.0.1'], { serving: false });
  const client = await rig.login();
  expect(client.banners).toEqual(['note: the pod pod-127.0.0.1 is not ready\r\n']);
});

test('the banner of an SshAccess is shown to its users, as text, and to nobody else', async () => {
  const rig = await startRig();
  rig.setRoute({ banner: 'Production.\nAll is recorded.\u001b]0;owned\u0007\u202e\n' });
  const stranger = rig.client();
  await expect(stranger.login('acme-hello', keys.stranger)).rejects.toThrow();
  expect(stranger.banners).toEqual([]);
  expect((await rig.login()).banners).toEqual(['Production.\r\nAll is recorded.]0;owned\r\n']);
});

test('D10: a user has so many connections and no more', async () => {
  const rig = await startRig({ limits: { connectionsPerUser: 2 } });
  await rig.login();
  await rig.login();
  await expect(rig.client().login('acme-hello', keys.alice)).rejects.toThrow('too-many-connections');
  await rig.login('acme-hello-dev', keys.bob);
});

test('B5: garbage ends only its own connection', async () => {
  const rig = await startRig();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  let seed = 0x5eed;
  const random = (below: number) => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
  for (let round = 0; round < 200; round++) {
    const bytes = Buffer.from(Array.from({ length: 1 + random(400) }, () => random(256)));
    const prefix = ['', 'SSH-2.0-x\r\n', 'SSH-2.0-OpenSSH_9.9\r\n\0\0\0\x0c'][random(3)] ?? '';
    await new Promise<void>((resolve) => {
      const socket = connect({ port: rig.port, host: '127.0.0.1' }, () =>
        socket.end(Buffer.concat([Buffer.from(prefix), bytes])),
      );
      socket.on('error', () => undefined);
      socket.on('close', () => resolve());
      socket.resume();
    });
  }
  client.send(say.globalRequest('keepalive@openssh.com', true));
  expect(say.describeMessage(await link.received.take())).toBe('GLOBAL_REQUEST keepalive@openssh.com');
});

test('B5: malformed messages in an encrypted session end only that connection', async () => {
  const rig = await startRig();
  const bystander = await rig.login();
  const link = await rig.pod.links.take();
  let seed = 77;
  const random = (below: number) => (seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0) % below;
  for (let round = 0; round < 60; round++) {
    const client = rig.client();
    await client.ready;
    if (round % 2 === 0) client.requestAuthentication();
    client.send(Buffer.from([random(256), ...Array.from({ length: random(60) }, () => random(256))]));
    client.send(say.channelOpen('session', 0));
    await client.closed.promise;
  }
  bystander.send(say.globalRequest('keepalive@openssh.com', true));
  await link.received.take();
});

test('A8: unknown user, wrong key and forged signature cost the same work, so none can be told by its time', async () => {
  const rig = await startRig();
  // They count, and let everything through.
  const spies = {
    lookUps: vi.spyOn(rig.directory, 'lookup'),
    comparisons: vi.spyOn(PublicKey.prototype, 'equals'),
    verifications: vi.spyOn(PublicKey.prototype, 'verify'),
  };
  onTestFinished(() => void vi.restoreAllMocks());
  const workOf = async (attempt: (client: RawClient) => void): Promise<Record<string, number>> => {
    const client = await rig.newcomer();
    for (const spy of Object.values(spies)) spy.mockClear();
    attempt(client);
    expect((await client.received.take())[0]).toBe(MSG.USERAUTH_FAILURE);
    return Object.fromEntries(Object.entries(spies).map(([name, spy]) => [name, spy.mock.calls.length]));
  };
  // The signature is verified even where it cannot help: it is what takes time.
  const work = { lookUps: 3, comparisons: 1, verifications: 1 };
  expect(await workOf((one) => one.authenticate('acme-hello', keys.stranger))).toEqual(work);
  expect(await workOf((one) => one.authenticate('acme-other', keys.stranger))).toEqual(work);
  expect(await workOf((one) => one.authenticate('acme-other', keys.alice))).toEqual(work);
  expect(await workOf((one) => one.authenticate('acme-hello', keys.alice, { signer: keys.bob }))).toEqual(work);
  // A query is no failure, so nobody looks up whose it would be.
  const asked = { ...work, lookUps: 2, verifications: 0 };
  expect(await workOf((one) => one.query('acme-hello', keys.stranger))).toEqual(asked);
  expect(await workOf((one) => one.query('acme-other', keys.stranger))).toEqual(asked);
  // Where a pod is named, what is before it is looked up, too.
  for (const pod of ['.0', '--web-0']) {
    const known = await workOf((one) => one.authenticate(`acme-hello${pod}`, keys.stranger));
    expect(known).toEqual(await workOf((one) => one.authenticate(`acme-other${pod}`, keys.stranger)));
  }
});
