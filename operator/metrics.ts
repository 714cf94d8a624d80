import { Gauge } from 'prom-client';
import { RECONCILE_RESULTS, type ReconcileResult } from '../lib/kube/controller.ts';
import { Metrics } from '../lib/process/metrics.ts';
import type { CachedAccess } from './cached-access.ts';
import { CONDITION_TYPES } from './status.ts';
import { SENTENCES } from './findings.ts';

/** A run asks the API server a few times, and writes only where something changes. */
const RECONCILE_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What is read when somebody asks. */
export type MetricSources = {
  queueDepth: () => number;
  isLeader: () => boolean;
  accesses: () => readonly Pick<CachedAccess, 'status'>[];
};

/** The metrics of an operator. No namespace and no name is a label: of those there may be ten thousand. */
export class OperatorMetrics extends Metrics {
  readonly #runs = this.counter(
    'sshaccess_operator_reconciles_total',
    'Reconciles of an SshAccess that have ended. conflict and throttled are tried again, as error is; terminal waits for a change of the object.',
    { result: RECONCILE_RESULTS },
  );
  readonly #duration = this.seconds(
    'sshaccess_operator_reconcile_duration_seconds',
    'How long each took.',
    RECONCILE_SECONDS,
  );

  constructor() {
    super('operator');
  }

  readonly reconciled = (result: ReconcileResult, durationMs: number): void => {
    this.#runs({ result });
    this.#duration(durationMs);
  };

  /** To be called once, when there is something to read. */
  watch({ queueDepth, isLeader, accesses }: MetricSources): void {
    this.gauge('sshaccess_operator_queue_depth', 'SshAccesses that wait for a reconcile.', queueDepth);
    this.gauge('sshaccess_operator_leader', 'Whether this replica leads: 1 or 0. Only who leads reconciles.', () =>
      Number(isLeader()),
    );
    const gauge: Gauge = new Gauge({
      name: 'sshaccess_operator_ssh_accesses',
      help: 'SshAccesses by the status and reason of each of their conditions: each counts once for Ready, once for Injected, …. Every replica sees the same. docs/troubleshooting.md explains the reasons.',
      labelNames: ['condition', 'status', 'reason'],
      registers: [this.registry],
      collect: () => {
        gauge.reset();
        // None is news, too.
        gauge.set({ condition: 'Ready', status: 'True', reason: 'SshReady' }, 0);
        gauge.set({ condition: 'Injected', status: 'False', reason: 'PodsNotInjected' }, 0);
        for (const labels of accesses().flatMap(conditionsOf)) gauge.inc(labels);
      },
    });
  }
}

type ConditionLabels = { condition: string; status: string; reason: string };

/** What stands in status may be another's, or an older version's: a word that is not ours makes no series. */
function conditionsOf({ status }: Pick<CachedAccess, 'status'>): ConditionLabels[] {
  const conditions = status.conditions ?? [];
  const known = conditions.filter(({ type }) => CONDITION_TYPES.has(type));
  // Nobody has looked at it yet.
  if (!known.some(({ type }) => type === 'Ready'))
    return [{ condition: 'Ready', status: 'Unknown', reason: 'Unknown' }];
  return known.map(({ type, status: holds, reason }) => ({
    condition: type,
    status: holds,
    reason: Object.hasOwn(SENTENCES, reason) ? reason : 'other',
  }));
}
