/** What one look at the sshd of a pod can find, and what it means. Pure. */
import { SshError } from '../../lib/ssh/errors.ts';
import { DISCONNECT } from '../../lib/ssh/numbers.ts';

/** Where to look, and what must be there. */
export type ProbeTarget = {
  /** uid of the pod. */
  readonly pod: string;
  /** Id of the container: another with each start. */
  readonly container: string;
  readonly address: string;
  readonly port: number;
  readonly username: string;
  /** OpenSSH private key (PEM). */
  readonly mappingKey: string;
  /** Lines of the keys of which the pod must show one; none: whatever it shows is taken. */
  readonly hostKeys: readonly string[];
  /** They are learned from the pods: `hostKeys` is at most what this very container has shown before. */
  readonly isLearning: boolean;
};

/** `ident` is what the server calls itself after `SSH-2.0-`: printable US-ASCII, at most 246 characters. */
export type Outcome =
  | { readonly result: 'reached'; readonly ident: string; readonly hostKey: string }
  /** Nobody listens on the port. */
  | { readonly result: 'refused' }
  /** No TCP connection: `detail` is the system's word. */
  | { readonly result: 'unreachable'; readonly detail: string }
  | { readonly result: 'silent' | 'not-ssh' }
  | { readonly result: 'other-host-key'; readonly ident: string }
  | { readonly result: 'key-refused'; readonly ident: string }
  /** It speaks ssh, and something else goes wrong: `detail` is a sentence of ours. */
  | { readonly result: 'failed'; readonly ident: string; readonly detail: string };

/** How far it had come when it ended. */
export type Progress = { readonly isConnected: boolean; readonly isAuthenticating: boolean; readonly ident: string };

/** Both are how a server says that it takes no further try. */
const NO_MORE_TRIES: ReadonlySet<number> = new Set([
  DISCONNECT.NO_MORE_AUTH_METHODS_AVAILABLE,
  DISCONNECT.PROTOCOL_ERROR,
]);

/** Why there was no login. Nothing that the pod said is in it but its ident: the outcome goes into status. */
export function failureOf(
  { isConnected, isAuthenticating, ident }: Progress,
  error: SshError | NodeJS.ErrnoException,
): Outcome {
  const code = error.code ?? 'unknown';
  if (!isConnected) return code === 'ECONNREFUSED' ? { result: 'refused' } : { result: 'unreachable', detail: code };
  if (ident === '') return { result: code === 'protocol' ? 'not-ssh' : 'silent' };
  if (code === 'host-key') return { result: 'other-host-key', ident };
  if (code === 'authentication') return { result: 'key-refused', ident };
  if (code !== 'disconnected' || !(error instanceof SshError))
    return { result: 'failed', ident, detail: error.message };
  const { disconnectReason } = error;
  if (isAuthenticating && NO_MORE_TRIES.has(disconnectReason)) return { result: 'key-refused', ident };
  return { result: 'failed', ident, detail: `it ended the connection (reason ${disconnectReason} of RFC 4253)` };
}
