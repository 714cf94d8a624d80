import { describe, expect, test } from 'vitest';
import { DEFAULT_POLICIES, type RouteUser } from '../crds/index.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { FakeClock } from '../lib/ssh/testing/fake-clock.ts';
import { makeSecurityKey } from '../lib/ssh/testing/security-key.ts';
import { signedData, writeRequest } from '../lib/ssh/authentication/request.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { Networks } from './arrival/networks.ts';
import * as say from './testing/messages.ts';
import { keys, startRig, type Rig, type RigOptions } from './testing/rig.ts';

const alice = keys.alice.publicKey.toLine();
const bob = keys.bob.publicKey.toLine();

type Route = Parameters<Rig['setRoute']>[0];

/** A rig in which acme-hello has these lines. */
async function rigOf(lines: readonly string[], options: RigOptions = {}, policy: Partial<RouteUser['policy']> = {}) {
  const rig = await startRig(options);
  const setLines = (now: readonly string[], changes: Route = {}): void =>
    rig.setRoute({
      users: rig.users
        .slice(0, 1)
        .map((user) => ({ ...user, authorizedKeys: [...now], policy: { ...user.policy, ...policy } })),
      ...changes,
    });
  setLines(lines);
  return { ...rig, setLines };
}

/** The record of a login that is refused like any stranger's. */
async function refusedRecord(rig: Rig): Promise<unknown> {
  const client = rig.client();
  await expect(client.login('acme-hello', keys.alice)).rejects.toThrow('refused our key');
  client.close();
  const line = await rig.record('refused');
  expect(rig.pod.links.size).toBe(0);
  return line['detail'];
}

test('A7: the options of the key narrow what the pod is told, and what the piper lets pass', async () => {
  const rig = await rigOf([`restrict,port-forwarding,permitopen="localhost:8080" ${alice}`]);
  const client = await rig.login();
  const link = await rig.pod.links.take();
  expect(link.assertion?.policy).toEqual({ ...DEFAULT_POLICIES.root, pty: false, localPorts: [8080] });
  client.send(say.directTcpip(1, '127.0.0.1', 22));
  expect(say.describeMessage(await client.received.take())).toBe('CHANNEL_OPEN_FAILURE 1 1');
  client.send(say.directTcpip(1, '127.0.0.1', 8080));
  expect(say.describeMessage(await link.received.take())).toBe('CHANNEL_OPEN direct-tcpip 1');
  client.send(say.channelOpen('session', 3));
  await link.received.take();
  link.send(say.confirmation(3, 40));
  await client.received.take();
  client.send(say.channelRequest(40, 'pty-req', true, Buffer.alloc(24)));
  expect(say.describeMessage(await client.received.take())).toBe('CHANNEL_FAILURE 3');
});

test('A7: a forced command runs in place of what was asked for, and hears what that was', async () => {
  const rig = await rigOf([`command="rrsync /data" ${alice}`]);
  const client = await rig.login();
  const link = await rig.pod.links.take();
  expect(link.assertion?.policy).toMatchObject({
    commands: ['rrsync /data'],
    forceCommand: true,
    sftp: { access: 'none' },
  });
  client.send(say.channelOpen('session', 3));
  await link.received.take();
  link.send(say.confirmation(3, 40));
  await client.received.take();
  client.send(say.channelRequest(40, 'subsystem', true, say.text('sftp')));
  const told = Buffer.concat([say.text('SSH_ORIGINAL_COMMAND'), say.text('internal-sftp')]);
  expect(await link.received.take()).toEqual(say.channelRequest(40, 'env', false, told));
  expect(await link.received.take()).toEqual(say.channelRequest(40, 'exec', true, say.text('rrsync /data')));
});

test("a forced command lets nobody in where the image's own sshd would run it", async () => {
  const rig = await rigOf([`command="rrsync /data" ${alice}`]);
  rig.setLines([`command="rrsync /data" ${alice}`], { runtime: 'main_container' });
  expect(await refusedRecord(rig)).toMatch(/^key-not-authorized \(forced-command-in-main-container\)/);
});

