import { CONTRACT_ID, SSH_ENV } from '../crds/index.ts';
import type { Container, Pod } from './pod.ts';
import { effective } from './security-context.ts';

/** What the API server takes for runAsUser. */
const MOST = 2 ** 31 - 1;

/**
 * The uid and gid that every session of a managed main_container gets; null: something decides that we cannot see.
 *
 * | runAsUser     | PUID of the pod                    | uid                                                               |
 * | ------------- | ---------------------------------- | ----------------------------------------------------------------- |
 * | not 0         | any                                | runAsUser: an sshd without privileges can serve no uid but its own |
 * | 0 or not set  | a number                           | that; 0 only where the pod may run as root                        |
 * | 0 or not set  | valueFrom, or no number            | null                                                              |
 * | 0 or not set  | empty or not set                   | the contract's: 1000                                              |
 *
 * The last row stands also for an image whose USER is another uid, which no pod tells: such an image sets PUID in the pod.
 * Neither is a PUID in an `envFrom` seen: what `env` says wins over it.
 */
export function sessionIds(pod: Pod, target: Container): { uid: number | null; gid: number | null } {
  const { runAsUser, runAsGroup, runAsNonRoot } = effective(pod, target);
  const uid = ownId(target, SSH_ENV.uid);
  return {
    uid: positive(runAsUser) ?? (uid === 0 && runAsNonRoot === true ? CONTRACT_ID : uid),
    gid: positive(runAsGroup) ?? ownId(target, SSH_ENV.gid),
  };
}

const positive = (id: number | undefined): number | undefined => (id === 0 ? undefined : id);

function ownId({ env = [] }: Container, name: string): number | null {
  // Of two with one name the last one counts.
  const own = env.findLast((variable) => variable.name === name);
  if (own === undefined) return CONTRACT_ID;
  if (own['valueFrom'] !== undefined) return null;
  if (own.value === undefined || own.value === '') return CONTRACT_ID;
  const id = /^[0-9]{1,10}$/.test(own.value) ? Number(own.value) : null;
  return id !== null && id <= MOST ? id : null;
}
