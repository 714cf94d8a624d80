import { fastify } from 'fastify';

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
  const server = fastify({ logger: false });
  server.get('/livez', async () => 'ok\n');
  server.get('/readyz', async (_request, reply) => {
    const reason = signal.aborted ? 'stopping' : checks.ready();
    return reply.code(reason === undefined ? 200 : 503).send(`${reason ?? 'ok'}\n`);
  });
  const { metrics } = checks;
  if (metrics !== undefined) {
    server.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.metrics()));
  }
  await server.listen({ port, host: '::' });
  signal.addEventListener('abort', () => void server.close(), { once: true });
}
