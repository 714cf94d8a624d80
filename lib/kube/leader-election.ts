import * as z from 'zod';
import type { Logger } from '../process/logger.ts';
import { pause } from './backoff.ts';
import type { KubeClient } from './client.ts';
import { isNotFound, KubeError } from './errors.ts';
import { microTime } from './micro-time.ts';
import { LEASES, pathOf } from './resources.ts';

const Lease = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z
    .object({
      holderIdentity: z.string().optional(),
      leaseDurationSeconds: z.number().optional(),
      acquireTime: z.string().optional(),
      renewTime: z.string().optional(),
      leaseTransitions: z.int().optional(),
    })
    .default({}),
});
type Lease = z.infer<typeof Lease>;

const TYPE = { apiVersion: LEASES.apiVersion, kind: LEASES.kind };
const RELEASE_TIMEOUT_MS = 3_000;
type Limit = { timeoutMs: number; signal?: AbortSignal };

export type ElectionOptions = {
  client: KubeClient;
  lease: { namespace: string; name: string };
  /** Unique to this process: the pod's name. */
  identity: string;
  /** A leader that was not heard of for so long has lost it. client-go: 15 s. */
  durationMs?: number;
  /** A leader that could not renew for so long stops leading; shorter than `durationMs`. client-go: 10 s. */
  renewDeadlineMs?: number;
  /** client-go: 2 s. */
  retryMs?: number;
  log: Logger;
};

/** This process led and no longer does; another may. It must end. */
export class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError';
  readonly code = 'leadership-lost';
}

/**
 * Waits until this process holds the Lease, runs `lead` under a signal that aborts when the Lease is lost, and gives
 * the Lease back when `signal` aborts or `lead` ends.
 *
 * As in client-go, clocks of other machines are never trusted: a lease is over when *we* have seen its record
 * unchanged for its whole duration.
 * @throws LeadershipLostError
 */
export async function runWhenLeader(
  options: ElectionOptions,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const elector = new Elector(options);
  await elector.acquire(signal);
  if (signal.aborted) return;
  options.log.info({ lease: options.lease.name, identity: options.identity }, 'leading');
  const leading = new AbortController();
  const stop = (): void => leading.abort();
  signal.addEventListener('abort', stop, { once: true });
  try {
    const renewal = elector.renew(leading.signal);
    const work = lead(leading.signal);
    // Whichever ends first stops the other.
    const isLost = await Promise.race([renewal.then(() => !leading.signal.aborted), work.then(() => false)]);
    leading.abort();
    await Promise.all([renewal, work]);
    if (isLost) throw new LeadershipLostError('the leader lease was lost; another process may lead now');
    await elector.release();
  } finally {
    leading.abort();
    signal.removeEventListener('abort', stop);
  }
}

class Elector {
  readonly #options: Required<ElectionOptions>;
  /** The record as we last saw it change, and when that was by our own clock. */
  #observed: { record: string; at: number } | undefined;
  #isFailing = false;

  constructor(options: ElectionOptions) {
    this.#options = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2_000, ...options };
  }

  async acquire(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !(await this.#try(performance.now() + this.#options.renewDeadlineMs, signal))) {
      await pause(this.#options.retryMs * (1 + Math.random() * 0.2), signal);
    }
  }

  /** Returns when `signal` aborts or the lease could not be renewed in time. */
  async renew(signal: AbortSignal): Promise<void> {
    const { renewDeadlineMs, retryMs } = this.#options;
    let deadline = performance.now() + renewDeadlineMs;
    for (;;) {
      await pause(Math.min(retryMs, Math.max(0, deadline - performance.now())), signal);
      const startedAt = performance.now();
      if (signal.aborted || startedAt >= deadline) return;
      if (await this.#try(deadline, signal)) deadline = startedAt + renewDeadlineMs;
    }
  }

  /** Best effort: without it the next leader waits until the lease runs out. */
  async release(): Promise<void> {
    try {
      const lease = await this.#read({ timeoutMs: RELEASE_TIMEOUT_MS });
      if (lease?.spec.holderIdentity !== this.#options.identity) return;
      const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
      await this.#write(lease, spec, { timeoutMs: RELEASE_TIMEOUT_MS });
    } catch (error) {
      this.#options.log.warn({ err: error }, 'lease was not released');
    }
  }

  /** One attempt to take or keep the lease, over at `deadline`. */
  async #try(deadline: number, signal: AbortSignal): Promise<boolean> {
    const { identity, durationMs, log } = this.#options;
    const limit = () => ({ signal, timeoutMs: Math.max(1, deadline - performance.now()) });
    try {
      const lease = await this.#read(limit());
      this.#isFailing = false;
      const now = microTime(new Date());
      const mine = { holderIdentity: identity, leaseDurationSeconds: Math.ceil(durationMs / 1000), renewTime: now };
      if (lease === undefined) {
        await this.#create({ ...mine, acquireTime: now, leaseTransitions: 0 }, limit());
        return true;
      }
      const isMine = lease.spec.holderIdentity === identity;
      if (!isMine && this.#isHeld(lease)) return false;
      const taken = { acquireTime: now, leaseTransitions: (lease.spec.leaseTransitions ?? 0) + 1 };
      await this.#write(lease, { ...lease.spec, ...mine, ...(isMine ? {} : taken) }, limit());
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const { isConflict, isAlreadyExists } = KubeError.from(error);
      if (isConflict || isAlreadyExists) return false;
      log[this.#isFailing ? 'debug' : 'warn']({ err: error }, 'lease cannot be read or written');
      this.#isFailing = true;
      return false;
    }
  }

  #isHeld({ spec }: Lease): boolean {
    if ((spec.holderIdentity ?? '') === '') return false;
    const record = JSON.stringify(spec);
    const now = performance.now();
    if (this.#observed?.record !== record) this.#observed = { record, at: now };
    return now - this.#observed.at < (spec.leaseDurationSeconds ?? 0) * 1000;
  }

  async #read(limit: Limit): Promise<Lease | undefined> {
    const { client, lease } = this.#options;
    try {
      return Lease.parse(await client.request(pathOf(LEASES, lease), limit));
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #create(spec: Lease['spec'], limit: Limit): Promise<void> {
    const { client, lease } = this.#options;
    const path = pathOf(LEASES, { namespace: lease.namespace });
    await client.request(path, { method: 'POST', body: { ...TYPE, metadata: lease, spec }, ...limit });
  }

  /** An update that names the version it was made from: of two that want the lease, one gets a Conflict. */
  async #write(lease: Lease, spec: Lease['spec'], limit: Limit): Promise<void> {
    const { client, lease: key } = this.#options;
    const metadata = { ...key, resourceVersion: lease.metadata.resourceVersion };
    await client.request(pathOf(LEASES, key), { method: 'PUT', body: { ...TYPE, metadata, spec }, ...limit });
  }
}
