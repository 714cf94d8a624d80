/** What the cluster's people see of us: Events about an SshAccess, and about our own pod. */
import { API_VERSION, KIND } from '../crds/index.ts';
import type { EventDetails, EventRecorder } from '../lib/kube/event-recorder.ts';
import type { BanEvents } from './abuse/ban-events.ts';
import type { Ban } from './abuse/failures.ts';
import type { Grant } from './admission.ts';
import { ENDS_OF_ACCESS, type RefusalCode, refusalSentence } from './refusals.ts';

/** Is told of what somebody should know beside the log. */
export type Witness = {
  banned: (ban: Ban) => void;
  /** Somebody has reached a pod. */
  loggedIn: (grant: Grant, connectionId: string) => void;
  /** Somebody has not. */
  refused: (grant: Grant, code: RefusalCode, connectionId: string) => void;
  /** Somebody who was there was told to go. */
  ended: (grant: Grant, code: RefusalCode, connectionId: string) => void;
};

/** In a laptop's terminal the log is enough. */
export const NO_WITNESS: Witness = {
  banned: () => undefined,
  loggedIn: () => undefined,
  refused: () => undefined,
  ended: () => undefined,
};

/** Those that a user cannot help and an administrator can. How a session ends by itself is no news. */
const TOLD: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  'ceiling-refused',
  'disabled',
  'draining',
  'expired',
  'host-key-mismatch',
  'host-key-unknown',
  'mapping-key-refused',
  'no-pods',
  'not-rolled-out',
  'outdated-pod',
  'pod-protocol',
  'stale',
  'too-many-connections',
  'too-many-sessions',
  'unreachable',
  'upstream-failed',
]);

/** Writes Events. Nothing of a note is a client's choice; the recorder does not repeat itself, and has room for so many. */
export class KubernetesWitness implements Witness {
  readonly #events: EventRecorder;
  readonly #bans: BanEvents | undefined;

  /** @param bans about our own pod, where we know it */
  constructor(events: EventRecorder, bans: BanEvents | undefined) {
    this.#events = events;
    this.#bans = bans;
  }

  banned(ban: Ban): void {
    this.#bans?.banned(ban);
  }

  loggedIn(grant: Grant, connectionId: string): void {
    const note = `${grant.username} logged in with the key ${grant.key.fingerprint} (connection ${connectionId})`;
    this.#tell(grant, { type: 'Normal', reason: 'LoggedIn', note });
  }

  /** Many in a row are one Event, which names the first: by it the record tells why. */
  refused(grant: Grant, code: RefusalCode, connectionId: string): void {
    if (!TOLD.has(code)) return;
    const note = `${grant.username} was refused: ${sentenceFor(grant, code)}`;
    this.#tell(grant, { type: 'Warning', reason: reasonOf(code), note, example: `connection ${connectionId}` });
  }

  ended(grant: Grant, code: RefusalCode, connectionId: string): void {
    const isOver = ENDS_OF_ACCESS.has(code);
    const isMeant = isOver || code === 'kicked';
    if (!isMeant && !TOLD.has(code)) return;
    const note = `${grant.username} was sent away: ${sentenceFor(grant, code)} (connection ${connectionId})`;
    const reason = isOver ? 'AccessEnded' : reasonOf(code);
    this.#tell(grant, { type: isMeant ? 'Normal' : 'Warning', reason, note });
  }

  #tell({ login }: Grant, details: Omit<EventDetails, 'action'>): void {
    const { namespace, name, uid } = login.route;
    const regarding = { apiVersion: API_VERSION, kind: KIND, namespace, name, uid };
    void this.#events.record(regarding, { action: 'Serve', ...details });
  }
}

const sentenceFor = ({ login }: Grant, code: RefusalCode): string => refusalSentence(code, login.route.runtime);

/** `host-key-mismatch` is `HostKeyMismatch`: Events have reasons in camel case. */
const reasonOf = (code: RefusalCode): string =>
  code.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
