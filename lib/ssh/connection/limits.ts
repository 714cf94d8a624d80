/** RFC 4254 §5.2 leaves sizes to the implementation. These bound what a peer can make us hold. */

/** What a peer may send before we have taken any of it; data beyond it ends the connection. */
export const RECEIVE_WINDOW = 2 * 1024 * 1024;

/** The largest data message that we accept; larger ones end the connection. */
export const RECEIVE_MAX_PACKET = 32 * 1024;

/** The largest data message that we send, whatever the peer would take. */
export const SEND_MAX_PACKET = 64 * 1024;

/** A peer that takes less a message would make us send (nearly) empty ones for ever: its channel is refused. */
export const MIN_REMOTE_MAX_PACKET = 256;

/** RFC 4254 §5.2: a window must never be increased beyond this. */
export const MAX_WINDOW = 2 ** 32 - 1;

/** Requests whose answers take time: for one more, the connection ends. */
export const MAX_PENDING_REQUESTS = 16;

/** Replies that a peer which does not read may make us hold, before we stop reading from it. */
export const MAX_UNREAD_REPLIES = 64 * 1024;
