import { DISCONNECT } from './numbers.ts';

/** RFC 4253 §11.1: the reason we give the peer for each of our codes, unless the error carries its own. */
const REASON_BY_CODE: Readonly<Record<string, number>> = {
  protocol: DISCONNECT.PROTOCOL_ERROR,
  'key-exchange': DISCONNECT.KEY_EXCHANGE_FAILED,
  'host-key': DISCONNECT.HOST_KEY_NOT_VERIFIABLE,
  mac: DISCONNECT.MAC_ERROR,
  authentication: DISCONNECT.NO_MORE_AUTH_METHODS_AVAILABLE,
  timeout: DISCONNECT.BY_APPLICATION,
  closed: DISCONNECT.CONNECTION_LOST,
  disconnected: DISCONNECT.BY_APPLICATION,
  internal: DISCONNECT.BY_APPLICATION,
};

/**
 * Whatever ends an SSH connection, or makes a key unreadable.
 *
 * `code` is a stable word for logs and metrics: `protocol` (the peer broke a rule), `key-exchange`, `host-key`, `mac`,
 * `authentication`, `timeout`, `closed` (the socket went away), `disconnected` (the peer said goodbye;
 * `disconnectReason` is then the peer's), `internal` (our own fault); of keys: `key` (unreadable), `weak-key`,
 * `unsupported-key`. The message never holds key material.
 */
export class SshError extends Error {
  readonly code: string;
  readonly disconnectReason: number;

  constructor(code: string, message: string, options: { cause?: unknown; disconnectReason?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SshError';
    this.code = code;
    this.disconnectReason = options.disconnectReason ?? REASON_BY_CODE[code] ?? DISCONNECT.PROTOCOL_ERROR;
  }
}

/** The one place where an unknown thrown value becomes an SshError: what we did not foresee is `internal`. */
export function asSshError(thrown: unknown): SshError {
  if (thrown instanceof SshError) return thrown;
  return new SshError('internal', 'an unexpected error ended the connection', { cause: thrown });
}
