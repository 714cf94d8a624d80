/** What a row is, and how a cell is judged: by what is seen, never by what is expected alone. */
import type { Role, SessionPolicy } from '../../crds/session-policy.ts';
import type { Finished } from '../support/process.ts';
import type { Client } from './client.ts';
import type { Column } from './columns.ts';
import type { Verdict } from './table.ts';

/** Who tries a feature, and where. */
export type Subject = {
  column: Column;
  role: Role;
  client: Client;
  /** What the operator has told the piper about this user. */
  policy: SessionPolicy;
};

/** Why a feature does not work here, and what must be seen then. */
export type Obstacle = { seen: RegExp } & ({ policy: string } | { why: string });

export type Feature = {
  title: string;
  /** Default: both. */
  roles?: readonly Role[];
  /** What stands in the way in this column, for this role, under this policy. */
  obstacle?: (subject: Subject) => Obstacle | undefined;
  /** For the reader of a cell that passed. */
  note?: (subject: Subject) => string | undefined;
  /** Does it; throws what it saw instead. */
  attempt: (subject: Subject) => Promise<void>;
};

/** A restricted pod has no role limited: whatever such a user tries. */
const noLimitedThere = ({ column, role }: Subject): Obstacle | undefined =>
  column.level === 'restricted' && role === 'limited'
    ? {
        policy:
          'at Pod Security level `restricted` no session can be less than the sidecar, so there is no role `limited`',
        seen: /at Pod Security level restricted there is no role limited/,
      }
    : undefined;

/** @throws where what was seen is not what must be */
export async function judge(feature: Feature, subject: Subject): Promise<Verdict> {
  const obstacle = noLimitedThere(subject) ?? feature.obstacle?.(subject);
  const failure = await feature.attempt(subject).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  if (obstacle === undefined) {
    if (failure !== undefined) throw new Error(`must pass: ${failure}`);
    return { mark: 'passed', note: feature.note?.(subject) };
  }
  const expected = 'policy' in obstacle ? `must be refused (${obstacle.policy})` : `must fail (${obstacle.why})`;
  if (failure === undefined) throw new Error(`${expected}, but works`);
  if (!obstacle.seen.test(failure)) throw new Error(`${expected} with ${String(obstacle.seen)}, but: ${failure}`);
  return 'policy' in obstacle
    ? { mark: 'refused', policy: obstacle.policy }
    : { mark: 'impossible', why: obstacle.why };
}

/** Throws what was seen, where it is not so. */
export function see(isSo: boolean, seen: string | Finished): void {
  if (isSo) return;
  throw new Error(typeof seen === 'string' ? seen : shown(seen));
}

/** How a program must have ended: with this status, and this on its standard output. */
export function saw(finished: Finished, stdout: string | RegExp, code = 0): void {
  const matches = typeof stdout === 'string' ? finished.stdout === stdout : stdout.test(finished.stdout);
  see(finished.code === code && matches, finished);
}

const shown = ({ code, signal, stdout, stderr }: Finished): string =>
  `ended with ${code ?? signal}; stdout ${JSON.stringify(stdout.slice(0, 500))}; stderr ${JSON.stringify(stderr.slice(-1500))}`;
