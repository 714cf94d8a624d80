import type { SessionPolicy } from '../crds/index.ts';
import type { RefusalCode } from './refusals.ts';

/** How long a connection has gone on, and how long nothing has passed on its channels. */
export type Ages = { connectedMs: number; idleMs: number; untilExpiryMs: number };

/** An end, and how soon it comes; where that is not above zero, it is due. */
export type Ending = { code: Extract<RefusalCode, 'expired' | 'session-too-long' | 'idle'>; inMs: number };

/** What will end a connection first, if nothing passes until then; undefined where nothing will. */
export function nextEnding(policy: SessionPolicy, ages: Ages): Ending | undefined {
  const { idleTimeoutSeconds: idle, maxDurationSeconds: longest } = policy;
  const endings: Ending[] = [{ code: 'expired', inMs: ages.untilExpiryMs }];
  if (longest > 0) endings.push({ code: 'session-too-long', inMs: longest * 1000 - ages.connectedMs });
  if (idle > 0) endings.push({ code: 'idle', inMs: idle * 1000 - ages.idleMs });
  return endings.filter(({ inMs }) => inMs !== Infinity).toSorted((left, right) => left.inMs - right.inMs)[0];
}
