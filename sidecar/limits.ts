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
