import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { BUILD_INFO, READY } from './plain-metrics.ts';
import { VERSION } from './version.ts';

/** How often the event loop's delay is measured. By default a timer wakes an idle program a hundred times a second for it. */
const DELAY_RESOLUTION_MS = 100;

/** Each label and all the words that it can be: nothing that somebody sends can make a new series. */
type Words = Readonly<Record<string, readonly string[]>>;
type Values<Labels extends Words> = { readonly [Name in keyof Labels]: Labels[Name][number] };

/**
 * The registry of one program, with what all of them have: CPU and memory of the process, which build it is, and whether
 * it is ready. `program` is a label of all, so that the three are told apart however they are scraped.
 */
export class Metrics {
  readonly registry = new Registry();

  constructor(program: string) {
    this.registry.setDefaultLabels({ program });
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: DELAY_RESOLUTION_MS });
    new Gauge({
      ...BUILD_INFO,
      labelNames: ['version'],
      registers: [this.registry],
    }).set({ version: VERSION }, 1);
  }

  /** @param problem as of /readyz: why not */
  readiness(problem: () => string | undefined): void {
    this.gauge(READY.name, READY.help, () => Number(problem() === undefined));
  }

  /** All series are there from the start, at 0: an alert sees the first of a kind, too. @returns what counts one, or more */
  counter<const Labels extends Words>(
    name: string,
    help: string,
    labels: Labels,
  ): (of: Values<Labels>, more?: number) => void {
    const counter = new Counter({ name, help, labelNames: Object.keys(labels), registers: [this.registry] });
    for (const combination of combinations(labels)) counter.inc(combination, 0);
    return (of, more = 1) => counter.inc({ ...of }, more);
  }

  /** For what is counted elsewhere, and read when somebody asks. */
  total<const Labels extends Words>(name: string, help: string, labels: Labels, read: () => Counted<Labels>): void {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames: Object.keys(labels),
      registers: [this.registry],
      collect: () => {
        counter.reset();
        for (const [of, count] of read()) counter.inc({ ...of }, count);
      },
    });
  }

  /** Read when somebody asks; undefined: not known, and then there is no such series. */
  gauge(name: string, help: string, read: () => number | undefined): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [this.registry],
      collect: () => {
        const value = read();
        if (value === undefined) gauge.remove();
        else gauge.set(value);
      },
    });
  }

  /** @returns what observes so many milliseconds */
  seconds(name: string, help: string, buckets: readonly number[]): (milliseconds: number) => void {
    const histogram = new Histogram({ name, help, buckets: [...buckets], registers: [this.registry] });
    return (milliseconds) => histogram.observe(milliseconds / 1_000);
  }
}

type Counted<Labels extends Words> = Iterable<readonly [Values<Labels>, number]>;

function combinations(labels: Words): Record<string, string>[] {
  return Object.entries(labels).reduce<Record<string, string>[]>(
    (all, [name, words]) => all.flatMap((one) => words.map((word) => ({ ...one, [name]: word }))),
    [{}],
  );
}
