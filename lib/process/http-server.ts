import { createServer, type Socket } from 'node:net';
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
const LONGEST_ANSWER_MS = 10_000;
/** Of Prometheus' it is 300 bytes. */
const MOST_OF_A_QUESTION = 8_192;

const TEXT = 'text/plain; charset=utf-8';
const TOO_MANY: Answer = { status: 429, text: 'too many questions\n' };
const JSON_TYPE = 'application/json; charset=utf-8';

/**
 * Serves a few questions without a body until `signal` aborts: one a connection, and what a client has sent beyond it is not looked at.
 * node:http would work through whatever it is sent at once: a hundred connections of somebody who does not wait for answers kept
 * a login waiting for a minute and a half. Nor does this load any of it: the sidecar has no other use for it.
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
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const address = socket.remoteAddress ?? '';
    const giveBack = connections.take(address, 1, () => void socket.destroy());
    // Who is gone needs no answer.
    socket.once('close', giveBack).on('error', () => undefined);
    hear(socket, (question) => {
      if (!questions.take(address)) return send(socket, TOO_MANY);
      answer(table, question).then(
        (given) => send(socket, given),
        // The process goes on: whoever asks is told, and asks again.
        () => send(socket, { status: 500, text: 'failed\n' }),
      );
    });
  });
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject).listen({ port, ...(host === undefined ? {} : { host }) }, listening.resolve);
  await listening.promise;
  // Out of descriptors, mostly: who asks comes again, and one error without a listener would end the process.
  server.on('error', () => undefined);
  signal.addEventListener('abort', () => void server.close(), { once: true });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/** RFC 9112 §3; the fields that follow say nothing that we need. */
const FIRST_LINE = /^([A-Z]+) (\/[!-~]*) HTTP\/1\.[01]\r\n/;
const END_OF_HEAD = '\r\n\r\n';

/** Calls `onQuestion` once, with the method and the path, or ends the connection. */
function hear(socket: Socket, onQuestion: (question: string) => void): void {
  let head = '';
  const hangUp = (): void => void socket.destroy();
  const tooLate = setTimeout(hangUp, LONGEST_QUESTION_MS).unref();
  const hearOn = (bytes: Buffer): void => {
    head += bytes.toString('latin1', 0, MOST_OF_A_QUESTION - head.length);
    const isWhole = head.includes(END_OF_HEAD);
    if (!isWhole && head.length < MOST_OF_A_QUESTION) return;
    clearTimeout(tooLate);
    socket.off('data', hearOn).off('end', hangUp).pause();
    const [, method, path] = (isWhole && FIRST_LINE.exec(head)) || [];
    if (method === undefined || path === undefined) hangUp();
    else onQuestion(`${method} ${path.split('?', 1)[0]}`);
  };
  socket
    .on('data', hearOn)
    .on('end', hangUp)
    .once('close', () => clearTimeout(tooLate));
}

async function answer(table: ReadonlyMap<string, Handlers[keyof Handlers]>, question: string): Promise<Answer> {
  const last = question.slice(question.lastIndexOf('/') + 1);
  const handler = table.get(question) ?? table.get(`${question.slice(0, question.length - last.length)}*`);
  const [method] = question.split(' ', 1);
  return handler === undefined ? { status: 404, json: { message: `there is no ${method} here` } } : handler(last);
}

function send(socket: Socket, given: Answer): void {
  const { status = 200 } = given;
  const [type, text] =
    'json' in given
      ? [JSON_TYPE, JSON.stringify(given.json)]
      : [('text' in given && given.contentType) || TEXT, 'text' in given ? given.text : ''];
  // RFC 9110 §8.6: an answer without content has no length.
  const content = status === 204 ? [] : [`content-type: ${type}`, `content-length: ${Buffer.byteLength(text)}`];
  // RFC 9112 §4: there need be no words beside the number.
  const head = [`HTTP/1.1 ${status} `, ...content, 'connection: close'].join('\r\n');
  // Whoever does not read it holds a connection for nobody.
  socket.setTimeout(LONGEST_ANSWER_MS, () => void socket.destroy());
  socket.end(`${head}${END_OF_HEAD}${text}`, () => void socket.destroy());
}
