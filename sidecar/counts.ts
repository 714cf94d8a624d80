/** What starts in a session, as the metrics call it. */
export const PROGRAM_KINDS = ['shell', 'exec', 'sftp'] as const;
export type ProgramKind = (typeof PROGRAM_KINDS)[number];

/** What is refused here, and why, in words of ours: nobody can make one more. */
export const REFUSED = [
  /** As many connections as there may be at all. */
  'connections',
  /** As many that have not logged in as there may be: the oldest of who has most of them goes. */
  'start-ups',
  /** A login that takes too long. */
  'grace',
  /** Any key but that of the gateway. */
  'key',
  /** A user, role or policy beyond what the pod's Secret allows. */
  'assertion',
  /** More sessions than the policy allows. */
  'sessions',
  /** A shell or command that the policy does not allow; what it does not allow of sftp; forwards. */
  'command',
  'subsystem',
  'forward',
  /** More forwarded connections at once than there may be. */
  'forwards',
] as const;
export type Refused = (typeof REFUSED)[number];

/**
 * What has happened in this pod, as numbers: for metrics, where somebody has asked for them (metrics.ts). They are kept either
 * way, since they are a few bytes; who it was is none of them, and stays in the log.
 */
export class Counts {
  /** Connections that the gateway has logged in on. */
  logins = 0;
  /** Open now: channels of sessions, and forwarded connections. */
  sessions = 0;
  forwards = 0;
  readonly #started = new Map<ProgramKind, number>();
  readonly #refused = new Map<Refused, number>();

  started(kind: ProgramKind): void {
    this.#started.set(kind, this.startedOf(kind) + 1);
  }

  refused(reason: Refused): void {
    this.#refused.set(reason, this.refusedFor(reason) + 1);
  }

  startedOf(kind: ProgramKind): number {
    return this.#started.get(kind) ?? 0;
  }

  refusedFor(reason: Refused): number {
    return this.#refused.get(reason) ?? 0;
  }
}