describe('A3: restrictions come from the key that signed', () => {
  test('who asks about the free key and signs with the restricted one is restricted', async () => {
    const rig = await rigOf([alice, `restrict ${bob}`]);
    const client = await rig.newcomer();
    client.query('acme-hello', keys.alice);
    expect((await client.received.take())[0]).toBe(MSG.USERAUTH_PK_OK);
    client.authenticate('acme-hello', keys.bob);
    expect((await client.received.take())[0]).toBe(MSG.USERAUTH_SUCCESS);
    const { assertion } = await rig.pod.links.take();
    expect(assertion).toMatchObject({
      fingerprint: keys.bob.publicKey.fingerprint,
      policy: { pty: false, localForwarding: 'none' },
    });
  });

  test('a failed signature of the free key leaves nothing behind', async () => {
    const rig = await rigOf([alice, `command="date" ${bob}`]);
    const client = await rig.newcomer();
    client.authenticate('acme-hello', keys.alice, { signer: keys.stranger });
    expect((await client.received.take())[0]).toBe(MSG.USERAUTH_FAILURE);
    client.authenticate('acme-hello', keys.bob);
    expect((await client.received.take())[0]).toBe(MSG.USERAUTH_SUCCESS);
    expect((await rig.pod.links.take()).assertion?.policy.commands).toEqual(['date']);
  });

  test('the order of two lines of one key decides, and not who asks first', async () => {
    const rig = await rigOf([`from="198.51.100.7" ${alice}`, `no-pty ${alice}`, alice]);
    await rig.login();
    expect((await rig.pod.links.take()).assertion?.policy.pty).toBe(false);
  });
});

describe('A7: what a line demands is kept', () => {
  test('from= elsewhere: refused like a wrong key, and the record says why', async () => {
    const rig = await rigOf([`from="198.51.100.0/24,!127.0.0.1,*" ${alice}`]);
    expect(await refusedRecord(rig)).toBe(`key-not-authorized (address) ${keys.alice.publicKey.fingerprint}`);
  });

  test('from= here', async () => {
    const rig = await rigOf([`from="127.0.0.0/8" ${alice}`]);
    await rig.login();
  });

  test('from= looks at the client behind a trusted proxy, and not at the proxy', async () => {
    const limits = { trustedProxies: new Networks('127.0.0.1') };
    const rig = await rigOf([`from="192.0.2.1" ${alice}`, `from="127.0.0.1" ${bob}`], { limits });
    const preface = 'PROXY TCP4 192.0.2.1 203.0.113.7 55608 2222\r\n';
    await rig.login('acme-hello', keys.alice, { preface });
    await expect(rig.login('acme-hello', keys.bob, { preface })).rejects.toThrow('refused our key');
  });

  test('expiry-time= in the past: refused like a wrong key', async () => {
    const rig = await rigOf([`expiry-time="20300101" ${alice}`], { now: () => Date.UTC(2030, 0, 1) });
    expect(await refusedRecord(rig)).toMatch(/^key-not-authorized \(expired\)/);
  });

  test('a line with an option that we do not know lets nobody in', async () => {
    const rig = await rigOf([`hurry ${alice}`]);
    expect(await refusedRecord(rig)).toMatch(/^key-not-authorized SHA256/);
    expect(rig.lines.some((line) => JSON.stringify(line).includes('the option hurry is not known'))).toBe(true);
  });

  test('the key of an authority does not log in itself', async () => {
    const rig = await rigOf([`cert-authority ${alice}`]);
    expect(await refusedRecord(rig)).toMatch(/^key-not-authorized SHA256/);
  });

  test.each([
    ['', { flags: 0 }, false],
    ['', { flags: 1 }, true],
    ['no-touch-required', { flags: 0 }, true],
    ['verify-required', { flags: 1 }, false],
    ['verify-required', { flags: 5 }, true],
    ['verify-required', { flags: 4 }, false],
    ['no-touch-required,verify-required', { flags: 4 }, true],
  ])('a security key under %j with %j: %s', async (options, how, accepted) => {
    const key = makeSecurityKey('ed25519');
    const rig = await rigOf([`${options} ${key.publicKey.toLine()}`.trim()]);
    const client = await rig.newcomer();
    const { type: algorithm, blob } = key.publicKey;
    const data = signedData({ sessionId: client.link.transport.sessionId, username: 'acme-hello', algorithm, blob });
    const request = writeRequest({ username: 'acme-hello', algorithm, blob });
    client.send(new Writer(1024).raw(request).string(key.sign(data, how)).bytes());
    const answer = await client.received.take();
    expect(answer[0]).toBe(accepted ? MSG.USERAUTH_SUCCESS : MSG.USERAUTH_FAILURE);
  });
});

