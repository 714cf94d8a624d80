const GIBIBYTE = 2 ** 30;
const HOUR = 3_600_000;
// RFC 4344 §3.1 wants new keys after 2^31 packets. We ask far earlier, and end the connection when nobody listens.
const REKEY_AFTER_PACKETS = 2 ** 28;
export const MAX_PACKETS_PER_KEY: number = 2 ** 31;

/** What keys have been used for, in one direction. */
type Use = { readonly bytesSinceKeys: number; readonly packetsSinceKeys: number };

/** Whether keys have done their time: 1 GiB in one direction, or an hour (RFC 4253 §9). */
export function isRekeyDue(
  [inward, outward]: readonly [Use, Use],
  ageMs: number,
  { rekeyAfterBytes = GIBIBYTE, rekeyAfterMs = HOUR }: { rekeyAfterBytes?: number; rekeyAfterMs?: number },
): boolean {
  if (Math.max(inward.bytesSinceKeys, outward.bytesSinceKeys) >= rekeyAfterBytes) return true;
  return Math.max(inward.packetsSinceKeys, outward.packetsSinceKeys) >= REKEY_AFTER_PACKETS || ageMs >= rekeyAfterMs;
}
