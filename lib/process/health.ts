import { serveHttp } from './http-server.ts';

/** Answers for the kubelet: each returns undefined when fine, else the reason in one sentence. */
export type Checks = {
  ready: () => string | undefined;
  /** Served as `/metrics`, for Prometheus. */
  metrics?: { readonly contentType: string; metrics: () => Promise<string> };
};

/**
 * Serves `/livez`, `/readyz` and, where there are any, `/metrics` on `port` until `signal` aborts. `/livez` says that the event loop turns;
 * what a restart cannot cure belongs to `/readyz`.
 */
export async function serveHealth(port: number, checks: Checks, signal: AbortSignal): Promise<void> {
  const { metrics } = checks;
  const ready = (): { status: number; text: string } => {
    const reason = signal.aborted ? 'stopping' : checks.ready();
    return { status: reason === undefined ? 200 : 503, text: `${reason ?? 'ok'}\n` };
  };
  await serveHttp(
    { port },
    {
      'GET /livez': () => ({ text: 'ok\n' }),
      'GET /readyz': ready,
      ...(metrics && {
        'GET /metrics': async () => ({ contentType: metrics.contentType, text: await metrics.metrics() }),
      }),
    },
    signal,
  );
}
