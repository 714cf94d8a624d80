import * as z from 'zod';
import type { Resources } from './pod.ts';
import { parseQuantity, type Quantity } from './quantity.ts';

const Quantities = z.record(z.string(), z.union([z.string(), z.number()]));

const Limit = z.object({
  type: z.string(),
  min: Quantities.default({}),
  max: Quantities.default({}),
  maxLimitRequestRatio: Quantities.default({}),
});
type Limit = z.infer<typeof Limit>;

/** A LimitRange, as far as it can refuse a pod for the sidecar's sake. */
export const LimitRange = z.object({
  metadata: z.object({ namespace: z.string() }),
  spec: z.object({ limits: z.array(Limit) }),
});
export type LimitRange = z.infer<typeof LimitRange>;

/**
 * Requests and limits that every LimitRange of the namespace lets a container have: a pod that was admitted without the
 * sidecar is admitted with it. Limits on whole pods are not looked at: there a smaller sidecar is the answer, in values.
 */
export function fitInto(resources: Resources, ranges: readonly LimitRange[]): Resources {
  const limits = ranges.flatMap(({ spec }) => spec.limits).filter(({ type }) => type === 'Container');
  const relevant = ['cpu', 'memory'].filter((name) => limits.some((limit) => mentions(limit, name)));
  return relevant.reduce((fitted, name) => fitOne(fitted, name, limits), resources);
}

const mentions = ({ min, max, maxLimitRequestRatio }: Limit, name: string): boolean =>
  name in min || name in max || name in maxLimitRequestRatio;

function fitOne(resources: Resources, name: string, limits: readonly Limit[]): Resources {
  let request = resources.requests?.[name] ?? resources.limits?.[name];
  let limit = resources.limits?.[name];
  for (const { min, max, maxLimitRequestRatio } of limits) {
    limit = least(limit, max[name]);
    request = greatest(least(request, limit), min[name]);
    limit = greatest(limit, limit === undefined ? undefined : request);
    const ratio = maxLimitRequestRatio[name];
    if (ratio !== undefined && request !== undefined) limit = least(limit, times(request, ratio, name));
  }
  return {
    ...resources,
    ...(request !== undefined && { requests: { ...resources.requests, [name]: request } }),
    ...(limit !== undefined && { limits: { ...resources.limits, [name]: limit } }),
  };
}

type Maybe = Quantity | undefined;

/** The smaller of two; the one that there is; the first where they are equal, so that its spelling stays. */
const least = (a: Maybe, b: Maybe): Maybe => (number(b) < number(a) ? b : (a ?? b));
const greatest = (a: Maybe, b: Maybe): Maybe => (b !== undefined && !(number(b) <= number(a, 0)) ? b : a);

const number = (quantity: Maybe, otherwise = Number.POSITIVE_INFINITY): number =>
  (quantity === undefined ? undefined : parseQuantity(quantity)) ?? otherwise;

/** Rounded down to what the API server can say: thousandths of a cpu, whole bytes. */
function times(request: Quantity, ratio: Quantity, name: string): Quantity {
  const product = number(request) * number(ratio);
  return name === 'cpu' ? `${Math.floor(product * 1000 + 1e-6)}m` : String(Math.floor(product));
}
