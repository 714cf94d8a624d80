/** The least of field management and JSON patch that unit tests need. */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';

export type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `base` with the leaves of `over` in place of its own. */
export function mergeFields(base: Fields, over: Fields): Fields {
  const merged: Fields = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isFields(value) ? mergeFields(isFields(below) ? below : {}, value) : value;
  }
  return merged;
}

/** `base` without the leaves that were in `before` and are not in `now`. */
export function forgetFields(base: Fields, before: Fields, now: Fields): Fields {
  const kept: Fields = { ...base };
  for (const [key, value] of Object.entries(before)) {
    const below = kept[key];
    const next = now[key];
    if (isFields(value) && isFields(below)) kept[key] = forgetFields(below, value, isFields(next) ? next : {});
    else if (next === undefined) delete kept[key];
  }
  return kept;
}

const Operation = z.object({ op: z.enum(['add', 'remove', 'test']), path: z.string(), value: z.unknown().optional() });

/** RFC 6902, of `metadata` and one list in it; undefined where a test fails. */
export function patchFields(object: Fields, operations: unknown): Fields | undefined {
  const patched = structuredClone(object);
  for (const { op, path, value } of z.array(Operation).parse(operations)) {
    const keys = path.split('/').slice(1);
    const last = keys.pop() ?? '';
    let parent: unknown = patched;
    for (const key of keys) parent = isFields(parent) ? parent[key] : undefined;
    if (Array.isArray(parent)) {
      if (op === 'add') parent.push(value);
      if (op === 'remove') parent.splice(Number(last), 1);
    } else if (isFields(parent)) {
      if (op === 'test' && !isDeepStrictEqual(parent[last], value)) return undefined;
      if (op === 'add') parent[last] = value;
      if (op === 'remove') delete parent[last];
    } else {
      return undefined;
    }
  }
  return patched;
}
