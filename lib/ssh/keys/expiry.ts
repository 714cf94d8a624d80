const TIME = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(?:Z|UTC)?$/i;

/**
 * `expiry-time=` (sshd(8)): YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, perhaps with Z. sshd takes it in the time of its
 * system without a Z; here every time is UTC. @returns milliseconds since the epoch, undefined where there is no such time
 */
export function parseExpiry(text: string): number | undefined {
  const [year, month, day, hour, minute, second] = (TIME.exec(text) ?? []).slice(1).map((part) => Number(part ?? 0));
  if (year === undefined || month === undefined || day === undefined) return undefined;
  const time = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // Date turns February 30 into March: what does not come out as it went in is no time. sshd, too, knows none before 1970.
  const isDate = time.getUTCFullYear() === year && time.getUTCMonth() === month - 1 && time.getUTCDate() === day;
  const isSame =
    isDate && time.getUTCHours() === hour && time.getUTCMinutes() === minute && time.getUTCSeconds() === second;
  return isSame && time.getTime() > 0 ? time.getTime() : undefined;
}
