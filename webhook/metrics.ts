import { X509Certificate } from 'node:crypto';
import { Metrics } from '../lib/process/metrics.ts';
import type { DecisionRecord } from './mutate-pod.ts';
import type { ServingCertificate } from './serving-certificate.ts';
import { SKIP_REASONS, type SkipReason } from './skip-reasons.ts';

/** Mostly memory; sometimes a question to the API server, which waits at most webhook.timeoutSeconds for us. */
const REVIEW_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What is answered: one of the decisions, or that the review made no sense, or that we failed. */
const OUTCOMES = ['injected', 'unchanged', 'skipped', 'answered', 'malformed', 'failed'] as const;
type ReviewOutcome = (typeof OUTCOMES)[number];

const CUT_OFF = ['connections', 'bytes', 'rate', 'pipelined'] as const;

const isSkipReason = (word: string): word is SkipReason => Object.hasOwn(SKIP_REASONS, word);

/** The metrics of a webhook. */
export class WebhookMetrics extends Metrics {
  readonly #reviews = this.counter(
    'sshaccess_webhook_reviews_total',
    'Admission reviews by outcome; answered: the operator has asked whether we are reached. After malformed and failed the API server applies webhook.failurePolicy.',
    { outcome: OUTCOMES },
  );
  readonly #skipped = this.counter(
    'sshaccess_webhook_pods_skipped_total',
    'Pods that were left without ssh, by reason; the pod has it in an audit annotation, and its maker as a warning.',
    { reason: Object.keys(SKIP_REASONS).filter(isSkipReason) },
  );
  readonly #asked = this.counter(
    'sshaccess_webhook_questions_total',
    'Reviews that waited for a question to the API server, because what they need was not in our copies yet; refused: more waited than there is room for. Many that nobody explains: somebody in the cluster sends us reviews.',
    { about: ['namespace', 'accesses'], result: ['answered', 'failed', 'refused'] },
  );
  readonly #cutOff = this.counter(
    'sshaccess_webhook_callers_cut_off_total',
    'Connections to our port that were ended because of what their address held or did: too many connections, bytes of bodies, or new connections in a second, or pipelined requests, whose answers nobody waits for. API servers do not come near it: somebody else calls.',
    { because: CUT_OFF },
  );
  readonly #duration = this.seconds(
    'sshaccess_webhook_review_duration_seconds',
    'From the review, read, to its answer.',
    REVIEW_SECONDS,
  );
  readonly #refreshes = this.counter(
    'sshaccess_webhook_certificate_refreshes_total',
    'Times that another serving certificate was found; failed: it could not be read, and the last one stays.',
    { result: ['changed', 'failed'] },
  );

  constructor() {
    super('webhook');
  }

  /** @param current undefined before it has been read */
  watchCertificate(current: () => Pick<ServingCertificate, 'cert'> | undefined): void {
    this.gauge(
      'sshaccess_webhook_certificate_expiry_timestamp_seconds',
      'When the certificate that is served ends. After that no pod is injected.',
      () => {
        const certificate = current();
        return certificate && Date.parse(new X509Certificate(certificate.cert).validTo) / 1_000;
      },
    );
  }

  reviewed(outcome: ReviewOutcome, durationMs: number): void {
    this.#reviews({ outcome });
    this.#duration(durationMs);
  }

  skipped({ reason }: Pick<DecisionRecord, 'reason'>): void {
    if (reason !== undefined) this.#skipped({ reason });
  }

  readonly asked = (question: { about: 'namespace' | 'accesses'; result: 'answered' | 'failed' | 'refused' }): void =>
    this.#asked(question);

  readonly cutOff = (of: { because: (typeof CUT_OFF)[number] }): void => this.#cutOff(of);

  readonly refreshed = (result: 'changed' | 'failed'): void => this.#refreshes({ result });
}
