import { REFUSALS, type RefusalCode } from './refusals.ts';

/** Why a connection ends, beside what its user is told a sentence of. */
const UNSAID = [
  'arrival-rate',
  'authentication-failed',
  'banned',
  'client-closed',
  'login-grace',
  'not-authenticated',
  'not-ssh',
  'start-ups',
  'starting',
] as const;

/** One word of the record and of the metrics. */
export type EndReason = RefusalCode | (typeof UNSAID)[number];

const isRefusalCode = (word: string): word is RefusalCode => Object.hasOwn(REFUSALS, word);

export const END_REASONS: readonly EndReason[] = [...Object.keys(REFUSALS).filter(isRefusalCode), ...UNSAID];
