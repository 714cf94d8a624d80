import type { Defence } from '../defence.ts';
import { AUTHENTICATION } from './authentication.ts';
import { KEYS } from './keys.ts';
import { OVERLOAD } from './overload.ts';
import { POLICY } from './policy.ts';
import { REVOCATION } from './revocation.ts';
import { ROUTING } from './routing.ts';
import { TRANSPORT } from './transport.ts';

const chapters = [AUTHENTICATION, KEYS, TRANSPORT, OVERLOAD, ROUTING, POLICY, REVOCATION];

/** By the rows of docs/security-tests.md, in their order. */
export const DEFENCES: readonly Defence[] = chapters
  .flat()
  .toSorted((left, right) => left.row.localeCompare(right.row, 'en', { numeric: true }));
