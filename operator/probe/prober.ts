/** Looks at the sshd of pods until it has got in, beside the reconciling, which it wakes up with what it finds. */
import { isDeepStrictEqual } from 'node:util';
import type { Outcome, ProbeTarget } from './outcome.ts';

const CONCURRENT = 16;
/** Of one SshAccess: one that has many broken pods does not keep the others waiting. */
const CONCURRENT_OF_ONE = 2;
/** Of one namespace, however many it has: whoever may make them cannot keep the others waiting, either. */
const CONCURRENT_OF_A_NAMESPACE = 8;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** Failures in a row until one counts: an sshd needs a moment to start. With the retries above, about seven seconds. */
const PATIENCE = 4;

export type ProberOptions = {
  /** Something new is known of a pod of this SshAccess (`namespace/name`). */
  touch: (key: string) => void;
  probe: (target: ProbeTarget, signal: AbortSignal) => Promise<Outcome>;
  firstRetryMs?: number;
};

/** What is known of one pod. */
class Subject {
  readonly key: string;
  readonly target: ProbeTarget;
  readonly stop = new AbortController();
  outcome: Outcome | undefined;
  failures = 0;
  timer: NodeJS.Timeout | undefined;

  constructor(key: string, target: ProbeTarget) {
    this.key = key;
    this.target = target;
  }

  get namespace(): string {
    return this.key.slice(0, this.key.indexOf('/'));
  }

  end(): void {
    clearTimeout(this.timer);
    this.stop.abort();
  }

  /** Nothing has changed that could change what is found. */
  isFor(target: ProbeTarget): boolean {
    const facts = (of: ProbeTarget) => ({ ...of, hostKeys: of.isLearning ? [] : of.hostKeys });
    return isDeepStrictEqual(facts(this.target), facts(target));
  }
}

/** Each pod is looked at once for each start of its container, and, until that succeeds, again with back-off. */
export class Prober {
  readonly #options: ProberOptions;
  /** SshAccess → uid of the pod → what is known of it. */
  readonly #subjects = new Map<string, Map<string, Subject>>();
  /** SshAccess → those whose turn it is; the order of the keys is that of the turns. */
  readonly #waiting = new Map<string, Set<Subject>>();
  /** By SshAccess, and by namespace. */
  readonly #running = new Map<string, number>();
  #all = 0;
  #isStopped = false;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /**
   * From now on these pods of the SshAccess `key` are looked at, and no others of it.
   * @returns what is known of each, by its uid
   */
  follow(key: string, targets: readonly ProbeTarget[]): ReadonlyMap<string, Outcome> {
    const before = this.#subjects.get(key) ?? new Map<string, Subject>();
    const after = new Map<string, Subject>();
    for (const target of targets) {
      const known = before.get(target.pod);
      after.set(target.pod, known?.isFor(target) === true ? known : new Subject(key, target));
    }
    for (const [pod, subject] of before) if (after.get(pod) !== subject) this.#end(subject);
    if (after.size === 0) this.#subjects.delete(key);
    else this.#subjects.set(key, after);
    for (const [pod, subject] of after) if (before.get(pod) !== subject) this.#enqueue(subject);
    return new Map([...after].flatMap(([pod, { outcome }]) => (outcome === undefined ? [] : [[pod, outcome]])));
  }

  /** Ends everything that is under way, for good. */
  stop(): void {
    this.#isStopped = true;
    for (const key of this.#subjects.keys()) this.follow(key, []);
  }

  #end(subject: Subject): void {
    subject.end();
    this.#waiting.get(subject.key)?.delete(subject);
  }

  #enqueue(subject: Subject): void {
    const waiting = this.#waiting.get(subject.key) ?? new Set<Subject>();
    this.#waiting.set(subject.key, waiting.add(subject));
    this.#work();
  }

  #work(): void {
    for (;;) {
      const subject = this.#isStopped || this.#all >= CONCURRENT ? undefined : this.#next();
      if (subject === undefined) return;
      this.#count(subject, 1);
      void this.#look(subject);
    }
  }

  #next(): Subject | undefined {
    for (const [key, waiting] of this.#waiting) {
      const [subject] = waiting;
      if (subject === undefined) this.#waiting.delete(key);
      if (subject === undefined || !this.#mayLook(subject)) continue;
      waiting.delete(subject);
      // To the end: the others are next.
      this.#waiting.delete(key);
      this.#waiting.set(key, waiting);
      return subject;
    }
    return undefined;
  }

  #mayLook({ key, namespace }: Subject): boolean {
    const running = (what: string): number => this.#running.get(what) ?? 0;
    return running(key) < CONCURRENT_OF_ONE && running(namespace) < CONCURRENT_OF_A_NAMESPACE;
  }

  #count({ key, namespace }: Subject, change: 1 | -1): void {
    this.#all += change;
    for (const what of [key, namespace]) {
      const running = (this.#running.get(what) ?? 0) + change;
      if (running === 0) this.#running.delete(what);
      else this.#running.set(what, running);
    }
  }

  async #look(subject: Subject): Promise<void> {
    const { signal } = subject.stop;
    const outcome = await this.#options.probe(subject.target, signal);
    this.#count(subject, -1);
    // One that nobody follows any more has nothing to tell.
    if (!signal.aborted) this.#found(subject, outcome);
    this.#work();
  }

  #found(subject: Subject, outcome: Outcome): void {
    const isReached = outcome.result === 'reached';
    if (!isReached) this.#retry(subject);
    if (!isReached && subject.failures < PATIENCE) return;
    const isNews = !isDeepStrictEqual(subject.outcome, outcome);
    subject.outcome = outcome;
    if (isNews) this.#options.touch(subject.key);
  }

  #retry(subject: Subject): void {
    const { firstRetryMs = FIRST_RETRY_MS } = this.#options;
    const waitMs = Math.min(firstRetryMs * 2 ** Math.min(subject.failures, 30), LAST_RETRY_MS);
    subject.failures += 1;
    subject.timer = setTimeout(() => this.#enqueue(subject), waitMs * (1 + Math.random() / 10)).unref();
  }
}
