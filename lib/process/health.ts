import { serveHttp } from './http-server.ts';
import { RateLimiter, type Rate } from './rate-limiter.ts';

/**
 * Pages of metrics that are made anew, for all who ask: each takes a millisecond or two of the thread that carries everybody's
 * sessions. Who asks beyond gets the last one.
 */
const PAGES: Rate = { burst: 20, everyMs: 50 };

/** Where we answer; `profiling` 0: nobody can ask for profiles. */
export type HealthPorts = { health: number; profiling: number };

/** Answers for the kubelet: each returns undefined when fine, else the reason in one sentence. */
export type Checks = {
  ready: () => string | undefined;
  /** Served as `/metrics`, for Prometheus. */
  metrics?: Measured;
};

/** As {@link Metrics} and {@link PlainMetrics} do it. */
type Measured = {
  readiness: (problem: () => string | undefined) => void;
  registry: { readonly contentType: string; metrics: () => string | Promise<string> };
};

/**
 * Serves `/livez`, `/readyz` and, where there are any, `/metrics` on `port` until `signal` aborts. `/livez` says that the event loop turns;
 * what a restart cannot cure belongs to `/readyz`. @returns the port
 */
export async function serveHealth(
  { health: port, profiling }: HealthPorts,
  checks: Checks,
  signal: AbortSignal,
): Promise<number> {
  if (profiling !== 0) await (await import('./profiling.ts')).serveProfiling(profiling, signal);
  const { metrics } = checks;
  const problem = (): string | undefined => (signal.aborted ? 'stopping' : checks.ready());
  metrics?.readiness(problem);
  const ready = (): { status: number; text: string } => {
    const reason = problem();
    return { status: reason === undefined ? 200 : 503, text: `${reason ?? 'ok'}\n` };
  };
  const pages = new RateLimiter(PAGES);
  let last: string | Promise<string> | undefined;
  const page = async (): Promise<string> => {
    if (last === undefined || pages.take('')) last = metrics?.registry.metrics();
    return (await last) ?? '';
  };
  return await serveHttp(
    { port },
    {
      'GET /livez': () => ({ text: 'ok\n' }),
      'GET /readyz': ready,
      ...(metrics && {
        'GET /metrics': async () => ({ contentType: metrics.registry.contentType, text: await page() }),
      }),
    },
    signal,
  );
}
