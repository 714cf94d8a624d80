/** What bounds the memory and the processes that strangers and users can make the sidecar spend. */

/** From the TCP connection to the accepted assertion. Only the piper comes here, so this is generous. */
export const LOGIN_GRACE_MS = 30_000;

/** Connections whose identity has not been asserted yet; for one more, the oldest is closed. */
export const MAX_STARTUPS = 64;

/** Connections at all. */
export const MAX_CONNECTIONS = 512;

/** Counted refusals of user authentication; the piper has one key and offers it once. */
export const MAX_AUTHENTICATION_TRIES = 3;

/**
 * Forwarded connections of one SSH connection, either way and of every kind (TCP, sockets, agent, X11), those that are
 * being opened and those that linger after their channel included. Each holds a window each way: 64 MiB at the most.
 */
export const MAX_FORWARDS = 64;

/** What one forwarded connection may make us hold in each direction. */
export const FORWARD_WINDOW = 512 * 1024;

/** Ports and sockets that one connection may have the pod listen on (-R). */
export const MAX_LISTENERS = 16;

/** Until somebody answers at a port or a socket that is forwarded to. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** A forwarded connection whose channel is gone delivers what it has, as long as it gets on; after so long without, it ends. */
export const FORWARD_LINGER_MS = 10_000;

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

/** Destinations of forwards that a connection leaves in the record. It reaches no more ports than the app listens at. */
export const MOST_FORWARDS_RECORDED = 64;

/** Ended sessions of one user that may leave something behind; for one more, what the oldest left goes. */
export const MAX_LEFTOVERS_PER_USER = 64;
