/**
 * Pure: how a key gives way to the next without a login that fails (docs/adr/0010). Who verifies the key learns the
 * next one first; then it is used; and the old one is forgotten when nobody can be using it any more.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';

/**
 * The private key as it is written: the text that was read stays the text that is written, because each rendering of
 * one key in OpenSSH's format differs (a random check number), and a difference would be written for ever.
 */
export type KeyPair = { readonly pem: string; readonly publicLine: string };

/** Kept with the key, as an annotation of its Secret. */
export const RotationNote = z.object({
  /** What of the SshAccess's annotation was last acted upon. */
  handled: z.string().max(64).optional(),
  /** Until then nothing more happens. */
  until: z.iso.datetime().optional(),
  /** The public line of the key before. */
  old: z.string().max(1_024).optional(),
});
export type RotationNote = z.infer<typeof RotationNote>;

/** A key in use, and while it is rotated either the one that comes after it, or the one that was before it. */
export type KeyRing = RotationNote & { readonly current: KeyPair; readonly next?: KeyPair | undefined };

/** All that are accepted now, the one in use first. */
export function acceptedLines({ current, next, old }: KeyRing): readonly string[] {
  const other = next?.publicLine ?? old;
  return other === undefined ? [current.publicLine] : [current.publicLine, other];
}

export const noteOf = ({ handled, until, old }: KeyRing): RotationNote => ({ handled, until, old });

/** How long it takes to reach those who verify the key, and those who use it. */
export type Delays = { readonly verifiersMs: number; readonly usersMs: number };

export type Circumstances = {
  /** See {@link asked}. */
  readonly wanted: string | undefined;
  /** What is stored for those who verify has the next key in it. */
  readonly isPublished: boolean;
  /** Somebody still knows only what was there before `since`, and will until a restart. */
  readonly isHeldUp: (phase: 'spreading' | 'retiring', since: string) => boolean;
  readonly delays: Delays;
  readonly now: Date;
};

/** One step, if there is one to make: a rotation that is under way is finished before another begins. */
export function turn(ring: KeyRing, circumstances: Circumstances): KeyRing {
  const { wanted, isPublished, isHeldUp, delays, now } = circumstances;
  const { current, next, handled, until, old } = ring;
  const isWaiting = (phase: 'spreading' | 'retiring', time: string): boolean =>
    Date.parse(time) > now.getTime() || isHeldUp(phase, time);
  if (next !== undefined) {
    if (until === undefined) return isPublished ? { ...ring, until: after(delays.verifiersMs, now) } : ring;
    if (isWaiting('spreading', until)) return ring;
    return { current: next, handled, until: after(delays.usersMs, now), old: current.publicLine };
  }
  if (old !== undefined) {
    if (until === undefined) return { ...ring, until: after(delays.usersMs, now) };
    return isWaiting('retiring', until) ? ring : { current, handled };
  }
  return wanted === undefined || wanted === handled ? ring : { current, handled: wanted, next: generateKeyPair() };
}

/** When it will be over, if nothing holds it up; undefined: there is no rotation. */
export function endOf({ next, old, until }: KeyRing, { verifiersMs, usersMs }: Delays, now: Date): string | undefined {
  if (next !== undefined) return after(usersMs, new Date(until ?? after(verifiersMs, now)));
  return old === undefined ? undefined : (until ?? after(usersMs, now));
}

/** What the value of an annotation asks for: another value, another key. Tenants write it, so only its hash is kept. */
export function asked(value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  return createHash('sha256').update(value).digest('base64url').slice(0, 22);
}

export function generateKeyPair(): KeyPair {
  const key = PrivateKey.generateEd25519();
  return { pem: key.toOpenSsh(), publicLine: key.publicKey.toLine() };
}

/** In whole seconds, as Kubernetes says when a pod was made. */
const after = (ms: number, now: Date): string =>
  new Date(Math.ceil((now.getTime() + ms) / 1_000) * 1_000).toISOString();
