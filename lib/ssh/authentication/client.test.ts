import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SshError } from '../errors.ts';
import { PrivateKey } from '../keys/private-key.ts';
import { MSG } from '../numbers.ts';
import type { SshPair } from '../testing/ssh-pair.ts';
import { connectSshPair } from '../testing/ssh-pair.ts';
import { Writer } from '../wire.ts';
import { UserAuthenticationClient } from './client.ts';
import type { VerifiedUser } from './server.ts';
import { UserAuthenticationServer } from './server.ts';

const key = PrivateKey.generateEd25519();
const accept = new Writer().byte(MSG.SERVICE_ACCEPT).string('ssh-userauth').bytes();
const failure = new Writer().byte(MSG.USERAUTH_FAILURE).string('publickey').boolean(false).bytes();
const banner = new Writer().byte(MSG.USERAUTH_BANNER).string('hello').string('').bytes();

type Attempt = { pair: SshPair; successes: number; failures: SshError[] };

/** A client in front of a server that answers what the test says. */
function attempt(answers: readonly Buffer[], withKey = key): Attempt {
  const state = { successes: 0, failures: new Array<SshError>() };
  const pair = connectSshPair({
    client: {
      onReady: () => client.start(),
      onMessage: (payload) => client.receive(payload),
    },
  });
  const client = new UserAuthenticationClient({
    transport: pair.client.transport,
    username: 'acme',
    key: withKey,
    onSuccess: () => state.successes++,
    onFailure: (error) => state.failures.push(error),
  });
  pair.settle();
  for (const answer of answers) pair.server.transport.send(answer);
  pair.settle();
  return Object.assign(state, { pair });
}

test('service request and signed request leave together, and our own server takes them', () => {
  const verified: VerifiedUser[] = [];
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  for (const one of [key, PrivateKey.parse(rsa.toString())]) {
    let successes = 0;
    const pair = connectSshPair({
      client: { onReady: () => client.start(), onMessage: (payload) => client.receive(payload) },
      server: { onMessage: (payload) => server.receive(payload) },
    });
    const client = new UserAuthenticationClient({
      transport: pair.client.transport,
      username: 'acme',
      key: one,
      onSuccess: () => successes++,
      onFailure: (error) => {
        throw error;
      },
    });
    const server = new UserAuthenticationServer({
      transport: pair.server.transport,
      authorize: (_username, offered) => offered.equals(one.publicKey),
      maxTries: 1,
      onVerified: (user) => {
        verified.push(user);
        server.succeed();
      },
    });
    pair.settle();
    expect(pair.server.messages.map((payload) => payload[0])).toEqual([MSG.SERVICE_REQUEST, MSG.USERAUTH_REQUEST]);
    expect(successes).toBe(1);
  }
  expect(verified.map(({ username }) => username)).toEqual(['acme', 'acme']);
});

test('success, after banners', () => {
  const { successes, failures } = attempt([accept, banner, banner, Buffer.of(MSG.USERAUTH_SUCCESS)]);
  expect([successes, failures]).toEqual([1, []]);
});

test('a refusal is told to the owner, who ends the connection', () => {
  const { pair, successes, failures } = attempt([accept, failure]);
  expect([successes, failures]).toEqual([0, [expect.objectContaining({ code: 'authentication' })]]);
  expect(pair.client.closes).toEqual([]);
});

test('A3: partial success is not success', () => {
  const partial = new Writer().byte(MSG.USERAUTH_FAILURE).string('publickey').boolean(true).bytes();
  expect(attempt([accept, partial]).failures[0]?.message).toContain('more than our key');
});

describe('a server that breaks the rules ends the connection', () => {
  test.each([
    ['success before the service is accepted', [Buffer.of(MSG.USERAUTH_SUCCESS)]],
    ['success with bytes behind it', [accept, Buffer.of(MSG.USERAUTH_SUCCESS, 0)]],
    ['another service', [new Writer().byte(MSG.SERVICE_ACCEPT).string('ssh-connection').bytes()]],
    ['the service twice', [accept, accept]],
    ['a question we did not ask', [accept, Buffer.of(MSG.USERAUTH_PK_OK)]],
    ['a channel before success', [accept, Buffer.of(MSG.CHANNEL_OPEN)]],
    ['a request of its own', [accept, Buffer.of(MSG.USERAUTH_REQUEST)]],
    ['a malformed failure', [accept, Buffer.of(MSG.USERAUTH_FAILURE)]],
    ['banners without end', [accept, ...Array.from({ length: 20 }, () => banner)]],
  ])('%s', (_what, answers) => {
    const { pair, successes, failures } = attempt(answers);
    expect([successes, failures]).toEqual([0, []]);
    expect(pair.client.closes).toEqual([expect.objectContaining({ code: 'protocol' })]);
  });
});
