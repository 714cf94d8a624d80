import { ACCESS_ENDINGS, type Runtime } from '../crds/index.ts';
import { DISCONNECT } from '../lib/ssh/numbers.ts';

/**
 * Why the piper ends a connection, as data: the code goes into the record (and later into metrics), the sentence to the
 * person, the number into SSH_MSG_DISCONNECT. These are told only to those who proved to hold a key; before that, every
 * refusal looks like any other.
 */
export const REFUSALS = {
  disabled: {
    reason: DISCONNECT.BY_APPLICATION,
    sentence: 'ssh access to this workload is switched off (spec.enabled is false)',
  },
  expired: {
    reason: DISCONNECT.BY_APPLICATION,
    sentence:
      'your access to this workload has expired (expiresAt of the user, expiry-time of the key, or the certificate); who gave it to you can prolong it',
  },
  revoked: {
    reason: DISCONNECT.BY_APPLICATION,
    sentence: 'access was revoked: your user, key, role or policy on this workload has changed',
  },
  kicked: {
    reason: DISCONNECT.BY_APPLICATION,
    sentence: 'somebody who may change this SshAccess has ended your sessions; you may log in again',
  },
  idle: {
    reason: DISCONNECT.BY_APPLICATION,
    sentence: 'nothing has passed on this connection for longer than your policy allows (idleTimeoutSeconds)',
  },
  'session-too-long': {
    reason: DISCONNECT.BY_APPLICATION,
    sentence: 'this connection has lasted as long as your policy allows (maxDurationSeconds); connect again',
  },
  stale: {
    reason: DISCONNECT.SERVICE_NOT_AVAILABLE,
    sentence: 'this gateway has not heard from the cluster for too long to know who may come in; try again later',
  },
  'no-pods': {
    reason: DISCONNECT.SERVICE_NOT_AVAILABLE,
    sentence:
      'this workload has no running pod: it is scaled to zero, or none can start; kubectl describe sshacc says which',
  },
  'not-rolled-out': {
    reason: DISCONNECT.SERVICE_NOT_AVAILABLE,
    sentence:
      'the pods of this workload are still those of before ssh was set up; they have it once they are replaced (kubectl describe sshacc says what that waits for)',
  },
  'no-such-pod': {
    reason: DISCONNECT.BY_APPLICATION,
    sentence:
      'this workload has no such pod now; status.pods of the SshAccess lists them (<username>.<ordinal>, <username>--<pod>)',
  },
  unreachable: {
    reason: DISCONNECT.SERVICE_NOT_AVAILABLE,
    sentence:
      'no pod of this workload answered on its ssh port; try again in a moment; if that does not help, see whether a NetworkPolicy keeps the gateway out of its namespace',
  },
  'host-key-mismatch': {
    reason: DISCONNECT.HOST_KEY_NOT_VERIFIABLE,
    sentence:
      'the pod could not prove that it belongs to this workload (its host key is another one), so the gateway did not log in to it; an administrator should see what answers there',
  },
  'host-key-unknown': {
    reason: DISCONNECT.HOST_KEY_NOT_VERIFIABLE,
    sentence:
      "no host key of this workload's pods is known yet; try again in a moment, or see what kubectl describe sshacc says",
  },
  'outdated-pod': {
    reason: DISCONNECT.SERVICE_NOT_AVAILABLE,
    sentence:
      "this workload's pods are still those of before spec.runtime was changed; connect again when they are replaced",
  },
  'mapping-key-refused': {
    reason: DISCONNECT.BY_APPLICATION,
    sentence:
      "the pod did not accept the gateway's key; it may run with an outdated Secret: try again in two minutes, or restart the pod",
  },
  'ceiling-refused': {
    reason: DISCONNECT.BY_APPLICATION,
    sentence:
      'the pod does not allow this role and policy: at Pod Security level restricted there is no role limited (give access root); elsewhere its Secret may be outdated: try again in two minutes',
  },
  'upstream-failed': {
    reason: DISCONNECT.SERVICE_NOT_AVAILABLE,
    sentence: 'the pod ended the connection before your session could begin; try again in a moment',
  },
  'too-many-connections': {
    reason: DISCONNECT.TOO_MANY_CONNECTIONS,
    sentence: 'you have too many connections open to this workload; close one and try again',
  },
  // A channel is refused, and the connection goes on.
  'too-many-sessions': {
    reason: DISCONNECT.BY_APPLICATION,
    sentence: 'as many sessions are open on all of your connections as your policy allows (maxSessions)',
  },
  draining: {
    reason: DISCONNECT.BY_APPLICATION,
    sentence: 'this gateway has to shut down; connect again to reach another one',
  },
  'pod-gone': {
    reason: DISCONNECT.CONNECTION_LOST,
    sentence: 'the pod closed the connection; it may have been stopped or replaced',
  },
  // What a pod says at its end is for the record: it could write anything onto the person's screen, even this.
  'pod-ended': {
    reason: DISCONNECT.BY_APPLICATION,
    sentence: 'the pod ended the connection; the record of this gateway has the reason that it gave',
  },
  'pod-protocol': {
    reason: DISCONNECT.BY_APPLICATION,
    sentence: 'the pod violated the ssh protocol and was cut off',
  },
  protocol: {
    reason: DISCONNECT.PROTOCOL_ERROR,
    sentence: 'the ssh protocol was violated',
  },
} as const;

export type RefusalCode = keyof typeof REFUSALS;

/** What says nothing about anybody: so strangers hear it, too. */
export const TURNED_AWAY = {
  'start-ups': [DISCONNECT.TOO_MANY_CONNECTIONS, 'too many others are logging in; try again'],
  starting: [
    DISCONNECT.SERVICE_NOT_AVAILABLE,
    'this gateway has started and has not heard from the cluster yet who may come in; try again in a moment',
  ],
} as const;

/** Those that end a user's access and not just a connection: what they have left running in the pod goes, too. */
export const ENDS_OF_ACCESS: ReadonlySet<string> = new Set<RefusalCode>(ACCESS_ENDINGS);

/** What is said instead where the sshd is the image's own: then there is more that can be wrong, and be done. */
const OF_MAIN_CONTAINER: Readonly<Partial<Record<RefusalCode, string>>> = {
  unreachable:
    'no sshd answers in the pods of this workload: its image must start one; kubectl describe sshacc says on which port, and what is wrong',
  'host-key-mismatch':
    "the pod's host key is none that is known of this workload; where the pod has just started, try again in a moment",
  'mapping-key-refused':
    "the image's sshd refused the gateway's key; set mainContainer.setup: Image if it does not run /ssh-init/05-ssh-init.sh; if not managed, check user and authorizedKeysPath",
};

/** What is wrong, and what to do. */
export const refusalSentence = (code: RefusalCode, runtime: Runtime): string =>
  (runtime === 'main_container' ? OF_MAIN_CONTAINER[code] : undefined) ?? REFUSALS[code].sentence;

/** One line for the person: the sentence, and the id under which the operator's log tells more. */
export function refusalText(code: RefusalCode, connectionId: string, runtime: Runtime = 'sidecar'): string {
  return `${refusalSentence(code, runtime)} [${code}, connection ${connectionId}]`;
}

/** Thrown where a connection cannot be made; `message` says more than the person is told, for the log. */
export class RefusalError extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
  }
}
