import { Metrics } from '../lib/process/metrics.ts';
import { type CountSpans, SPAN_RESULTS } from '../lib/process/tracing/span.ts';
import { type EndReason, END_REASONS } from './end-reasons.ts';
import { type Objection, OBJECTIONS } from './policy/rules.ts';
import type { Traffic } from './record.ts';

/** A login waits for a key exchange at both ends: milliseconds near by, seconds where a pod is far or slow. */
const LOGIN_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** What is read when somebody asks. */
export type MetricSources = {
  connections: () => number;
  sessions: () => number;
  /** Of the connections that are there now. */
  traffic: () => Traffic;
  startUps: () => number;
  bans: () => number;
  routes: () => number;
  /** In milliseconds since the epoch; undefined: never, or there is none to hear. */
  lastContact: () => number | undefined;
};

/** The metrics of a piper. Labels are words of ours: no username, no namespace, nothing that a client sends. */
export class PiperMetrics extends Metrics {
  readonly #ended = this.counter(
    'sshaccess_piper_connections_ended_total',
    'Connections that have ended or were refused, by reason; docs/troubleshooting.md has a sentence for most.',
    { reason: END_REASONS },
  );
  readonly #refusedLogins = this.counter(
    'sshaccess_piper_logins_refused_total',
    'Logins with a verified key that reached no pod, by reason.',
    { reason: END_REASONS },
  );
  readonly #refused = this.counter(
    'sshaccess_piper_requests_refused_total',
    'What users asked for on their connections and did not get, by the field of the policy that says so.',
    { reason: OBJECTIONS },
  );
  readonly #bans = this.counter(
    'sshaccess_piper_bans_total',
    'Sources that were banned: from everything, or from one username.',
    { scope: ['source', 'username'] },
  );
  readonly #login = this.seconds(
    'sshaccess_piper_login_duration_seconds',
    'From the first byte of a client until it reached its pod; the count is that of all logins.',
    LOGIN_SECONDS,
  );
  readonly #upstream = this.seconds(
    'sshaccess_piper_upstream_duration_seconds',
    'Of that, from the verified key to the pod: choosing, connecting, both proofs.',
    LOGIN_SECONDS,
  );
  readonly #spans = this.counter(
    'sshaccess_piper_trace_spans_total',
    'Spans of traces: exported to the collector; dropped, since too many were waiting; failed, since the collector did not take their batch; rejected, since it took the batch without them.',
    { result: SPAN_RESULTS },
  );
  #endedTraffic: Traffic = { bytesIn: 0, bytesOut: 0 };

  constructor() {
    super('piper');
  }

  /** To be called once, when there is something to read. */
  watch({ connections, sessions, traffic, startUps, bans, routes, lastContact }: MetricSources): void {
    this.gauge('sshaccess_piper_connections', 'Connections of users who are logged in.', connections);
    this.gauge('sshaccess_piper_sessions', 'Shells, commands and subsystems that are open on them.', sessions);
    this.gauge('sshaccess_piper_start_ups', 'Connections on which nobody has logged in yet.', startUps);
    this.gauge('sshaccess_piper_bans_active', 'Bans in force.', bans);
    this.gauge('sshaccess_piper_routes', 'SshAccesses that grant somebody something.', routes);
    this.gauge(
      'sshaccess_piper_last_contact_timestamp_seconds',
      'When the API server was last heard about routes. Beyond piper.limits.maxStalenessSeconds nobody is let in.',
      () => secondsOf(lastContact()),
    );
    this.total(
      'sshaccess_piper_connection_bytes_total',
      'Bytes of clients (in) and to clients (out), as on the wire; of strangers when they have gone.',
      { direction: ['in', 'out'] },
      () => {
        const live = traffic();
        return [
          [{ direction: 'in' }, this.#endedTraffic.bytesIn + live.bytesIn],
          [{ direction: 'out' }, this.#endedTraffic.bytesOut + live.bytesOut],
        ];
      },
    );
  }

  /** @param upstreamMs of the login, how long it took from the verified key */
  loggedIn(loginMs: number, upstreamMs: number): void {
    this.#login(loginMs);
    this.#upstream(upstreamMs);
  }

  /** @param isLogin somebody's key was verified, and they reached no pod */
  ended(reason: EndReason, isLogin = false, { bytesIn, bytesOut }: Traffic = { bytesIn: 0, bytesOut: 0 }): void {
    this.#ended({ reason });
    if (isLogin) this.#refusedLogins({ reason });
    this.#endedTraffic = {
      bytesIn: this.#endedTraffic.bytesIn + bytesIn,
      bytesOut: this.#endedTraffic.bytesOut + bytesOut,
    };
  }

  refused(reason: Objection): void {
    this.#refused({ reason });
  }

  readonly spans: CountSpans = (result, spans) => this.#spans({ result }, spans);

  banned(scope: 'source' | 'username'): void {
    this.#bans({ scope });
  }
}

const secondsOf = (milliseconds: number | undefined): number | undefined =>
  milliseconds === undefined ? undefined : milliseconds / 1_000;
