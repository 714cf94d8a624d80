import * as z from 'zod/mini';
import { UidOffset } from './injection-record.ts';
import { Role, SessionPolicy } from './session-policy.ts';

/**
 * The global request (RFC 4254 section 4, want-reply true) that the piper sends right after the mapping key has
 * authenticated it, before anything of the client passes. Its one argument is a string: JSON of {@link IdentityAssertion}.
 * REQUEST_SUCCESS: the sidecar serves the connection as that user. REQUEST_FAILURE: it does not, and disconnects.
 */
export const ASSERT_IDENTITY = 'assert-identity@sshaccess.dev';

/** What the sidecar calls itself (RFC 4253 section 4.2), by which the piper knows that it can be told who comes. */
// OpenSSH sends eow@openssh.com only to its own kind; without it `ssh host 'cat /dev/zero' | head` never ends.
export const SIDECAR_SOFTWARE = 'OpenSSH_10.0 sshaccess';

/**
 * A channel request (RFC 4254 section 5.4, want-reply false) of the sidecar to the piper, which does not pass it on: the
 * next CHANNEL_DATA on that channel is a warning of the sidecar's own, and no activity of the connection.
 */
export const NO_ACTIVITY = 'no-activity@sshaccess.dev';

/**
 * The global request (want-reply false) by which the piper ends a user's access, not just a connection: the user is
 * gone, expired or switched off. Its one argument is a string: the reason, a word. The sidecar then kills everything that
 * the open sessions of the connection have started, also what has left its session; what stayed of earlier ones, stays.
 * The DISCONNECT that follows has the same word as its text: where a key exchange is under way, no request can pass, and
 * it alone arrives (RFC 4253 section 7.1).
 */
export const END_ACCESS = 'end-access@sshaccess.dev';

/** The words that it comes with. */
export const ACCESS_ENDINGS = ['revoked', 'disabled', 'expired'] as const;

/**
 * The global request (want-reply false) by which the piper says that it will end the connection for a reason of its own,
 * and in how many seconds: its one argument, an uint32. The sidecar tells the terminals.
 */
export const ENDING_SOON = 'ending-soon@sshaccess.dev';

/** Who the user behind a piped connection is and what they may do. */
export const IdentityAssertion = z.strictObject({
  version: z.literal(1),
  username: z.string().check(z.minLength(1), z.maxLength(191)),
  role: Role,
  policy: SessionPolicy,
  /** Added to the uid of role limited, so that users of one pod are strangers to each other; 0 for root. */
  uidOffset: UidOffset,
  /** When the piper will end the connection because the user's time is over (RFC 3339): for the greeting. */
  expiresAt: z.optional(z.string().check(z.maxLength(40))),
  /** `SHA256:…` of the key whose signature the piper verified. */
  fingerprint: z.string().check(z.maxLength(128)),
  clientAddress: z.string().check(z.maxLength(64)),
  clientPort: z.int().check(z.minimum(0), z.maximum(65_535)),
  /** Names the connection in every log, Event and refusal. */
  connectionId: z.string().check(z.regex(/^[a-z0-9-]{1,64}$/)),
});
export type IdentityAssertion = z.infer<typeof IdentityAssertion>;
