import type { Role } from '../../crds/index.ts';

/** A connection that has reached its pod. */
export type Presence = {
  /** Of the connection, as the log and the Events know it. */
  readonly id: string;
  readonly username: string;
  readonly role: Role;
  /** `namespace/name`, and the uid that tells it from one that had its name before. */
  readonly sshAccess: string;
  readonly uid: string;
  readonly pod: string;
  /** Address of the client. */
  readonly source: string;
  /** When it reached the pod, in milliseconds since the epoch. */
  readonly since: number;
  /** Session channels that are open on it. */
  readonly sessions: number;
};
