import { randomBytes } from 'node:crypto';
import type { Attributes, Span } from './span.ts';

/** Names come from the cluster, and whoever writes an EndpointSlice chooses those of pods. */
const LONGEST_VALUE = 256;

// Enums of OTLP are numbers (opentelemetry/proto/trace/v1).
const KINDS = { internal: 1, server: 2, client: 3 } as const satisfies Record<Span['kind'], number>;
const STATUS = { UNSET: 0, ERROR: 2 } as const;

/** A trace as the spans of an ExportTraceServiceRequest, each a text of JSON. `epoch`: what to add to their times. */
export function encodeTrace(root: Span, epoch: number): string[] {
  const traceId = randomBytes(16).toString('hex');
  const encode = ({ name, kind, from, to, error, attributes, steps }: Span, parentSpanId?: string): string[] => {
    const spanId = randomBytes(8).toString('hex');
    const span = {
      traceId,
      spanId,
      parentSpanId,
      name,
      kind: KINDS[kind],
      startTimeUnixNano: nanoseconds(epoch + from),
      endTimeUnixNano: nanoseconds(epoch + to),
      attributes: encodeAttributes(error === undefined ? attributes : { ...attributes, 'error.type': error }),
      status: { code: error === undefined ? STATUS.UNSET : STATUS.ERROR },
    };
    return [JSON.stringify(span), ...steps.flatMap((step) => encode(step, spanId))];
  };
  return encode(root);
}

/** A request, but for its spans: they go between. */
export function encodeRequest(resource: Attributes, version: string): [before: string, after: string] {
  const attributes = JSON.stringify(encodeAttributes(resource));
  const scope = JSON.stringify({ name: 'sshaccess', version });
  return [
    `{"resourceSpans":[{"resource":{"attributes":${attributes}},"scopeSpans":[{"scope":${scope},"spans":[`,
    ']}]}]}',
  ];
}

const encodeAttributes = (attributes: Attributes) =>
  Object.entries(attributes).map(([key, value]) => ({
    key,
    value:
      typeof value === 'number'
        ? { intValue: String(value) }
        : { stringValue: value.slice(0, LONGEST_VALUE).toWellFormed() },
  }));

/** 64-bit integers are decimal strings. Microseconds since 1970 are exact in a number, nanoseconds are not. */
const nanoseconds = (milliseconds: number): string => `${Math.round(milliseconds * 1_000)}000`;
