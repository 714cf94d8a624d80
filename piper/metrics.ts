import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';

/** How often the event loop's delay is measured. By default a timer wakes an idle piper a hundred times a second for it. */
const DELAY_RESOLUTION_MS = 100;

/** What is read when somebody asks. */
export type MetricSources = { connections: () => number; startUps: () => number; bans: () => number };

/** The metrics of a piper. Labels are words of ours: nothing that a client sends can make a new one. */
export class PiperMetrics {
  readonly registry = new Registry();
  readonly #ended = new Counter({
    name: 'sshaccess_piper_connections_ended_total',
    help: 'Connections that have ended or were refused, by reason.',
    labelNames: ['reason'] as const,
    registers: [this.registry],
  });
  readonly #refused = new Counter({
    name: 'sshaccess_piper_requests_refused_total',
    help: 'What users asked for on their connections and did not get, by the field of the policy that says so.',
    labelNames: ['reason'] as const,
    registers: [this.registry],
  });
  readonly #bans = new Counter({
    name: 'sshaccess_piper_bans_total',
    help: 'Sources that were banned: from everything, or from one username.',
    labelNames: ['scope'] as const,
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: DELAY_RESOLUTION_MS });
  }

  /** To be called once, when there is something to read. */
  watch({ connections, startUps, bans }: MetricSources): void {
    this.#gauge('sshaccess_piper_connections', 'Connections of users who are logged in.', connections);
    this.#gauge('sshaccess_piper_start_ups', 'Connections on which nobody has logged in yet.', startUps);
    this.#gauge('sshaccess_piper_bans', 'Bans in force.', bans);
  }

  ended(reason: string): void {
    this.#ended.inc({ reason });
  }

  refused(reason: string): void {
    this.#refused.inc({ reason });
  }

  banned(scope: 'source' | 'username'): void {
    this.#bans.inc({ scope });
  }

  #gauge(name: string, help: string, read: () => number): void {
    const gauge: Gauge = new Gauge({ name, help, registers: [this.registry], collect: () => gauge.set(read()) });
  }
}
