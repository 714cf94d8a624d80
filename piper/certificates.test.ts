/** A6 at the door itself: forged and foreign certificates of every kind, by a client that says what it is told to. */
import { beforeEach, describe, expect, test } from 'vitest';
import { signedData, writeRequest } from '../lib/ssh/authentication/request.ts';
import { type AuthorizedKey, parseAuthorizedKeys } from '../lib/ssh/keys/authorized-keys.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { type CertificateParts, flag, makeCertificate, option } from '../lib/ssh/testing/certificates.ts';
import { FakeClock } from '../lib/ssh/testing/fake-clock.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { keys, startRig, type Rig } from './testing/rig.ts';

const NOW = Date.UTC(2030, 0, 1);
const seconds = BigInt(NOW / 1000);
const ca = PrivateKey.generateEd25519();
const central = PrivateKey.generateEd25519();
const ALGORITHM = 'ssh-ed25519-cert-v01@openssh.com';
const user = 'acme-hello';

let rig: Rig;
let clock: FakeClock;
const linesOf = (text: string): AuthorizedKey[] => parseAuthorizedKeys(text).keys;

beforeEach(async () => {
  clock = new FakeClock();
  const authorities = linesOf(`cert-authority ${central.publicKey.toLine()}`);
  rig = await startRig({ clock, now: () => NOW + clock.now(), authorities });
  setLine(`cert-authority ${ca.publicKey.toLine()}`);
});

function setLine(line: string): void {
  rig.setRoute({ users: rig.users.map((one) => ({ ...one, authorizedKeys: [line] })) });
}

const blobOf = (parts: Partial<CertificateParts> = {}): Buffer =>
  makeCertificate({ key: keys.alice.publicKey, authority: ca, principals: [user], ...parts });

type Attempt = { signer?: PrivateKey; username?: string; algorithm?: string; signed?: Buffer };

/** Signs in with a certificate; `signed` is what the signature covers in place of it. */
async function attempt(
  blob: Buffer,
  { signer = keys.alice, username = user, algorithm = ALGORITHM, signed }: Attempt = {},
) {
  const client = await rig.newcomer();
  const { sessionId } = client.link.transport;
  const data = signedData({ sessionId, username, algorithm, blob: signed ?? blob });
  const signature = signer.sign('ssh-ed25519', data);
  client.send(new Writer(2048).raw(writeRequest({ username, algorithm, blob })).string(signature).bytes());
  const answer = await client.received.take();
  return { client, answer, type: answer[0] };
}

test('a certificate lets in, and the record shows whose it is', async () => {
  const { client, type } = await attempt(blobOf({ serial: 2n ** 63n, keyId: 'alice\n{"event":"start"}' }));
  expect(type).toBe(MSG.USERAUTH_SUCCESS);
  const { assertion } = await rig.pod.links.take();
  expect(assertion).toMatchObject({ username: user, fingerprint: keys.alice.publicKey.fingerprint });
  client.close();
  const certificate = {
    keyId: 'alice?{"event":"start"}',
    serial: '9223372036854775808',
    authority: ca.publicKey.fingerprint,
  };
  expect(await rig.record('start')).toMatchObject({ fingerprint: keys.alice.publicKey.fingerprint, certificate });
  expect(await rig.record('end')).toMatchObject({ certificate });
});

test('what a certificate does not permit, and what it forces, narrows the session', async () => {
  await attempt(blobOf({ extensions: [flag('permit-pty')], critical: [option('force-command', 'uptime')] }));
  const { assertion } = await rig.pod.links.take();
  expect(assertion?.policy).toMatchObject({
    pty: true,
    localForwarding: 'none',
    commands: ['uptime'],
    forceCommand: true,
    sftp: { access: 'none' },
  });
});

const nested = () => blobOf({ key: keys.bob.publicKey });

