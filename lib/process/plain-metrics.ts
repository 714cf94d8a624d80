import { readdirSync } from 'node:fs';
import { VERSION } from './version.ts';

/** What every program says of itself, by whatever it is written. */
export const READY = { name: 'sshaccess_ready', help: 'Whether /readyz says yes: 1 or 0.' };
export const BUILD_INFO = { name: 'sshaccess_build_info', help: 'Always 1; its label says which version runs.' };

/** Its value, or one for each combination of its labels. */
export type Sample = readonly [value: number, labels?: Readonly<Record<string, string>>];

export type Series = {
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  /** When somebody asks. */
  readonly read: () => readonly Sample[];
};

/**
 * Metrics for a program without room for a library: counters and gauges in the text format of Prometheus (0.0.4). Names, labels and
 * their words are ours, so there is nothing to escape. Of the process there is what costs nothing to know: no timer wakes it.
 */
export class PlainMetrics {
  readonly series: Series[] = [
    { ...BUILD_INFO, type: 'gauge', read: () => [[1, { version: VERSION }]] },
    {
      name: 'process_cpu_seconds_total',
      type: 'counter',
      help: 'Total user and system CPU time spent in seconds.',
      read: () => [[cpuMicroseconds() / 1_000_000]],
    },
    {
      name: 'process_resident_memory_bytes',
      type: 'gauge',
      help: 'Resident memory size in bytes.',
      read: () => [[process.memoryUsage.rss()]],
    },
    {
      name: 'process_start_time_seconds',
      type: 'gauge',
      help: 'Start time of the process since unix epoch in seconds.',
      read: () => [[STARTED_AT]],
    },
    {
      name: 'process_open_fds',
      type: 'gauge',
      help: 'Number of open file descriptors.',
      read: () => [[openDescriptors()]],
    },
  ];
  readonly registry: { readonly contentType: string; metrics: () => string };

  /** @param program a label of all series, by which programs are told apart however they are scraped */
  constructor(program: string) {
    this.registry = {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      metrics: () => this.series.map((one) => textOf(program, one)).join(''),
    };
  }

  /** @param problem as of /readyz: why not */
  readiness(problem: () => string | undefined): void {
    this.series.push({ ...READY, type: 'gauge', read: () => [[Number(problem() === undefined)]] });
  }
}

const STARTED_AT = Math.floor(Date.now() / 1_000 - process.uptime());

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** That by which they are listed is one of them, for as long. */
const openDescriptors = (): number => readdirSync('/proc/self/fd').length - 1;

function textOf(program: string, { name, type, help, read }: Series): string {
  const samples = read().map(([value, labels]) => {
    const words = Object.entries({ ...labels, program }).map(([label, word]) => `${label}="${word}"`);
    return `${name}{${words.join(',')}} ${value}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.join('')}`;
}
