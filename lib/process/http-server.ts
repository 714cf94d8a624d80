import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { RateLimiter, type Rate } from './rate-limiter.ts';
import { Shares } from './shares.ts';

/** JSON, or a text with its type. */
export type Answer =
  { status?: number; json: unknown } | { status?: number; text: string; contentType?: string } | { status: 204 };

/** By method and path; a path that ends in `*` takes any last part, and the handler gets it. */
export type Handlers = Readonly<Record<`${'GET' | 'DELETE'} /${string}`, (last: string) => Answer | Promise<Answer>>>;

/**
 * Far more than probes and scrapers hold, and too few to fill a process with: anybody in the cluster may connect. Who holds them
 * all must not keep the kubelet out, which would restart us.
 */
const MOST_CONNECTIONS = 100;
/** Of one address. A page of metrics takes a millisecond or two of the thread that carries everybody's sessions. */
const QUESTIONS: Rate = { burst: 200, everyMs: 20 };
const LONGEST_QUESTION_MS = 5_000;

const TEXT = 'text/plain; charset=utf-8';
const TOO_MANY: Answer = { status: 429, text: 'too many questions\n' };
const JSON_TYPE = 'application/json; charset=utf-8';

/**
 * Serves a few questions without a body until `signal` aborts. Fastify, with what it compiles schemas by, would be a
 * third of the piper's code and 9 MiB of its memory for that.
 * @param port 0: any. @param host without one: every address, IPv6 too where there is any. @returns the port
 */
export async function serveHttp(
  { port, host }: { port: number; host?: string },
  handlers: Handlers,
  signal: AbortSignal,
): Promise<number> {
  const table = new Map(Object.entries(handlers));
  const questions = new RateLimiter(QUESTIONS);
  const connections = new Shares(MOST_CONNECTIONS);
  const times = { headersTimeout: LONGEST_QUESTION_MS, requestTimeout: LONGEST_QUESTION_MS };
  const server = createServer({ ...times, connectionsCheckingInterval: 1_000 }, (request, response) => {
    if (!questions.take(request.socket.remoteAddress ?? '')) return send(response, TOO_MANY);
    answer(table, request).then(
      (given) => send(response, given),
      // The process goes on: whoever asks is told, and asks again.
      () => send(response, { status: 500, text: 'failed\n' }),
    );
  });
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject).listen({ port, ...(host === undefined ? {} : { host }) }, listening.resolve);
  await listening.promise;
  server.on('connection', (socket: Socket) => {
    const giveBack = connections.take(socket.remoteAddress ?? '', 1, () => void socket.destroy());
    socket.once('close', giveBack);
  });
  // Out of descriptors, mostly: who asks comes again, and one error without a listener would end the process.
  server.on('error', () => undefined);
  // Idle connections are closed by it, too.
  signal.addEventListener('abort', () => void server.close(), { once: true });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

async function answer(table: ReadonlyMap<string, Handlers[keyof Handlers]>, request: IncomingMessage): Promise<Answer> {
  const { method = '', url = '' } = request;
  const [path = ''] = url.split('?', 1);
  const last = path.slice(path.lastIndexOf('/') + 1);
  const handler = table.get(`${method} ${path}`) ?? table.get(`${method} ${path.slice(0, path.length - last.length)}*`);
  return handler === undefined ? { status: 404, json: { message: `there is no ${method} here` } } : handler(last);
}

function send(response: ServerResponse, given: Answer): void {
  if ('json' in given) response.setHeader('content-type', JSON_TYPE);
  if ('text' in given) response.setHeader('content-type', given.contentType ?? TEXT);
  response
    .writeHead(given.status ?? 200)
    .end('json' in given ? JSON.stringify(given.json) : 'text' in given ? given.text : '');
}
