/** Who is there: read from the reports of the pipers, written into status at a bounded rate. */
import { setInterval } from 'node:timers/promises';
import { FIELD_MANAGERS } from '../../crds/index.ts';
import { applyStatus } from '../../lib/kube/apply.ts';
import { pause } from '../../lib/kube/backoff.ts';
import type { KubeClient } from '../../lib/kube/client.ts';
import { runController, type Request, type Result } from '../../lib/kube/controller.ts';
import { Informer } from '../../lib/kube/informer.ts';
import { keyOf } from '../../lib/kube/object-key.ts';
import { pathOf } from '../../lib/kube/resources.ts';
import { WorkQueue } from '../../lib/kube/work-queue.ts';
import type { Logger } from '../../lib/process/logger.ts';
import { SESSION_REPORTS, SSH_ACCESSES } from '../resources.ts';
import type { World } from '../world.ts';
import { withPresence } from './presence-status.ts';
import { parseReport, Reports, type Report, type Seen } from './reports.ts';

/** How often who is there is written into one SshAccess at most. */
const ACCESS_MS = 10_000;
/** And into any: ten a second. */
const OVERALL_MS = 100;
const EXPIRE_MS = 10_000;
/** Replicas, and those before them that still have sessions. Whoever can write reports could write any number. */
const MOST_REPORTS = 256;

/** Shorter in tests. */
export type PresencePace = { accessMs?: number; expireMs?: number };

export type PresenceOptions = {
  client: KubeClient;
  world: World;
  systemNamespace: string;
  log: Logger;
  clock: () => Date;
  pace?: PresencePace | undefined;
};

export class Presence {
  readonly #options: PresenceOptions;
  readonly #informer: Informer<Report>;
  readonly #reports = new Reports();
  readonly #queue = new WorkQueue();
  readonly #writtenAt = new Map<string, number>();
  readonly #accessMs: number;

  constructor(options: PresenceOptions) {
    this.#options = options;
    this.#accessMs = options.pace?.accessMs ?? ACCESS_MS;
    const { client, systemNamespace, log } = options;
    this.#informer = new Informer<Report>({
      client,
      log,
      path: pathOf(SESSION_REPORTS, { namespace: systemNamespace }),
      resyncMs: 0,
      parse: (object) => this.#parse(object),
      onChange: ({ name }, report) => this.#hear(name, report),
    });
  }

  /** Follows the reports, when the SshAccesses are known. Nothing waits for it: logins go on without. */
  async follow(signal: AbortSignal): Promise<void> {
    await this.#informer.start(signal);
    // Of those who were there when nobody looked, no report may speak any more.
    for (const key of this.#options.world.accesses.keys()) this.touch(keyOf(key));
  }

  /** Undefined: nobody knows yet. */
  of(uid: string): Seen | undefined {
    if (!this.#informer.synced) return undefined;
    return { users: this.#reports.of(uid, this.#now()), hostKeys: this.#reports.hostKeys() };
  }

  /** Who is there may be something else than what is written in this SshAccess. */
  touch(key: string): void {
    this.#queue.addAfter(key, this.#waitMs(key));
  }

  /** Writes, until `signal` aborts. */
  async lead(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    // One worker, that rests after each of its writes.
    const reconcile = (request: Request): Promise<Result> => this.#write(request, signal);
    const writing = runController({ name: 'presence', queue: this.#queue, reconcile, workers: 1, log }, signal);
    await Promise.all([writing, this.#keepExpiring(signal)]);
  }

  #now(): number {
    return this.#options.clock().getTime();
  }

  #hear(name: string, report: Report | undefined): void {
    const before = this.#reports.hostKeys().join();
    this.#touchAll(report === undefined ? this.#reports.remove(name) : this.#reports.set(report, this.#now()));
    if (this.#reports.hostKeys().join() === before) return;
    for (const key of this.#options.world.accesses.keys()) this.touch(keyOf(key));
  }

  #parse(object: unknown): Report | undefined {
    const report = parseReport(object);
    const isKnown = this.#informer.get(this.#options.systemNamespace, report.name) !== undefined;
    return isKnown || this.#informer.keys().length < MOST_REPORTS ? report : undefined;
  }

  #touchAll(uids: readonly string[]): void {
    for (const uid of uids) {
      const key = this.#options.world.accessOf(uid);
      if (key !== undefined) this.touch(key);
    }
  }

  async #write({ namespace, name }: Request, signal: AbortSignal): Promise<Result> {
    const { client, world } = this.#options;
    const cached = world.accesses.get(namespace, name);
    if (cached === undefined || cached.metadata.deletionTimestamp !== undefined) return {};
    const waitMs = this.#waitMs(keyOf({ namespace, name }));
    // It was touched while it was being written.
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    const { uid, resourceVersion } = cached.metadata;
    const status = withPresence(cached.status, cached.status, this.of(uid), this.#now());
    // Only into what we have read: everything else in it is the reconciler's.
    const manifest = { metadata: { namespace, name, uid, resourceVersion }, status };
    const where = { current: cached.status, fieldManager: FIELD_MANAGERS.operator, signal };
    if (!(await applyStatus(client, SSH_ACCESSES, manifest, where))) return {};
    this.#remember(keyOf({ namespace, name }));
    await pause(OVERALL_MS, signal);
    return {};
  }

  /** Until this SshAccess may be written again. */
  #waitMs(key: string): number {
    const writtenAt = this.#writtenAt.get(key);
    return writtenAt === undefined ? 0 : Math.max(0, writtenAt + this.#accessMs - performance.now());
  }

  #remember(key: string): void {
    const now = performance.now();
    this.#writtenAt.delete(key);
    this.#writtenAt.set(key, now);
    // A Map keeps the order of insertion: those that may be written again come first.
    for (const [other, at] of this.#writtenAt) {
      if (at + this.#accessMs > now) return;
      this.#writtenAt.delete(other);
    }
  }

  async #keepExpiring(signal: AbortSignal): Promise<void> {
    const { expireMs = EXPIRE_MS } = this.#options.pace ?? {};
    try {
      for await (const _ of setInterval(expireMs, undefined, { signal }))
        this.#touchAll(this.#reports.expire(this.#now()));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}
