/** What bounds the memory and the processes that strangers and users can make the sidecar spend. */

/** From the TCP connection to the accepted assertion. Only the piper comes here, so this is generous. */
export const LOGIN_GRACE_MS = 30_000;

/** Connections whose identity has not been asserted yet; for one more, the oldest is closed. */
export const MAX_STARTUPS = 64;

/** Connections at all. */
export const MAX_CONNECTIONS = 512;

/** Counted refusals of user authentication; the piper has one key and offers it once. */
export const MAX_AUTHENTICATION_TRIES = 3;

/** Forwarded TCP connections of one SSH connection, those that linger after their channel included. */
export const MAX_FORWARDS = 64;

/** Notices that a peer is gone without a word, such as a node that died. */
export const TCP_KEEPALIVE_MS = 60_000;

/** Where the port is taken. */
export const LISTEN_RETRY_MS = 5000;

/** After SIGTERM: what programs have to heed their SIGHUP, and the helper to kill those that do not. */
export const STOP_GRACE_MS = 5000;

/** So long before a connection's time is over its terminals are told; at half of the time where that is short. */
export const WARNING_MS = 60_000;

/**
 * The piper ends a connection whose time is over, and says why. The sidecar ends it so much later, in case that the
 * piper has not: late enough that it never comes first, whatever the delay between the two clocks.
 */
export const SECOND_LOCK_MS = 15_000;

/** A client that has been silent for so long is asked whether it is there, and so is one that does not answer. */
export const KEEPALIVE_INTERVAL_MS = 60_000;

/** So many questions without an answer: the client is gone. */
export const MAX_KEEPALIVES_UNANSWERED = 3;
