import type { SessionPolicy } from '../crds/session-policy.ts';
import { duration } from './duration.ts';
import type { Entry } from './entry.ts';

export type GreetingInput = {
  namespace: string;
  podName: string;
  container: string;
  entry: Entry;
  account: { name: string };
  uid: number;
  policy: SessionPolicy;
  /** When the user logged in. */
  since: Date;
  /** When the user's access ends, if it does (RFC 3339). */
  expiresAt?: string | undefined;
  audited: boolean;
};

/** The message of the day of an interactive shell: where it is, as whom, until when, and who looks on. */
export function greeting(input: GreetingInput): string[] {
  const { entry, account, uid } = input;
  const place = [input.namespace, input.podName].filter((name) => name !== '').join('/');
  const container = entry.kind === 'chroot' ? [`container "${input.container}"`] : [];
  const where = [place, ...container].filter((part) => part !== '').join(', ');
  return [
    `sshaccess: ${where}${where === '' ? '' : '; '}you are ${account.name}, uid ${uid}.`,
    ...(entry.kind === 'toolbox' ? [entry.notice] : []),
    ...terms(input),
  ];
}

function terms({ policy, since, expiresAt, audited }: GreetingInput): string[] {
  const until = earliest([
    policy.maxDurationSeconds === 0 ? Number.NaN : since.getTime() + policy.maxDurationSeconds * 1000,
    Date.parse(expiresAt ?? ''),
  ]);
  const ends = [
    ...(until === undefined ? [] : [`at ${minute(until)}`]),
    ...(policy.idleTimeoutSeconds === 0 ? [] : [`when idle for ${duration(policy.idleTimeoutSeconds * 1000)}`]),
  ];
  const clauses = [
    ...(audited ? ['what you run is recorded'] : []),
    ...(ends.length === 0 ? [] : [`the connection ends ${ends.join(', or ')}`]),
  ];
  return clauses.length === 0 ? [] : [`sshaccess: ${clauses.join('; ')}.`];
}

function earliest(times: readonly number[]): number | undefined {
  const known = times.filter((time) => Number.isFinite(time));
  return known.length === 0 ? undefined : Math.min(...known);
}

/** `2026-11-21 18:00 UTC`. */
const minute = (time: number): string => `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
