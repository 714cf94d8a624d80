import { fastify, type FastifyInstance } from 'fastify';
import * as z from 'zod';
import type { Logger } from '../lib/process/logger.ts';
import { AdmissionReview, reviewOf, type AdmissionRequest } from './admission-review.ts';
import { Callers } from './callers.ts';
import type { WebhookMetrics } from './metrics.ts';
import type { DecisionRecord, Outcome } from './mutate-pod.ts';
import { TooManyQuestions } from './questions.ts';
import { tlsOptions, type ServingCertificate } from './serving-certificate.ts';

/**
 * The API server takes objects of at most 3 MiB; an AdmissionReview holds the object and, on updates, the old one, and
 * less than 1 MiB of its own: 2 × 3 + 1 (controller-runtime counts the same way).
 */
const BODY_LIMIT = 7 * 1024 * 1024;
/** Of TLS, and of the headers after it: an API server has them ready. */
const GREETING_MS = 10_000;
/** Nobody waits longer than the API server's longest webhook timeout. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Longer than the API server keeps idle connections (90 s), so that it is never us who closes one it is about to use. */
const KEEP_ALIVE_MS = 120_000;

export type AdmissionServerOptions = {
  /** A throw is answered by an HTTP status, and the API server applies the failurePolicy. */
  answer: (request: AdmissionRequest) => Promise<Outcome>;
  /** From then on each answer closes its connection, so that the API server opens the next one to another of us. */
  isStopping: () => boolean;
  /** PEM; '': whoever reaches us may ask. */
  clientCA: string;
  metrics: WebhookMetrics;
  log: Logger;
};

/** The admission server: POST /mutate-pods over TLS. Whoever calls it, it only computes an answer and writes nothing. */
export function admissionServer(certificate: ServingCertificate, options: AdmissionServerOptions) {
  const { answer, isStopping, clientCA, metrics, log } = options;
  const server = fastify({
    logger: false,
    https: { ...tlsOptions(certificate, clientCA), handshakeTimeout: GREETING_MS },
    bodyLimit: BODY_LIMIT,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Idle connections of the API server must not hold a stopping webhook.
    forceCloseConnections: 'idle',
  });
  server.server.headersTimeout = GREETING_MS;
  const callers = new Callers(metrics, BODY_LIMIT);
  server.server.on('connection', callers.connected);
  if (clientCA !== '') server.server.on('secureConnection', callers.authenticated);
  server.addHook('onRequest', (request, reply, done) => {
    if (callers.asks(request.raw, reply.raw)) done();
    else reply.hijack();
  });
  answerErrors(server, options);
  server.addHook('onSend', (_request, reply, _payload, done) => {
    if (isStopping()) void reply.header('connection', 'close');
    done();
  });
  server.post('/mutate-pods', async (request, reply) => {
    const review = AdmissionReview.parse(request.body);
    const { response, record } = await answer(review.request);
    metrics.reviewed(record.decision, reply.elapsedTime);
    metrics.skipped(record);
    log.info(lineOf(record), 'decided');
    return reviewOf(response);
  });
  return server;
}

/** Kubernetes has no longer names; whoever calls us may. */
const MOST_OF_A_NAME = 253;

/** `level` is the line's own. */
const lineOf = ({ access, level, ...record }: DecisionRecord) => ({
  ...record,
  pod: record.pod.slice(0, MOST_OF_A_NAME),
  ...(record.container === undefined ? {} : { container: record.container.slice(0, MOST_OF_A_NAME) }),
  ...(access === undefined ? {} : { sshAccess: `${record.namespace}/${access}` }),
  podSecurityLevel: level,
});

const Fault = z.looseObject({ statusCode: z.int().min(400).max(499), message: z.string() });

/** A caller's mistake is a 4xx that says what is wrong; ours a 500. On either the API server applies the failurePolicy. */
function answerErrors(
  server: Pick<FastifyInstance, 'setErrorHandler'>,
  { metrics, log }: Pick<AdmissionServerOptions, 'metrics' | 'log'>,
): void {
  server.setErrorHandler((error, _request, reply) => {
    const fault = Fault.safeParse(error);
    const isMalformed = error instanceof z.ZodError || fault.success;
    metrics.reviewed(isMalformed ? 'malformed' : 'failed', reply.elapsedTime);
    if (error instanceof z.ZodError) {
      log.warn({ problem: z.prettifyError(error).slice(0, 500) }, 'malformed review');
      return reply
        .code(400)
        .send({ error: `not an AdmissionReview v1 of a Pod: ${z.prettifyError(error).slice(0, 500)}` });
    }
    if (fault.success) return reply.code(fault.data.statusCode).send({ error: fault.data.message });
    // Counted; a line for each would be a flood of our own.
    if (error instanceof TooManyQuestions) return reply.code(503).send({ error: error.message });
    log.error({ err: error }, 'review failed');
    return reply.code(500).send({ error: 'the webhook failed; its log says why' });
  });
}