describe('A6: refused, and the same bytes for all', () => {
  test.each<[string, () => Buffer, Attempt, RegExp]>([
    ['an authority that nobody trusts', () => blobOf({ authority: keys.stranger }), {}, /^key-not-authorized SHA/],
    ['expired', () => blobOf({ validBefore: seconds }), {}, /\(expired\)/],
    ['not yet valid', () => blobOf({ validAfter: seconds + 1n }), {}, /\(not-yet-valid\)/],
    ['of a host', () => blobOf({ type: 2 }), {}, /\(certificate-of-a-host\)/],
    ['for nobody', () => blobOf({ principals: [] }), {}, /\(principal\)/],
    ['for another user', () => blobOf({ principals: ['acme-hello-dev'] }), {}, /\(principal\)/],
    ['for a part of the name', () => blobOf({ principals: ['acme', 'acme-hell', ''] }), {}, /\(principal\)/],
    ['for a pattern', () => blobOf({ principals: ['*', 'acme-*', '.*'] }), {}, /\(principal\)/],
    ['for a list in one name', () => blobOf({ principals: [`x,${user}`] }), {}, /\(principal\)/],
    ['with an unknown critical option', () => blobOf({ critical: [flag('hurry')] }), {}, /\(certificate-options\)/],
    ['for another address', () => blobOf({ critical: [option('source-address', '198.51.100.7')] }), {}, /\(address\)/],
    ['verify-required, of a key that cannot', () => blobOf({ critical: [flag('verify-required')] }), {}, /^signature/],
    ['tampered with', () => tampered(blobOf()), {}, /^key-unreadable/],
    [
      'signed by another key than its authority',
      () => blobOf({ sign: (it) => keys.stranger.sign('ssh-ed25519', it) }),
      {},
      /^key-unreadable/,
    ],
    [
      'of an authority that is itself a certificate',
      () => blobOf({ authority: keys.bob, signatureKey: nested() }),
      {},
      /^key-unreadable/,
    ],
    ['of somebody who does not hold its key', () => blobOf(), { signer: keys.stranger }, /^signature/],
    ['of its authority, without its key', () => blobOf(), { signer: ca }, /^signature/],
    ['whose signature covers the bare key', () => blobOf(), { signed: keys.alice.publicKey.blob }, /^signature/],
    ['in the name of a bare key', () => blobOf(), { algorithm: 'ssh-ed25519' }, /^algorithm/],
    [
      'in the name of another certificate',
      () => blobOf(),
      { algorithm: 'rsa-sha2-512-cert-v01@openssh.com' },
      /^algorithm/,
    ],
    [
      'for an unknown user',
      () => blobOf({ principals: ['nobody'] }),
      { username: 'nobody' },
      /^key-not-authorized SHA/,
    ],
  ])('%s', async (_what, make, how, detail) => {
    const { client, answer } = await attempt(make(), how);
    const failure = new Writer().byte(MSG.USERAUTH_FAILURE).nameList(['publickey']).boolean(false).bytes();
    expect(answer).toEqual(failure);
    client.close();
    expect((await rig.record('refused'))['detail']).toMatch(detail);
    expect(rig.pod.links.size).toBe(0);
  });

  test('the bare key in a certificate that is trusted', async () => {
    const client = rig.client();
    await expect(client.login(user, keys.alice)).rejects.toThrow('refused our key');
    await expect(rig.client().login(user, ca)).rejects.toThrow('refused our key');
  });

  test('any certificate where the key itself is what the line names', async () => {
    setLine(keys.alice.publicKey.toLine());
    expect((await attempt(blobOf())).type).toBe(MSG.USERAUTH_FAILURE);
    expect((await attempt(blobOf({ authority: keys.alice }))).type).toBe(MSG.USERAUTH_FAILURE);
  });
});

/** Its key id changed, where every length still fits. */
function tampered(blob: Buffer): Buffer {
  const at = blob.indexOf('alice of acme');
  expect(at).toBeGreaterThan(0);
  const changed = Buffer.from(blob);
  changed.write('mallory', at);
  return changed;
}

describe("an authority of the gateway's", () => {
  test('signs for users, each under their own name', async () => {
    const { type } = await attempt(blobOf({ authority: central }));
    expect(type).toBe(MSG.USERAUTH_SUCCESS);
    expect((await attempt(blobOf({ authority: central, principals: ['acme-hello-dev'] }))).type).toBe(
      MSG.USERAUTH_FAILURE,
    );
  });

  test('makes no users', async () => {
    const blob = blobOf({ authority: central, principals: ['nobody'] });
    expect((await attempt(blob, { username: 'nobody' })).type).toBe(MSG.USERAUTH_FAILURE);
  });
});

test('a session ends with its certificate, or with the trust in its authority', async () => {
  const first = await attempt(blobOf({ validBefore: seconds + 60n }));
  const second = await attempt(blobOf({ key: keys.bob.publicKey }), { signer: keys.bob });
  expect([first.type, second.type]).toEqual([MSG.USERAUTH_SUCCESS, MSG.USERAUTH_SUCCESS]);
  clock.pass(60_000);
  expect((await first.client.closed.promise)?.message).toContain('[expired,');
  expect(rig.piper.connections.size).toBe(1);
  setLine(`cert-authority,principals="ops" ${ca.publicKey.toLine()}`);
  expect((await second.client.closed.promise)?.message).toContain('[revoked,');
});

test('A10: certificates that are only asked about are few, for each is a signature to verify before anybody has shown a key', async () => {
  const client = await rig.newcomer();
  const ask = (): void => {
    const request = writeRequest({ username: user, algorithm: ALGORITHM, blob: blobOf({ authority: keys.stranger }) });
    // RFC 4252 section 7: no signature follows.
    request[request.indexOf('publickey') + 'publickey'.length] = 0;
    client.send(request);
  };
  for (let query = 0; query < 8; query++) {
    ask();
    expect((await client.received.take())[0]).toBe(MSG.USERAUTH_FAILURE);
  }
  ask();
  expect(await client.closed.promise).toMatchObject({ disconnectReason: 14 });
});
