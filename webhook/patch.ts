import { isDeepStrictEqual } from 'node:util';
import { createPatch, type Operation, type Pointer } from 'rfc6902';

/** The JSON Patch (RFC 6902) that makes `output` of `input`; both are JSON values. */
export function diff(input: unknown, output: unknown): Operation[] {
  return createPatch(input, output, (before: unknown, after: unknown, pointer: Pointer) =>
    Array.isArray(before) && Array.isArray(after) ? diffArrays(before, after, pointer.toString()) : undefined,
  );
}

/** As an AdmissionReview wants it. */
export const encode = (patch: readonly Operation[]): string => Buffer.from(JSON.stringify(patch)).toString('base64');

/**
 * Linear, because whoever makes a pod chooses its size: rfc6902's own array diff is quadratic and recurses once per
 * element, so a few thousand environment variables would stop the webhook. We add at an end or replace in place, so what
 * lies between the equal head and the equal tail is one or two elements.
 */
function diffArrays(before: readonly unknown[], after: readonly unknown[], path: string): Operation[] {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && isDeepStrictEqual(before[head], after[head])) head += 1;
  let tail = 0;
  while (tail < shorter - head && isDeepStrictEqual(before.at(-1 - tail), after.at(-1 - tail))) tail += 1;
  const removed = before.slice(head, before.length - tail);
  const added = after.slice(head, after.length - tail);
  const common = Math.min(removed.length, added.length);
  return [
    ...added.slice(0, common).flatMap((value, index) => nested(removed[index], value, `${path}/${head + index}`)),
    // From the last to the first: each removal moves those behind it.
    ...removed.slice(common).map((): Operation => ({ op: 'remove', path: `${path}/${head + common}` })),
    ...added.slice(common).map((value, index): Operation => {
      const at = head + common + index;
      return { op: 'add', path: `${path}/${at}`, value };
    }),
  ];
}

function nested(before: unknown, after: unknown, path: string): Operation[] {
  return diff(before, after).map((operation) => ({ ...operation, path: `${path}${operation.path}` }));
}
