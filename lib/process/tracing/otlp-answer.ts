import * as z from 'zod';

/** What came of a request: the body of an answer whose status says that the spans have come, or what went wrong. */
export type Reply = { readonly body: string } | { readonly problem: string };

/** What became of how many spans of a batch, and what went wrong, if anything did. */
export type Outcome = {
  readonly exported: number;
  readonly rejected: number;
  readonly failed: number;
  readonly problem: string | undefined;
};

/** 64-bit integers are decimal strings; some collectors write them as numbers all the same. */
const Count = z.union([
  z
    .string()
    .regex(/^\d{1,19}$/)
    .transform(Number),
  z.int().min(0),
]);
const Answer = z.object({ partialSuccess: z.object({ rejectedSpans: Count, errorMessage: z.string().nullish() }) });

/**
 * A collector that has taken a batch may say that it keeps some of it out (OTLP/HTTP, "Partial Success"). What is no such answer
 * says nothing of the kind.
 * @param sent so many spans: no more can be rejected, whatever a collector says
 */
export function outcomeOf(reply: Reply, sent: number): Outcome {
  if ('problem' in reply) return { exported: 0, rejected: 0, failed: sent, problem: reply.problem };
  const { rejectedSpans = 0, errorMessage } = Answer.safeParse(parseJson(reply.body)).data?.partialSuccess ?? {};
  const rejected = Math.min(rejectedSpans, sent);
  const said = `it rejected ${rejected} of ${sent} spans: ${errorMessage ?? 'it does not say why'}`;
  return { exported: sent - rejected, rejected, failed: 0, problem: rejected === 0 ? undefined : said };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy's words, or none at all.
    return undefined;
  }
}
