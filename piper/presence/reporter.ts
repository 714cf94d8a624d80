import { API_VERSION, FIELD_MANAGERS, REPORT_KIND, REPORT_PLURAL, REPORT_RENEWAL_MS } from '../../crds/index.ts';
import { apply } from '../../lib/kube/apply.ts';
import { Backoff } from '../../lib/kube/backoff.ts';
import type { KubeClient } from '../../lib/kube/client.ts';
import type { Logger } from '../../lib/process/logger.ts';
import { type Clock, systemClock } from '../../lib/ssh/clock.ts';
import { timeOf, type ReportContent } from './report.ts';

/** How often a report is written at most. */
const LEAST_WAIT_MS = 5_000;
/** A report of many is written less often: for as long as it takes to name two hundred users a second. */
const WAIT_PER_USER_MS = 5;
/** For the last report, when we stop. */
const LAST_REPORT_MS = 2_000;

const REPORTS = { apiVersion: API_VERSION, kind: REPORT_KIND, plural: REPORT_PLURAL };

export type ReporterOptions = {
  client: KubeClient;
  /** Our own pod: the report has its name, and goes with it. */
  pod: { namespace: string; name: string; uid: string };
  read: () => ReportContent;
  log: Logger;
  now?: () => number;
  clock?: Clock;
};

/** Keeps the SessionReport of this replica. Whatever comes of it, no session notices. */
export class SessionReporter {
  readonly #options: ReporterOptions;
  readonly #clock: Clock;
  readonly #stopping = new AbortController();
  readonly #backoff = new Backoff(LEAST_WAIT_MS, REPORT_RENEWAL_MS);
  #running: Promise<void> = Promise.resolve();
  #cancel: () => void = () => undefined;
  #told = '';
  #toldAt = 0;
  #isFailing = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  start(): void {
    this.#running = this.#round();
  }

  /** With a last report: of those who came since the one before, nobody else knows. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancel();
    await this.#running;
    const content = this.#options.read();
    if (this.#told !== JSON.stringify(content)) await this.#tell(content, AbortSignal.timeout(LAST_REPORT_MS));
  }

  async #round(): Promise<void> {
    const content = this.#options.read();
    const isNews = this.#told !== JSON.stringify(content);
    const isDue = isNews || this.#clock.now() - this.#toldAt >= REPORT_RENEWAL_MS;
    if (isDue) await this.#tell(content, this.#stopping.signal);
    if (this.#stopping.signal.aborted) return;
    const waitMs = this.#isFailing ? this.#backoff.next() : waitAfter(content);
    this.#cancel = this.#clock.after(waitMs, () => this.start());
  }

  async #tell(content: ReportContent, signal: AbortSignal): Promise<void> {
    const { client, pod, log, now = Date.now } = this.#options;
    const { namespace, name, uid } = pod;
    const ownerReferences = [{ apiVersion: 'v1', kind: 'Pod', name, uid }];
    const manifest = {
      metadata: { namespace, name, ownerReferences },
      spec: { renewedAt: timeOf(now()), ...content },
    };
    try {
      await apply(client, REPORTS, manifest, { fieldManager: FIELD_MANAGERS.piper, signal });
      this.#told = JSON.stringify(content);
      this.#toldAt = this.#clock.now();
      this.#isFailing = false;
      this.#backoff.reset();
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      // One warning for each outage.
      log[this.#isFailing ? 'debug' : 'warn']({ err: error }, 'who is there cannot be reported');
      this.#isFailing = true;
    }
  }
}

const waitAfter = ({ routes }: ReportContent): number =>
  Math.max(LEAST_WAIT_MS, WAIT_PER_USER_MS * routes.reduce((users, route) => users + route.users.length, 0));
