import type { Certificate } from '../lib/ssh/keys/certificate.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { Grant } from './admission.ts';
import type { LoginTrace } from './login-trace.ts';
import type { Upstream } from './upstream.ts';

/**
 * The record of one connection: a line when it begins, one when it ends, or one when it is refused. JSON escapes what
 * the client chose, so a username cannot forge a line.
 */
export class ConnectionRecord {
  readonly #log: Logger;
  readonly #since: number;
  readonly #opened = new Set<string>();
  readonly #refused = new Set<string>();
  readonly #trace: LoginTrace | undefined;
  #began = false;

  /** @param log bound to the connection's id and client address */
  constructor(log: Logger, trace?: LoginTrace) {
    this.#log = log;
    this.#trace = trace;
    this.#since = performance.now();
  }

  get ageMs(): number {
    return performance.now() - this.#since;
  }

  /** What was opened or started on it, as the policy filter saw it: there are only so many kinds that it lets pass. */
  readonly began = (kind: string): void => {
    this.#opened.add(kind);
    this.#trace?.began(kind);
  };

  /** What the filter refused, and why; it bounds how many. */
  readonly refused = (what: string): void => void this.#refused.add(what);

  started(grant: Grant, { pod, server }: Upstream): void {
    this.#began = true;
    this.#log.info({ event: 'start', ...who(grant), pod: pod.name, ...server }, 'connection');
    this.#trace?.arrived(grant);
  }

  /** The one line at the end. A connection that never began is a refusal. */
  ended(
    end: {
      grant?: Grant | undefined;
      username?: string | undefined;
      reason: string;
      detail?: string | undefined;
    } & Traffic,
  ): void {
    const { grant, username, reason, detail, bytesIn, bytesOut } = end;
    const line = {
      event: this.#began ? 'end' : 'refused',
      ...(grant === undefined ? { username } : who(grant)),
      reason,
      detail,
      durationMs: Math.round(this.ageMs),
      bytesIn,
      bytesOut,
      opened: this.#began ? [...this.#opened] : undefined,
      refused: this.#refused.size > 0 ? [...this.#refused] : undefined,
    };
    this.#log[LEVELS[reason] ?? 'info'](line, 'connection');
    this.#trace?.ended(grant, reason);
  }
}

export type Traffic = { bytesIn: number; bytesOut: number };

/** Port scans, health checks and floods are noise; a pod with a foreign host key is an incident. */
const LEVELS: Readonly<Record<string, 'debug' | 'error'>> = {
  'not-ssh': 'debug',
  'start-ups': 'debug',
  starting: 'debug',
  'host-key-mismatch': 'error',
  'pod-protocol': 'error',
};

function who({ username, key, certificate, login }: Grant) {
  const { namespace, name } = login.route;
  return {
    username,
    role: login.user.role,
    fingerprint: key.fingerprint,
    certificate: certificate === undefined ? undefined : whose(certificate),
    sshAccess: `${namespace}/${name}`,
  };
}

/** What an authority's own records know a certificate by. */
function whose({ keyId, serial, authority }: Certificate) {
  return { keyId, serial: String(serial), authority: authority.fingerprint };
}
