import { GROUP } from '../crds/index.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { runController } from '../lib/kube/controller.ts';
import { EventRecorder } from '../lib/kube/event-recorder.ts';
import { WorkQueue } from '../lib/kube/work-queue.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { Config } from './config.ts';
import { INIT_SCRIPT } from './init-script/init-script.ts';
import { Labellings } from './labellings.ts';
import type { OperatorMetrics } from './metrics.ts';
import { keepSweeping } from './orphan-routes.ts';
import { Presence, type PresencePace } from './presence/presence.ts';
import { probePod } from './probe/probe-pod.ts';
import { Prober } from './probe/prober.ts';
import { makeReconciler } from './reconciler.ts';
import { WebhookProbe } from './webhook-probe.ts';
import { World } from './world.ts';

const WORKERS = 4;

export type Operator = {
  /** Starts to follow the cluster; returns when everything has been read once. Writes nothing. */
  follow: (signal: AbortSignal) => Promise<void>;
  /** Reconciles until `signal` aborts. Only the leader calls it, after {@link follow} has returned. */
  lead: (signal: AbortSignal) => Promise<void>;
  isSynced: () => boolean;
};

export type OperatorOptions = {
  client: KubeClient;
  config: Config;
  log: Logger;
  metrics?: OperatorMetrics;
  clock?: () => Date;
  probing?: { firstRetryMs?: number };
  pace?: PresencePace;
  webhookSettleMs?: number;
};

/** Wires the parts of the operator; nothing runs yet. */
export function createOperator(options: OperatorOptions): Operator {
  const { client, config, log, metrics, clock = () => new Date(), probing, pace, webhookSettleMs } = options;
  // A replica that does not lead keeps the keys of what changed, each once, and begins with all of them.
  const queue = new WorkQueue();
  const { systemNamespace, namespaces } = config;
  const touch = (key: string, delayMs = 0): void => queue.addAfter(key, delayMs);
  const world = new World({ client, systemNamespace, namespaces, log, touch });
  const events = new EventRecorder({ client, controller: `${GROUP}/operator`, instance: config.identity, log });
  const prober = new Prober({ touch, probe: probePod, ...probing });
  const presence = new Presence({ client, world, systemNamespace, log, clock, pace });
  const initScript = INIT_SCRIPT;
  const reconcile = makeReconciler({
    client,
    world,
    prober,
    presence,
    labellings: new Labellings(),
    webhook: new WebhookProbe({ client, systemNamespace, settleMs: webhookSettleMs }),
    events,
    config,
    log,
    clock,
    initScript,
  });
  let isLeader = false;
  metrics?.watch({
    queueDepth: () => queue.length,
    isLeader: () => isLeader,
    accesses: () => world.accesses.list(),
  });
  return {
    follow: async (signal) => {
      await world.start(signal);
      void presence.follow(signal);
    },
    lead: async (signal) => {
      isLeader = true;
      const stop = (): void => {
        isLeader = false;
        prober.stop();
      };
      signal.addEventListener('abort', stop, { once: true });
      await Promise.all([
        runController(
          { name: 'ssh-access', queue, reconcile, workers: WORKERS, log, onRun: metrics?.reconciled },
          signal,
        ),
        presence.lead(signal),
        keepSweeping({ client, world, systemNamespace, log }, signal),
      ]);
    },
    isSynced: () => world.synced,
  };
}
