/** A collector on loopback: what comes must be OTLP as JSON (opentelemetry-proto 1.x, OTLP 1.x "JSON Protobuf Encoding") to the letter. */
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';
import * as z from 'zod';

/** 64-bit integers are decimal strings. */
const uint64 = z
  .string()
  .regex(/^\d{1,20}$/)
  .transform(BigInt);
const Value = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({
    intValue: z
      .string()
      .regex(/^-?\d+$/)
      .transform(Number),
  }),
  z.strictObject({ doubleValue: z.number() }),
  z.strictObject({ boolValue: z.boolean() }),
]);
const Attributes = z
  .array(z.strictObject({ key: z.string().min(1), value: Value }))
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]])));
const dropped = z.literal(0).default(0);

const CollectedSpan = z.strictObject({
  traceId: z.string().regex(/^(?!0+$)[0-9a-f]{32}$/),
  spanId: z.string().regex(/^(?!0+$)[0-9a-f]{16}$/),
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  traceState: z.string().optional(),
  name: z.string().min(1),
  // SPAN_KIND_INTERNAL, _SERVER, _CLIENT: enums are numbers.
  kind: z.literal([1, 2, 3]),
  startTimeUnixNano: uint64,
  endTimeUnixNano: uint64,
  attributes: Attributes,
  droppedAttributesCount: dropped,
  events: z.tuple([]).optional(),
  droppedEventsCount: dropped,
  links: z.tuple([]).optional(),
  droppedLinksCount: dropped,
  // Unset, or an error without words.
  status: z.strictObject({ code: z.literal([0, 2]) }),
  flags: z.int().optional(),
});
export type CollectedSpan = z.infer<typeof CollectedSpan>;

const Request = z.strictObject({
  resourceSpans: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes: Attributes, droppedAttributesCount: dropped }),
      schemaUrl: z.string().optional(),
      scopeSpans: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.literal('sshaccess'), version: z.string().optional() }),
          schemaUrl: z.string().optional(),
          spans: z.array(CollectedSpan),
        }),
      ),
    }),
  ),
});

/** Of the body of a request. */
export function readTraces(body: string): { resources: Record<string, unknown>[]; spans: CollectedSpan[] } {
  const { resourceSpans } = Request.parse(JSON.parse(body));
  return {
    resources: resourceSpans.map(({ resource }) => resource.attributes),
    spans: resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans)),
  };
}

export type Collector = Awaited<ReturnType<typeof startCollector>>;

/**
 * @param answer in place of one that takes everything; the request has been read
 * @param tls its key and certificate, for https
 */
export async function startCollector(
  answer: (response: ServerResponse) => void = take,
  tls?: { key: string; cert: string },
) {
  const spans: CollectedSpan[] = [];
  const resources: Record<string, unknown>[] = [];
  const problems: unknown[] = [];
  const bodies: string[] = [];
  const behaviour = { answer };
  let requests = 0;
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    requests++;
    const chunks = await request.toArray();
    const { headers, method, url } = request;
    if (`${method} ${url} ${headers['content-type']}` !== 'POST /v1/traces application/json')
      problems.push([method, url, headers]);
    const body = Buffer.concat(chunks).toString();
    const traces = readTraces(body);
    // What is refused has not come.
    behaviour.answer(response);
    if (response.statusCode !== 200 || !response.writableEnded) return;
    bodies.push(body);
    resources.push(...traces.resources);
    spans.push(...traces.spans);
  };
  const listener = (request: IncomingMessage, response: ServerResponse): void =>
    void receive(request, response).catch((error: unknown) => problems.push(error));
  const server = tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    /** What has come, as it came. */
    bodies,
    spans,
    resources,
    /** What came and was no OTLP. */
    problems,
    behaviour,
    get requests() {
      return requests;
    },
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export function take(response: ServerResponse): void {
  response.setHeader('content-type', 'application/json').end('{}');
}
