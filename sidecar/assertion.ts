import { END_LEFTOVERS, KEEP_LEFTOVERS, LeftoversOrder, Roster } from '../crds/end-leftovers.ts';
import { ASSERT_IDENTITY, IdentityAssertion } from '../crds/identity-assertion.ts';
import type { Ceiling } from '../crds/secret-contract.ts';
import { isWithin } from '../crds/policy-bounds.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Reader } from '../lib/ssh/wire.ts';

/** Above the largest policy that there can be, whose characters JSON may write with six bytes each; a roster is shorter. */
const MAX_LENGTH = 192 * 1024;

/** The first message after authentication, or undefined where it is anything but an assertion that parses. */
export function readAssertion(payload: Buffer): IdentityAssertion | undefined {
  return IdentityAssertion.safeParse(readRequest(payload, ASSERT_IDENTITY)).data;
}

/** The same, where it is no assertion but an order about users who have lost their access. */
export function readLeftoversOrder(payload: Buffer): LeftoversOrder | undefined {
  return LeftoversOrder.safeParse(readRequest(payload, END_LEFTOVERS)).data;
}

/** The same, where it says who may have left something here. */
export function readRoster(payload: Buffer): Roster | undefined {
  return Roster.safeParse(readRequest(payload, KEEP_LEFTOVERS)).data;
}

/** What the one string of that global request holds. */
function readRequest(payload: Buffer, name: string): unknown {
  const fields = new Reader(payload);
  if (fields.byte() !== MSG.GLOBAL_REQUEST || fields.name() !== name || !fields.boolean()) return undefined;
  const text = fields.string();
  fields.end();
  if (text.length > MAX_LENGTH) return undefined;
  try {
    return JSON.parse(text.toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Why the pod's ceiling forbids what the piper asserts, or undefined. */
export function ceilingProblem(assertion: IdentityAssertion, ceiling: Ceiling): string | undefined {
  const widest = ceiling.roles[assertion.role];
  if (widest === undefined) return 'this pod does not allow the asserted role';
  return isWithin(assertion.policy, widest) ? undefined : 'this pod does not allow the asserted policy';
}
