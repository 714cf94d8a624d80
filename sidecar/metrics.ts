/** Loaded only where somebody has asked for metrics of sidecars: what is imported here costs memory in each of these pods. */
import { serveHealth } from '../lib/process/health.ts';
import { PlainMetrics, type Sample, type Series } from '../lib/process/plain-metrics.ts';
import { PROGRAM_KINDS, REFUSED } from './counts.ts';
import type { Place } from './place.ts';
import type { SidecarServer } from './server.ts';

/** What is read when somebody asks. */
export type MetricSources = {
  server: Pick<SidecarServer, 'port' | 'connectionCount' | 'startUpCount'>;
  place: Pick<Place, 'counts' | 'leftovers'>;
};

/** The metrics of a sidecar: numbers, and words of ours. Everybody who reaches the pod may read them. */
export class SidecarMetrics extends PlainMetrics {
  constructor({ server, place: { counts, leftovers } }: MetricSources) {
    super('sidecar');
    this.series.push(
      gauge(
        'connections',
        'Connections of users, by way of the gateway.',
        () => server.connectionCount - server.startUpCount,
      ),
      gauge('start_ups', 'Connections on which nobody has logged in yet.', () => server.startUpCount),
      gauge('sessions', 'Shells, commands and subsystems that are open on connections.', () => counts.sessions),
      gauge('programs', 'Programs of sessions that run.', () => leftovers.count(false)),
      gauge('leftovers', 'Ended sessions of which something still runs, such as a daemon.', () =>
        leftovers.count(true),
      ),
      gauge('forwards', 'Forwarded connections that are open.', () => counts.forwards),
      counter('logins_total', 'Connections on which the gateway has said for whom it comes.', () => [[counts.logins]]),
      counter('programs_started_total', 'Programs that were started in sessions, by what was asked for.', () =>
        PROGRAM_KINDS.map((kind) => [counts.startedOf(kind), { kind }]),
      ),
      counter('refused_total', 'What was refused here, by reason.', () =>
        REFUSED.map((reason) => [counts.refusedFor(reason), { reason }]),
      ),
    );
  }
}

const gauge = (name: string, help: string, value: () => number): Series => ({
  name: `sshaccess_sidecar_${name}`,
  type: 'gauge',
  help,
  read: () => [[value()]],
});

const counter = (name: string, help: string, read: () => readonly Sample[]): Series => ({
  name: `sshaccess_sidecar_${name}`,
  type: 'counter',
  help,
  read,
});

/** Serves `/metrics`, `/livez` and `/readyz` until `signal` aborts. Nobody restarts us by them (ADR 7). @returns the port */
export async function serveMetrics(port: number, sources: MetricSources, signal: AbortSignal): Promise<number> {
  const ready = (): string | undefined =>
    sources.server.port === undefined ? 'nobody has access to this pod, or the port of ssh is taken' : undefined;
  return await serveHealth({ health: port, profiling: 0 }, { ready, metrics: new SidecarMetrics(sources) }, signal);
}
