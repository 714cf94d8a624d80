/** Of OpenTelemetry's semantic conventions where they have a name for it, else `sshaccess.` and a word. Never a secret. */
export type Attributes = Readonly<Record<string, string | number>>;

/** A span that is over. Times are milliseconds of `performance.now`, so that they only go forward. */
export type Span = {
  readonly name: string;
  readonly kind: 'server' | 'client' | 'internal';
  readonly from: number;
  readonly to: number;
  readonly attributes: Attributes;
  /** Why it failed, in one word of ours. */
  readonly error?: string;
  /** One after the other, and within it. */
  readonly steps: readonly Span[];
};

/**
 * What becomes of spans. `dropped`: too many were waiting; `failed`: the collector did not take their batch; `rejected`: it took
 * the batch, but not these.
 */
export const SPAN_RESULTS = ['exported', 'dropped', 'failed', 'rejected'] as const;
export type CountSpans = (result: (typeof SPAN_RESULTS)[number], spans: number) => void;

type Beginning = Partial<Pick<Span, 'kind' | 'from'>>;

/** A span that goes on. Its steps follow each other: when the next begins, the one before is over. */
export class OpenSpan {
  readonly #name: string;
  readonly #kind: Span['kind'];
  readonly #now: () => number;
  readonly #from: number;
  readonly #steps: OpenSpan[] = [];
  #attributes: Attributes = {};
  #to: number | undefined;
  #error: string | undefined;

  constructor(name: string, now: () => number, { kind = 'internal', from = now() }: Beginning = {}) {
    this.#name = name;
    this.#kind = kind;
    this.#now = now;
    this.#from = from;
  }

  /** Its next step. Without `from` it begins now. */
  step(name: string, options: Beginning = {}): OpenSpan {
    const from = options.from ?? this.#now();
    this.#steps.at(-1)?.end(undefined, from);
    const step = new OpenSpan(name, this.#now, { ...options, from });
    this.#steps.push(step);
    return step;
  }

  set(attributes: Attributes): void {
    this.#attributes = { ...this.#attributes, ...attributes };
  }

  /** What failed did so in its last step. The first end counts. */
  end(error?: string, at = this.#now()): void {
    if (this.#to !== undefined) return;
    this.#steps.at(-1)?.end(error, at);
    this.#to = at;
    this.#error = error;
  }

  /** It ends where its last step began, of which nothing came. */
  endWithoutLastStep(): void {
    const last = this.#steps.pop();
    this.end(undefined, last === undefined ? undefined : last.#from);
  }

  /** What it was. One that has not ended is over now. */
  close(): Span {
    this.end();
    return {
      name: this.#name,
      kind: this.#kind,
      from: this.#from,
      to: this.#to ?? this.#from,
      attributes: this.#attributes,
      ...(this.#error === undefined ? {} : { error: this.#error }),
      steps: this.#steps.map((step) => step.close()),
    };
  }
}
