/** Pods whose sshd is the image's own: it is told who comes, enforces nothing, and may be anything. */
import { connect, createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { type Route, SETUP_MARK, SIDECAR_SOFTWARE } from '../crds/index.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Reader, Writer } from '../lib/ssh/wire.ts';
import { FakePod, type FakePodOptions, type PodLink } from './testing/fake-pod.ts';
import * as say from './testing/messages.ts';
import { keys, startRig, type Line, type Rig } from './testing/rig.ts';

const SSHD = `OpenSSH_9.2p1 Debian-2 ${SETUP_MARK}`;

const rigOf = async (pod: Partial<FakePodOptions> = {}, route: Partial<Route> = {}): Promise<Rig> => {
  const rig = await startRig({ pod: { software: SSHD, ...pod }, limits: { loginGraceMs: 1_500 } });
  rig.setRoute({ runtime: 'main_container', ...route });
  return rig;
};
const lineOf = (rig: Rig, event: string): Line | undefined => rig.lines.find((line) => line['event'] === event);
const loginOf = (rig: Rig) => rig.client().login('acme-hello', keys.alice);
const next = async (link: PodLink): Promise<string> => say.describeMessage(await link.received.take());

/** The name and value of an `env` request that wants no reply. */
function variableOf(payload: Buffer): [name: string, value: string] {
  const fields = new Reader(payload, 5);
  expect([fields.name(), fields.boolean()]).toEqual(['env', false]);
  return [fields.utf8(), fields.utf8()];
}

test('it is logged in to with the mapping key alone, as the user that the pod knows', async () => {
  const rig = await rigOf();
  await rig.login();
  const link = await rig.pod.links.take();
  expect([link.username, link.assertion]).toEqual(['acme-hello', undefined]);
  rig.setRoute({
    runtime: 'main_container',
    users: rig.users.map((user) => ({ ...user, upstreamUser: 'app' })),
  });
  await rig.login('acme-hello-dev', keys.bob);
  expect((await rig.pod.links.take()).username).toBe('app');
});

test('each session begins with who it is for, before anything of the client', async () => {
  const rig = await rigOf();
  const client = await rig.login('acme-hello-dev', keys.bob);
  const link = await rig.pod.links.take();
  for (const [mine, theirs] of [
    [3, 40],
    [4, 41],
  ] as const) {
    client.send(say.channelOpen('session', mine));
    expect(await next(link)).toBe(`CHANNEL_OPEN session ${mine}`);
    link.send(say.confirmation(mine, theirs));
    await client.received.take();
    client.send(say.channelRequest(theirs, 'exec', true, say.text('id')));
    const told: [string, string][] = [];
    for (let count = 0; count < 5; count++) told.push(variableOf(await link.received.take()));
    expect(told).toEqual([
      ['SSHACCESS_USER', 'acme-hello-dev'],
      ['SSHACCESS_ROLE', 'limited'],
      ['SSHACCESS_CLIENT', `127.0.0.1 ${client.socket.localPort}`],
      ['SSHACCESS_SESSION', lineOf(rig, 'start')?.['connection']],
      ['SSHACCESS_SFTP', 'read-only'],
    ]);
    expect(await next(link)).toBe(`CHANNEL_REQUEST ${theirs} exec`);
  }
});

test('a client that guesses the number of its session does not get in before', async () => {
  const rig = await rigOf();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  client.send(say.channelOpen('session', 3));
  client.send(say.channelRequest(0, 'exec', false, say.text('id')));
  expect(await client.closed.promise).toMatchObject({ disconnectReason: 2 });
  expect(await next(link)).toBe('CHANNEL_OPEN session 3');
  expect(link.received.size).toBe(0);
});

test('no client says who it is, whatever the policy names', async () => {
  const rig = await rigOf();
  const clientEnvironment = ['SSHACCESS_*', 'SSHACCESS_ROLE', 'S*', 'LANG'];
  rig.setRoute({
    runtime: 'main_container',
    users: rig.users.map((user) => ({ ...user, policy: { ...user.policy, clientEnvironment } })),
  });
  const client = await rig.login();
  const link = await rig.pod.links.take();
  client.send(say.channelOpen('session', 3));
  await link.received.take();
  link.send(say.confirmation(3, 40));
  for (let count = 0; count < 5; count++) await link.received.take();
  const set = (name: string) => new Writer().string(name).string('root').bytes();
  for (const name of ['SSHACCESS_ROLE', 'SSHACCESS_', 'SSHACCESS_ROLE=x', 'SSHACCESS_ANYTHING', 'SHLVL'])
    client.send(say.channelRequest(40, 'env', false, set(name)));
  expect(variableOf(await link.received.take())[0]).toBe('SHLVL');
});

test('the record says what served, and as what it called itself', async () => {
  const rig = await rigOf();
  await rig.login();
  expect(lineOf(rig, 'start')).toMatchObject({ runtime: 'main_container', software: SSHD });
});

test('B3: one of the known host keys is enough, and none known is a refusal of its own', async () => {
  const rig = await rigOf({}, { hostKeys: [keys.bob, keys.stranger, keys.pod].map((key) => key.publicKey.toLine()) });
  await rig.login();
  rig.setRoute({ runtime: 'main_container', hostKeys: [] });
  await expect(loginOf(rig)).rejects.toThrow(/known yet.*\[host-key-unknown, connection/);
  rig.setRoute({ runtime: 'main_container', hostKeys: [keys.stranger.publicKey.toLine()] });
  await expect(loginOf(rig)).rejects.toThrow(/just started.*\[host-key-mismatch, connection/);
  expect(rig.pod.authenticationAttempts).toBe(1);
});

const ACCEPT = new Writer().byte(MSG.SERVICE_ACCEPT).string('ssh-userauth').bytes();
const failure = (methods: string, partial: boolean): Buffer =>
  new Writer().byte(MSG.USERAUTH_FAILURE).string(methods).boolean(partial).bytes();
const banner = new Writer().byte(MSG.USERAUTH_BANNER).string('hello').string('').bytes();
/** RFC 4252 §8 and RFC 4256 §3.2 share the number. */
const QUESTION = 60;
const passwordExpired = new Writer().byte(QUESTION).string('choose another password').string('').bytes();
const prompts = new Writer().byte(QUESTION).string('').string('').string('').uint32(1).string('Token: ').boolean(false);

/** Accepts the service, then says these. */
const saying =
  (...answers: readonly Buffer[]): FakePodOptions['answer'] =>
  (link, payload) => {
    if (payload[0] === MSG.SERVICE_REQUEST) return link.send(ACCEPT);
    for (const one of answers) link.send(one);
  };
/** sshd with MaxAuthTries 1 says so in place of a failure. */
const hangUp: FakePodOptions['answer'] = (link, payload) => {
  if (payload[0] === MSG.SERVICE_REQUEST) return link.send(ACCEPT);
  link.socket.transport.disconnect(2, 'Too many authentication failures');
};

test.each<[string, FakePodOptions['answer'], string]>([
  ['another key', saying(failure('publickey', false)), 'mapping-key-refused'],
  ['a key that is not all', saying(failure('keyboard-interactive', true)), 'mapping-key-refused'],
  ['a password in its place', saying(failure('password', false)), 'mapping-key-refused'],
  ['a single try', hangUp, 'mapping-key-refused'],
  ['a question of a token', saying(prompts.bytes()), 'upstream-failed'],
  ['an expired password', saying(passwordExpired), 'upstream-failed'],
  ['banners without end', saying(...Array.from({ length: 40 }, () => banner)), 'upstream-failed'],
  ['nothing but a banner', saying(banner), 'unreachable'],
  ['nothing', () => undefined, 'unreachable'],
])('an sshd that wants %s is a refusal, and never a hang', async (_what, answer, code) => {
  const rig = await rigOf(answer === undefined ? {} : { answer });
  await expect(loginOf(rig)).rejects.toThrow(`[${code}, connection `);
});

test('a key that is refused is told to the user with what to do, and to the record with the sshd', async () => {
  const rig = await rigOf({ mappingKey: keys.stranger });
  await expect(loginOf(rig)).rejects.toThrow(/mainContainer\.setup: Image.*authorizedKeysPath.*\[mapping-key-refused/);
  expect(lineOf(rig, 'refused')?.['detail']).toBe(
    `pod-127.0.0.1 (127.0.0.1), ${SSHD}, authenticating: the peer disconnected (reason 14): too many authentication failures`,
  );
});

test('what an sshd asks before and after reaches nobody', async () => {
  const hostKeys = say.globalRequest('hostkeys-00@openssh.com', false, say.text('key'));
  const rig = await rigOf({
    serve: (link) => {
      link.send(hostKeys);
      return (message) => link.received.put(Buffer.from(message));
    },
  });
  const client = await rig.login();
  const link = await rig.pod.links.take();
  link.send(hostKeys);
  link.send(say.globalRequest('hostkeys-prove-00@openssh.com', true));
  link.send(say.globalRequest('keepalive@openssh.com', true));
  expect(say.describeMessage(await client.received.take())).toBe('GLOBAL_REQUEST keepalive@openssh.com');
  expect(await next(link)).toBe('REQUEST_FAILURE');
});

test('one that opens channel after channel uninvited is cut off, and the client sees none of them', async () => {
  const rig = await rigOf();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  for (let count = 0; count < 65; count++) link.send(say.channelOpen('forwarded-tcpip', count, Buffer.alloc(24)));
  expect((await client.closed.promise)?.message).toContain('[pod-protocol,');
  expect(client.received.size).toBe(0);
});

test('a pod that still has its sidecar is told who comes, until it is replaced', async () => {
  const rig = await rigOf({ software: SIDECAR_SOFTWARE });
  await rig.login();
  expect((await rig.pod.links.take()).assertion?.username).toBe('acme-hello');
  expect(lineOf(rig, 'start')).toMatchObject({ runtime: 'sidecar', software: SIDECAR_SOFTWARE });
});

test('a pod that still has its sshd gets nobody where the route says sidecar; a replaced one does', async () => {
  const rig = await rigOf({}, { runtime: 'sidecar' });
  await expect(loginOf(rig)).rejects.toThrow(/spec\.runtime.*\[outdated-pod, connection/);
  expect(rig.pod.authenticationAttempts).toBe(0);
  const replaced = new FakePod({ hostKey: keys.pod, mappingKey: keys.mapping });
  onTestFinished(() => replaced.close());
  const port = await replaced.listen();
  // The same port on another address.
  const gate = createServer((socket) => {
    const pod = connect(port, '127.0.0.1', () => socket.pipe(pod).pipe(socket));
    for (const one of [socket, pod]) one.on('error', () => socket.destroy());
  });
  onTestFinished(() => void gate.close());
  await new Promise<void>((resolve) => gate.listen(rig.podPort, '127.0.0.5', resolve));
  rig.setPods(['127.0.0.1', '127.0.0.5']);
  await rig.login();
  expect((await replaced.links.take()).assertion?.username).toBe('acme-hello');
});

test('an sshd is not told that access has ended, which it could do nothing about', async () => {
  const rig = await rigOf();
  const client = await rig.login();
  const link = await rig.pod.links.take();
  rig.setRoute({ runtime: 'main_container', enabled: false });
  await client.closed.promise;
  expect((await link.closed.promise)?.message).toContain('disabled');
  expect(link.received.size).toBe(0);
});