describe('live sessions', () => {
  test('E1: end when the key expires, and say so; the pod has known when', async () => {
    const clock = new FakeClock();
    const begin = Date.UTC(2030, 0, 1);
    const now = (): number => begin + clock.now();
    const rig = await rigOf([`expiry-time="20300101010000Z" ${alice}`], { clock, now });
    const client = await rig.login();
    const link = await rig.pod.links.take();
    expect(link.assertion?.expiresAt).toBe('2030-01-01T01:00:00.000Z');
    clock.pass(3_599_000);
    expect(rig.piper.connections.size).toBe(1);
    clock.pass(1_000);
    expect((await client.closed.promise)?.message).toContain('[expired,');
    expect((await link.closed.promise)?.message).toContain('expired');
  });

  test.each([
    ['a terminal is taken', `no-pty ${alice}`, true],
    ['a command is forced', `command="date" ${alice}`, true],
    ['another address is asked for', `from="198.51.100.7" ${alice}`, true],
    ['the key has expired', `expiry-time="20200101" ${alice}`, true],
    ['the key signs certificates from now on', `cert-authority ${alice}`, true],
    ['an option comes that takes nothing', `user-rc ${alice}`, false],
    ['it expires later', `expiry-time="20990101" ${alice}`, false],
  ])('when %s', async (_what, line, ends) => {
    const rig = await rigOf([alice, bob]);
    const client = await rig.login();
    await rig.pod.links.take();
    rig.setLines([line, bob]);
    if (ends) expect((await client.closed.promise)?.message).toMatch(/\[(revoked|expired),/);
    expect(rig.piper.connections.size).toBe(ends ? 0 : 1);
  });

  test('an expiry that comes while they run ends them on time', async () => {
    const clock = new FakeClock();
    const begin = Date.UTC(2030, 0, 1);
    const rig = await rigOf([alice], { clock, now: () => begin + clock.now() });
    const client = await rig.login();
    rig.setLines([`expiry-time="203001010001" ${alice}`]);
    clock.pass(59_000);
    expect(rig.piper.connections.size).toBe(1);
    clock.pass(1_000);
    expect((await client.closed.promise)?.message).toContain('[expired,');
  });

  test('a security key that may suddenly be asked for more than it has shown', async () => {
    const key = makeSecurityKey('ecdsa');
    const line = key.publicKey.toLine();
    const rig = await rigOf([line]);
    const client = await rig.newcomer();
    const { type: algorithm, blob } = key.publicKey;
    const data = signedData({ sessionId: client.link.transport.sessionId, username: 'acme-hello', algorithm, blob });
    client.send(
      new Writer(1024)
        .raw(writeRequest({ username: 'acme-hello', algorithm, blob }))
        .string(key.sign(data))
        .bytes(),
    );
    expect((await client.received.take())[0]).toBe(MSG.USERAUTH_SUCCESS);
    rig.setLines([`verify-required ${line}`]);
    expect((await client.closed.promise)?.message).toContain('[revoked,');
  });
});
