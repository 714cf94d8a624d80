import { type AuthorizedKey, parseAuthorizedKeys } from '../lib/ssh/keys/authorized-keys.ts';
import { KEY_STATUS_LIMITS, type KeyStatus, MOST_KEYS_OF_ROUTE, type Runtime } from '../crds/index.ts';
import { INTERNAL_SFTP } from '../lib/ssh/keys/key-options.ts';
import { finding, type Finding } from './findings.ts';
import type { RequestedUser } from './requested-users.ts';
import { decode, textOf, type Secret } from './secret.ts';

/** The keys that one user may log in with, and what is wrong with the rest. */
export type UserKeys = {
  /** OpenSSH public key lines, with their options and without comments. */
  readonly lines: readonly string[];
  readonly fingerprints: readonly string[];
  /** For status. */
  readonly described: readonly KeyStatus[];
  readonly problems: readonly Finding[];
};

/** Looked at in this order. */
const DATA_KEYS = ['ssh-publickey', 'authorized_keys'];
/** As many as a route takes (crds/secret-contract.ts). */
const MAX_KEYS = 64;
/**
 * Of one user's lines, options and all, in the route. A Secret holds 1 MiB: were a route larger, it could not be written
 * any more, and whoever fills a key Secret could keep the SshAccess from being disabled.
 */
const MOST_BYTES = 65_536;
/** PEM of every kind, OpenSSH's own, and PuTTY's. */
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|PuTTY-User-Key-File-/;

/**
 * What a user's Secret (undefined: there is none) grants. A private key anywhere in it refuses the whole user.
 * @param room how many keys the users before this one have left of those of a route
 */
export function readUserKeys(
  { username, secretName }: Pick<RequestedUser, 'username' | 'secretName'>,
  secret: Secret | undefined,
  runtime: Runtime = 'sidecar',
  room = MOST_KEYS_OF_ROUTE,
): UserKeys {
  const refused = (problem: Finding): UserKeys => ({
    lines: [],
    fingerprints: [],
    described: [],
    problems: [problem],
  });
  if (secret === undefined) return refused(finding('KeySecretNotFound', username, secretName));
  const hasPrivateKey = Object.values(secret.data).some((value) => PRIVATE_KEY.test(decode(value)));
  if (hasPrivateKey) return refused(finding('PrivateKeyInSecret', username, secretName));

  const keys = new Map<string, AuthorizedKey>();
  const problems: Finding[] = [];
  for (const dataKey of DATA_KEYS) {
    const parsed = parseAuthorizedKeys(textOf(secret, dataKey) ?? '');
    if (parsed.problems.some(({ code }) => code === 'private-key')) {
      return refused(finding('PrivateKeyInSecret', username, secretName));
    }
    for (const key of parsed.keys) {
      if (canForce(runtime, key.options.command)) keys.set(key.bare, key);
      else problems.push(finding('KeyNotUsable', username, secretName, key.number, CANNOT_FORCE));
    }
    for (const { line, code, message } of parsed.problems) {
      if (code !== 'duplicate') problems.push(finding('KeyNotUsable', username, secretName, line, message));
    }
  }
  if (keys.size === 0 && problems.length === 0) problems.push(finding('NoKeys', username, secretName));
  const most = Math.min(MAX_KEYS, room);
  if (keys.size > MAX_KEYS) problems.push(finding('TooManyKeys', username, secretName, MAX_KEYS));
  if (room < Math.min(keys.size, MAX_KEYS))
    problems.push(finding('TooManyKeysOfAll', username, MOST_KEYS_OF_ROUTE, room));
  const used = withinBytes([...keys.values()].slice(0, most));
  if (used.length < Math.min(keys.size, most))
    problems.push(finding('KeysTooLong', username, secretName, MOST_BYTES / 1024, used.length));
  // A key may stand in several lines, with other options in each.
  const distinct = new Map<string, AuthorizedKey>();
  for (const key of used) if (!distinct.has(fingerprintOf(key))) distinct.set(fingerprintOf(key), key);
  return {
    lines: used.map(({ bare }) => bare),
    fingerprints: [...distinct.keys()],
    described: [...distinct.values()].slice(0, KEY_STATUS_LIMITS.keys).map((key) => describe(key)),
    problems,
  };
}

/** The first ones, as far as there is room. */
function withinBytes(keys: readonly AuthorizedKey[]): readonly AuthorizedKey[] {
  let bytes = 0;
  const tooMany = keys.findIndex(({ bare }) => (bytes += Buffer.byteLength(JSON.stringify(bare))) > MOST_BYTES);
  return tooMany === -1 ? keys : keys.slice(0, tooMany);
}

const CANNOT_FORCE =
  'command= is not honoured with runtime main_container, whose sshd would tell it that it itself was asked for (SSH_ORIGINAL_COMMAND); delete the option, or name internal-sftp';

/** The piper refuses these, too (piper/admission.ts). */
function canForce(runtime: Runtime, command: string | undefined): boolean {
  return runtime !== 'main_container' || command === undefined || command === INTERNAL_SFTP;
}

/** An authority's key does not log in: who looks for a stranger's key in the status must see the difference. */
function fingerprintOf({ key, options }: AuthorizedKey): string {
  return options.isAuthority ? `cert-authority ${key.fingerprint}` : key.fingerprint;
}

/** The parser has refused comments with control characters, or such as turn a line round. */
function describe({ key, comment, options }: AuthorizedKey): KeyStatus {
  const { isAuthority, principals } = options;
  return {
    fingerprint: key.fingerprint,
    ...(comment !== '' && { comment: shortened(comment, KEY_STATUS_LIMITS.comment) }),
    ...(isAuthority && { certAuthority: true }),
    ...(principals && { principals: shortened(principals.join(','), KEY_STATUS_LIMITS.principals) }),
  };
}

/** Never half of a character, of which UTF-16 has two. */
function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
