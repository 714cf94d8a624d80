/** One run of the reconciler for one SshAccess: what all its steps need. */
import type { KubeClient } from '../lib/kube/client.ts';
import type { Result } from '../lib/kube/controller.ts';
import type { EventRecorder } from '../lib/kube/event-recorder.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { CachedAccess } from './cached-access.ts';
import type { Config } from './config.ts';
import type { Labellings } from './labellings.ts';
import type { Writer } from './own-objects.ts';
import type { Presence } from './presence/presence.ts';
import type { Prober } from './probe/prober.ts';
import { storyteller, type Tell } from './story.ts';
import type { WebhookProbe } from './webhook-probe.ts';
import type { World } from './world.ts';

export type ReconcilerOptions = {
  client: KubeClient;
  world: World;
  prober: Prober;
  presence: Presence;
  labellings: Labellings;
  webhook: WebhookProbe;
  events: EventRecorder;
  config: Config;
  log: Logger;
  clock: () => Date;
  /** What the pods' Secret brings to images with an sshd of their own. */
  initScript: string;
};

/** Holds nothing that outlives it. */
export class Run {
  readonly options: ReconcilerOptions;
  readonly cached: CachedAccess;
  readonly signal: AbortSignal;
  readonly now: Date;
  readonly tell: Tell;
  readonly writer: Writer;
  readonly #requeues: number[] = [];

  constructor(options: ReconcilerOptions, cached: CachedAccess, signal: AbortSignal) {
    this.options = options;
    this.cached = cached;
    this.signal = signal;
    this.now = options.clock();
    this.tell = storyteller(options.events, cached.metadata, signal);
    this.writer = { client: options.client, systemNamespace: options.config.systemNamespace, signal };
  }

  /** Another run is wanted in `ms` milliseconds. */
  requeueIn(ms: number): void {
    this.#requeues.push(ms);
  }

  /** Another run is wanted once this time (RFC 3339) is over. */
  requeueAt(time: string): void {
    // One second later: then it is over without doubt.
    this.requeueIn(Date.parse(time) - this.now.getTime() + 1_000);
  }

  /** What the controller is told: the earliest of the runs that were wanted. */
  get result(): Result {
    return this.#requeues.length === 0 ? {} : { requeueAfterMs: Math.max(1_000, Math.min(...this.#requeues)) };
  }
}
