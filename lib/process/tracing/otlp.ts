/** Sends spans to a collector: OTLP over HTTP, as JSON. A file of its own, so that it is loaded only where traces are wanted. */
import { lookup } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import type { LookupFunction } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { VERSION } from '../version.ts';
import { outcomeOf, type Reply } from './otlp-answer.ts';
import { encodeRequest, encodeTrace } from './otlp-json.ts';
import type { Attributes, CountSpans, Span } from './span.ts';

/** Spans that wait or are on their way: some 1 MiB. A trace for which there is no room is dropped. */
const MOST_SPANS = 2_048;
const MOST_IN_A_BATCH = 512;
/** A trace is seen so much later; where many come, a batch goes as soon as it is full. */
const BATCH_DELAY_MS = 5_000;
/** For a batch as a whole, whatever the collector does meanwhile. */
const TIMEOUT_MS = 5_000;
/** Of headers and body, so that nobody keeps us busy with it. */
const LARGEST_ANSWER_BYTES = 65_536;
/** Some words of a problem are the collector's: those of its certificate, say. */
const LONGEST_PROBLEM = 200;

export type TracingOptions = {
  /** Where traces are posted to. */
  url: string;
  /** Of so many traces, from 0 to 1. */
  ratio: number;
  /** Who we are. */
  resource: Attributes;
  count: CountSpans;
  /** The collector does not take all, and why; or takes all again (undefined). */
  onChange: (problem: string | undefined) => void;
  batchDelayMs?: number;
  timeoutMs?: number;
  /** Of the system, where nobody says otherwise. */
  lookup?: LookupFunction;
};

export type Tracing = {
  /** Never throws, and never waits. */
  record: (root: Span) => void;
  /** Sends what is left, and gives up on a collector that does not take it in time. */
  stop: (waitMs?: number) => Promise<void>;
};

export function startTracing(options: TracingOptions): Tracing {
  return new OtlpSender(options);
}

/** One batch at a time; what the collector does not take is lost, and counted. */
class OtlpSender implements Tracing {
  readonly #options: TracingOptions;
  readonly #request: typeof http.request;
  readonly #frame: readonly [string, string];
  /** Spans, encoded. */
  #waiting: string[] = [];
  #onTheirWay = 0;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #isLookingUp = false;
  #fails = false;

  constructor(options: TracingOptions) {
    this.#options = options;
    this.#request = options.url.startsWith('https:') ? https.request : http.request;
    this.#frame = encodeRequest(options.resource, VERSION);
  }

  readonly record = (root: Span): void => {
    const { ratio, count } = this.#options;
    if (Math.random() >= ratio) return;
    // The time of day as it is now: over weeks it may have been set anew. One for all, so that steps stay within their span.
    const spans = encodeTrace(root, Date.now() - performance.now());
    if (this.#waiting.length + this.#onTheirWay + spans.length > MOST_SPANS) return count('dropped', spans.length);
    this.#waiting.push(...spans);
    this.#schedule();
  };

  readonly stop = async (waitMs = TIMEOUT_MS): Promise<void> => {
    const given = delay(waitMs, 'over' as const, { ref: false });
    while (this.#sending !== undefined || this.#waiting.length > 0)
      if ((await Promise.race([(this.#sending ??= this.#send()), given])) === 'over') break;
  };

  /** What comes while a batch is on its way waits for it, and then for its own time. */
  #schedule(): void {
    const { batchDelayMs = BATCH_DELAY_MS } = this.#options;
    if (this.#sending !== undefined || this.#waiting.length === 0) return;
    const send = (): void => void (this.#sending ??= this.#send());
    if (this.#waiting.length >= MOST_IN_A_BATCH) send();
    else this.#timer ??= setTimeout(send, batchDelayMs).unref();
  }

  async #send(): Promise<void> {
    const { count, onChange } = this.#options;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#waiting.splice(0, MOST_IN_A_BATCH);
    this.#onTheirWay = batch.length;
    const { problem, ...spans } = outcomeOf(await this.#post(batch.join(',')), batch.length);
    this.#onTheirWay = 0;
    this.#sending = undefined;
    for (const result of ['exported', 'rejected', 'failed'] as const) count(result, spans[result]);
    const fails = problem !== undefined;
    if (fails !== this.#fails) onChange(problem?.slice(0, LONGEST_PROBLEM));
    this.#fails = fails;
    this.#schedule();
  }

  async #post(spans: string): Promise<Reply> {
    const { url, timeoutMs = TIMEOUT_MS } = this.#options;
    const { promise, resolve } = Promise.withResolvers<Reply>();
    const failed = (problem: string): void => resolve({ problem });
    const headers = { 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(timeoutMs);
    let reply: Reply = { problem: 'no whole answer' };
    // A connection for each: that a collector gives up on an idle one is then no loss.
    const options = { method: 'POST', headers, agent: false, signal, lookup: this.#lookUp };
    const request = this.#request(url, options, (response) => {
      const body: Buffer[] = [];
      response.on('error', () => undefined).on('data', bound);
      response.on('data', (piece: Buffer) => body.push(piece));
      response.once('end', () => {
        const { statusCode = 0 } = response;
        const isTaken = statusCode >= 200 && statusCode < 300;
        reply = isTaken ? { body: Buffer.concat(body).toString() } : { problem: `it answered ${statusCode}` };
      });
    });
    const bound = (): void => {
      if ((request.socket?.bytesRead ?? 0) <= LARGEST_ANSWER_BYTES) return;
      failed('its answer is too long');
      request.destroy();
    };
    // 1xx may go on for ever, too (RFC 9110 §15.2).
    request.on('information', bound);
    request.on('error', (error) => failed(signal.aborted ? 'no answer in time' : wordsOf(error)));
    request.once('close', () => resolve(reply));
    request.end(this.#frame.join(spans));
    return await promise;
  }

  /**
   * One at a time: nobody can call getaddrinfo(3) off, which may take minutes where DNS is closed. Each would keep its batch, and
   * a thread that others want for theirs.
   */
  readonly #lookUp: LookupFunction = (name, options, callback) => {
    if (this.#isLookingUp)
      return process.nextTick(callback, new Error(`the name ${name} is still being looked up: is DNS allowed?`), []);
    this.#isLookingUp = true;
    const { lookup: system = lookup } = this.#options;
    system(name, options, (...found) => {
      this.#isLookingUp = false;
      callback(...found);
    });
  };
}

/** Where none of several addresses answers, Node has only a code. */
const wordsOf = ({ message, code }: NodeJS.ErrnoException): string =>
  message === '' ? (code ?? 'no answer') : message;
