import { generateKeyPairSync } from 'node:crypto';
import { expect } from 'vitest';
import { signedData } from '../authentication/request.ts';
import type { RefusedAttempt, UserAuthenticationServerOptions, VerifiedUser } from '../authentication/server.ts';
import { UserAuthenticationServer } from '../authentication/server.ts';
import { PrivateKey } from '../keys/private-key.ts';
import type { PublicKey } from '../keys/public-key.ts';
import { MSG } from '../numbers.ts';
import { Writer } from '../wire.ts';
import { SERVICE_REQUEST } from './raw-client.ts';
import type { RawSession } from './raw-session.ts';
import { rawSession } from './raw-session.ts';

export type Login = RawSession & {
  authentication: UserAuthenticationServer;
  verified: VerifiedUser[];
  refused: RefusedAttempt[];
  asked: { username: string; fingerprint: string }[];
  /** What an honest client signs; each part may be another than in the request. */
  sign: (signer: PrivateKey, parts?: Parts & { sessionId?: Buffer }) => Buffer;
};

export const alice = PrivateKey.generateEd25519();
export const root = PrivateKey.generateEd25519();
export const stranger = PrivateKey.generateEd25519();
export const rsaPair = generateKeyPairSync('rsa', { modulusLength: 2048 });
export const rsa = PrivateKey.parse(rsaPair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());

/** alice and root may log in as "acme", each with a key; so may RSA. */
export function beginLogin(options: Partial<UserAuthenticationServerOptions> = {}): Login {
  const verified: VerifiedUser[] = [];
  const refused: RefusedAttempt[] = [];
  const asked: Login['asked'] = [];
  const known = [alice, root, rsa].map(({ publicKey }) => publicKey);
  const session = rawSession({ onMessage: (payload) => authentication.receive(payload) });
  const authentication = new UserAuthenticationServer({
    transport: session.server,
    authorize: (username, key) => {
      asked.push({ username, fingerprint: key.fingerprint });
      return username === 'acme' && known.some((one) => one.equals(key));
    },
    maxTries: 6,
    onVerified: (user) => verified.push(user),
    onRefused: (attempt) => refused.push(attempt),
    ...options,
  });
  session.exchangeKeys();
  session.client.inbox.length = 0;
  const sign: Login['sign'] = (signer, parts = {}) =>
    signature(parts.sessionId ?? session.server.sessionId, signer, parts);
  return Object.assign(session, { authentication, verified, refused, asked, sign });
}

/** A login of which the client may say whose it is. */
export function beginAuthentication(options: Partial<UserAuthenticationServerOptions> = {}): Login {
  const login = beginLogin(options);
  login.client.send(SERVICE_REQUEST);
  expect(login.client.take(MSG.SERVICE_ACCEPT).toString('latin1')).toContain('ssh-userauth');
  return login;
}

/** With this error, and nobody has been let in. */
export function expectEnded({ closes, client, verified }: Login, code: string): void {
  expect(closes).toEqual([expect.objectContaining({ code })]);
  expect(client.inbox.map((payload) => payload[0])).not.toContain(MSG.USERAUTH_SUCCESS);
  expect(verified).toEqual([]);
}

export type Parts = {
  username?: string | Buffer;
  service?: string;
  method?: string;
  algorithm?: string;
  key?: PublicKey;
  blob?: Buffer;
  signature?: Buffer;
};

export function request(parts: Parts): Buffer {
  const key = parts.key ?? alice.publicKey;
  const writer = new Writer()
    .byte(MSG.USERAUTH_REQUEST)
    .string(parts.username ?? 'acme')
    .string(parts.service ?? 'ssh-connection')
    .string(parts.method ?? 'publickey')
    .boolean(parts.signature !== undefined)
    .string(parts.algorithm ?? key.signatureAlgorithms[0] ?? '')
    .string(parts.blob ?? key.blob);
  if (parts.signature !== undefined) writer.string(parts.signature);
  return writer.bytes();
}

function signature(sessionId: Buffer, signer: PrivateKey, parts: Parts = {}): Buffer {
  const key = parts.key ?? signer.publicKey;
  const algorithm = parts.algorithm ?? key.signatureAlgorithms[0] ?? '';
  const data = signedData({ sessionId, username: parts.username ?? 'acme', algorithm, blob: parts.blob ?? key.blob });
  return signer.sign(signer.publicKey.signatureAlgorithms.includes(algorithm) ? algorithm : 'ssh-ed25519', data);
}

export const FAILURE = new Writer().byte(MSG.USERAUTH_FAILURE).string('publickey').boolean(false).bytes();
