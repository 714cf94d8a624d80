import { ASSERT_IDENTITY, IdentityAssertion } from '../crds/identity-assertion.ts';
import type { Ceiling } from '../crds/secret-contract.ts';
import { isWithin } from '../crds/policy-bounds.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Reader } from '../lib/ssh/wire.ts';

/** Above the largest policy that there can be, whose characters JSON may write with six bytes each. */
const MAX_LENGTH = 192 * 1024;

/** The first message after authentication, or undefined where it is anything but an assertion that parses. */
export function readAssertion(payload: Buffer): IdentityAssertion | undefined {
  const fields = new Reader(payload);
  if (fields.byte() !== MSG.GLOBAL_REQUEST || fields.name() !== ASSERT_IDENTITY || !fields.boolean()) return undefined;
  const text = fields.string();
  fields.end();
  return text.length > MAX_LENGTH ? undefined : parseAssertion(text.toString('utf8'));
}

function parseAssertion(text: string): IdentityAssertion | undefined {
  try {
    return IdentityAssertion.safeParse(JSON.parse(text)).data;
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
