import type { EventDetails, Regarding } from '../lib/kube/event-recorder.ts';
import { type Rate, RateLimiter } from '../lib/process/rate-limiter.ts';

/** Of one object. */
const OF_OBJECT: Rate = { burst: 10, everyMs: 30_000 };
/** Of all objects together. */
const OVERALL: Rate = { burst: 100, everyMs: 1_000 };
/** What users can make happen as often as they like, and nobody waits for. */
const ROUTINE: ReadonlySet<string> = new Set(['LoggedIn']);

/** How many Events a piper writes, whatever happens. Logins have a share of their own: many of them hide nothing else. */
export function eventBudget(now?: () => number): (regarding: Regarding, details: EventDetails) => boolean {
  const shareOf = () => ({ ofObject: new RateLimiter(OF_OBJECT, now), overall: new RateLimiter(OVERALL, now) });
  const [routine, news] = [shareOf(), shareOf()];
  return ({ uid }, { reason }) => {
    const { ofObject, overall } = ROUTINE.has(reason) ? routine : news;
    return ofObject.take(uid) && overall.take('');
  };
}
