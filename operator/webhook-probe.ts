/** Whether pods that are made now get their ssh: asked of the API server, which asks the webhook as it would about a pod. */
import * as z from 'zod';
import { ANNOTATION_WEBHOOK_ANSWERS, FIELD_MANAGERS, LABEL_WEBHOOK_PROBE } from '../crds/index.ts';
import { Backoff } from '../lib/kube/backoff.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { KubeError } from '../lib/kube/errors.ts';
import { LEASES, pathOf } from '../lib/kube/resources.ts';

/**
 * So long the webhook has to answer before pods are made that need it. Of several API servers we ask one; by then the
 * others, and the proxies of their nodes, have heard of the endpoint as well.
 */
const SETTLE_MS = 3_000;
/** So long an answer is believed. */
const FRESH_MS = 5_000;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 30_000;

const Answered = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()).default({}) }) });

/** Why no pods should be made now, and when to ask again. */
export type NotServing = { readonly why: string; readonly waitMs: number };

export type WebhookProbeOptions = { client: KubeClient; systemNamespace: string; settleMs?: number | undefined };

/**
 * Asks by the creation of a Lease in our own namespace that is only tried (dry run), so that nothing is left and no right is
 * needed that a leader does not have: one to create pods, where workloads are, could do anything there.
 */
export class WebhookProbe {
  readonly #options: WebhookProbeOptions;
  readonly #backoff = new Backoff(FIRST_RETRY_MS, LAST_RETRY_MS);
  /** Since when each question was answered. */
  #servesSince: number | undefined;
  #last: NotServing | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(options: WebhookProbeOptions) {
    this.#options = options;
  }

  /**
   * However many ask: the API server is asked once in a while.
   * @returns undefined: it serves
   */
  async hindrance(signal: AbortSignal): Promise<NotServing | undefined> {
    const leftMs = this.#askedAt + (this.#last?.waitMs ?? FRESH_MS) - performance.now();
    if (leftMs > 0) return this.#last && { ...this.#last, waitMs: leftMs };
    this.#asking ??= this.#ask(signal).finally(() => (this.#asking = undefined));
    await this.#asking;
    return this.#last;
  }

  async #ask(signal: AbortSignal): Promise<void> {
    const why = await this.#problem(signal);
    const now = performance.now();
    this.#askedAt = now;
    if (why !== undefined) {
      this.#servesSince = undefined;
      this.#last = { waitMs: this.#backoff.next(), why };
      return;
    }
    this.#backoff.reset();
    this.#servesSince ??= now;
    const { settleMs = SETTLE_MS } = this.#options;
    const waitMs = Math.max(0, this.#servesSince + settleMs - now);
    this.#last = waitMs === 0 ? undefined : { waitMs, why: 'it has begun to answer just now' };
  }

  /** In words; undefined: it has answered. */
  async #problem(signal: AbortSignal): Promise<string | undefined> {
    const { client, systemNamespace: namespace } = this.#options;
    try {
      const tried = await client.request(pathOf(LEASES, { namespace }), {
        method: 'POST',
        query: { dryRun: 'All', fieldManager: FIELD_MANAGERS.operator },
        body: {
          apiVersion: LEASES.apiVersion,
          kind: LEASES.kind,
          metadata: { name: 'sshaccess-webhook-probe', namespace, labels: { [LABEL_WEBHOOK_PROBE]: 'true' } },
        },
        signal,
      });
      const { annotations } = Answered.parse(tried).metadata;
      return annotations[ANNOTATION_WEBHOOK_ANSWERS] === undefined ? 'the API server got no answer from it' : undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      const { code, message, status } = KubeError.from(error);
      // Somebody's policy, say; its words help.
      return `the API server did not ask it: ${status === 403 ? message : code}`;
    }
  }
}
