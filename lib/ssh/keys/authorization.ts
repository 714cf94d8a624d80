import { matchesAddress } from './addresses.ts';
import type { AuthorizedKey } from './authorized-keys.ts';
import type { Certificate } from './certificate.ts';
import { type KeyOptions, mergeOptions } from './key-options.ts';
import type { PublicKey } from './public-key.ts';

/** What somebody comes with. */
export type Offer = {
  username: string;
  key: PublicKey;
  /** Where the key came in one. */
  certificate?: Certificate | undefined;
  /** The client's. */
  address: string;
};

/** All of a line that decides. */
export type AuthorizedLine = Pick<AuthorizedKey, 'key' | 'options'>;

/** Why a key or certificate does not log in, in a word; from the farthest from it to the nearest. */
const OBJECTIONS = [
  'unknown',
  'certificate-of-a-host',
  'certificate-options',
  'principal',
  'forced-commands-differ',
  'address',
  'not-yet-valid',
  'expired',
] as const;
export type KeyObjection = (typeof OBJECTIONS)[number];

/**
 * The options under which an offer may log in by these lines (sshd(8)): those of the first that it meets in everything.
 * Otherwise what is wrong with it. Every line is looked at, found or not, so that the time does not tell which one it was.
 */
export function authorization(lines: readonly AuthorizedLine[], offer: Offer, now: number): KeyOptions | KeyObjection {
  let found: KeyOptions | undefined;
  let nearest: KeyObjection = 'unknown';
  for (const line of lines) {
    const judged = judge(line, offer, now);
    if (typeof judged === 'object') found ??= judged;
    else if (OBJECTIONS.indexOf(judged) > OBJECTIONS.indexOf(nearest)) nearest = judged;
  }
  return found ?? nearest;
}

function judge(line: AuthorizedLine, offer: Offer, now: number): KeyOptions | KeyObjection {
  const { certificate } = offer;
  const options = certificate === undefined ? ofKey(line, offer.key) : ofCertificate(line, certificate, offer, now);
  if (typeof options === 'string') return options;
  if (!options.from.every((list) => matchesAddress(list, offer.address))) return 'address';
  return options.expiresAt <= now ? 'expired' : options;
}

/** The key of an authority does not log in itself. */
function ofKey(line: AuthorizedLine, key: PublicKey): KeyOptions | KeyObjection {
  return line.key.equals(key) && !line.options.isAuthority ? line.options : 'unknown';
}

function ofCertificate(
  { key, options: line }: AuthorizedLine,
  certificate: Certificate,
  { username }: Offer,
  now: number,
): KeyOptions | KeyObjection {
  if (!key.equals(certificate.authority) || !line.isAuthority) return 'unknown';
  if (!certificate.isForUsers) return 'certificate-of-a-host';
  if (certificate.options === undefined) return 'certificate-options';
  // Whole names, each against each: no pattern, no list within a name. None is nobody, not everybody.
  const wanted = line.principals ?? [username];
  if (!certificate.principals.some((principal) => wanted.includes(principal))) return 'principal';
  if (now < certificate.validAfter) return 'not-yet-valid';
  return mergeOptions(line, certificate.options) ?? 'forced-commands-differ';
}
