/** Sessions that are to end though their user may come in again: on an SshAccess, `<username>@<time>`, several with commas. */
import * as z from 'zod/mini';

/** As many as users, with those who were. */
export const MOST_KICKS = 64;
const LONGEST_ANNOTATION = 16_384;
/** `kubectl` runs on somebody's laptop, whose clock is another. What is later than this is not acted upon. */
const CLOCK_SKEW_MS = 60_000;

/** Sessions of this user that began before that time have ended. */
export const Kick = z.object({ username: z.string().check(z.maxLength(191)), before: z.iso.datetime() });
export type Kick = z.infer<typeof Kick>;

/** What is no kick is passed over, and so is what would keep somebody out from now on: `spec.enabled` is for that. */
export function parseKicks(annotation: string | undefined, now: Date): Kick[] {
  if (annotation === undefined || annotation.length > LONGEST_ANNOTATION) return [];
  return annotation
    .split(',')
    .slice(0, MOST_KICKS)
    .flatMap((text) => {
      const [username, before] = text.trim().split('@');
      const parsed = Kick.safeParse({ username, before });
      const isPast = parsed.success && Date.parse(parsed.data.before) <= now.getTime() + CLOCK_SKEW_MS;
      return isPast ? [parsed.data] : [];
    });
}
