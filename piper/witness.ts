/** What the cluster's people see of us: Events about an SshAccess, and about our own pod. */
import { API_VERSION, KIND } from '../crds/index.ts';
import type { EventRecorder, Regarding } from '../lib/kube/event-recorder.ts';
import type { BanEvents } from './abuse/ban-events.ts';
import type { Ban } from './abuse/failures.ts';
import type { Grant } from './admission.ts';
import { type RefusalCode, refusalSentence } from './refusals.ts';

/** Is told of what somebody should know beside the log. */
export type Witness = {
  banned: (ban: Ban) => void;
  refused: (grant: Grant, code: RefusalCode) => void;
};

/** In a laptop's terminal the log is enough. */
export const NO_WITNESS: Witness = { banned: () => undefined, refused: () => undefined };

/** Those that a user cannot help and an administrator can. How a session ends by itself is no news. */
const TOLD: ReadonlySet<RefusalCode> = new Set<RefusalCode>([
  'ceiling-refused',
  'disabled',
  'expired',
  'host-key-mismatch',
  'host-key-unknown',
  'mapping-key-refused',
  'no-pods',
  'outdated-pod',
  'pod-protocol',
  'stale',
  'too-many-connections',
  'unreachable',
  'upstream-failed',
]);

/** Writes Events. The recorder does not repeat itself, and nothing of a note is a client's choice: a flood is one Event. */
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

  refused({ username, login }: Grant, code: RefusalCode): void {
    if (!TOLD.has(code)) return;
    const { namespace, name, uid, runtime } = login.route;
    const regarding: Regarding = { apiVersion: API_VERSION, kind: KIND, namespace, name, uid };
    const note = `${username} was refused: ${refusalSentence(code, runtime)}`;
    void this.#events.record(regarding, { type: 'Warning', reason: reasonOf(code), action: 'Serve', note });
  }
}

/** `host-key-mismatch` is `HostKeyMismatch`: Events have reasons in camel case. */
const reasonOf = (code: RefusalCode): string =>
  code.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());
