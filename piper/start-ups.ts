import { isIPv6 } from 'node:net';

/** `::ffff:192.0.2.1`, as a dual-stack listener reports an IPv4 client, is `192.0.2.1` in every record. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** Whom a limit per source counts: an IPv4 address, or the /64 that one IPv6 customer at least has. */
export function sourceOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.toLowerCase().split('%')[0]?.split('::') ?? [];
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const rest = tail === '' ? 0 : tail.split(':').length;
    groups.push(...Array.from({ length: Math.max(0, 8 - groups.length - rest) }, () => '0'));
    if (tail !== '') groups.push(...tail.split(':'));
  }
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}

export type StartUpLimits = { startUps: number; startUpsPerSource: number };

/**
 * Bounds the connections that nobody has logged in on yet, in all and per source, so that strangers can neither exhaust
 * us nor keep others out all alone. Those who are logged in do not count.
 */
export class StartUps {
  readonly #limits: StartUpLimits;
  readonly #bySource = new Map<string, number>();
  #count = 0;

  constructor(limits: StartUpLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#count;
  }

  /** Returns how to give the place back (once; later calls do nothing), or undefined where there is none. */
  take(address: string): (() => void) | undefined {
    const source = sourceOf(address);
    const ofSource = this.#bySource.get(source) ?? 0;
    if (this.#count >= this.#limits.startUps || ofSource >= this.#limits.startUpsPerSource) return undefined;
    this.#count++;
    this.#bySource.set(source, ofSource + 1);
    let taken = true;
    return () => {
      if (!taken) return;
      taken = false;
      this.#count--;
      const left = (this.#bySource.get(source) ?? 1) - 1;
      if (left === 0) this.#bySource.delete(source);
      else this.#bySource.set(source, left);
    };
  }
}
