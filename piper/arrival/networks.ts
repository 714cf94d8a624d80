import { BlockList, isIP } from 'node:net';

/** Networks in CIDR notation, or single addresses; IPv4 and IPv6 apart, as BlockList would match one as the other. */
export class Networks {
  readonly #lists = { 4: new BlockList(), 6: new BlockList() };

  /** @param text separated by commas or white space; empty: none. @throws RangeError naming what is no network */
  constructor(text: string) {
    for (const entry of text.split(/[\s,]+/)) if (entry !== '') this.#add(entry);
  }

  /** @param address a literal address, an IPv4 one in its plain form */
  contains(address: string): boolean {
    const version = isIP(address);
    if (version === 4) return this.#lists[4].check(address, 'ipv4');
    return version === 6 && this.#lists[6].check(address, 'ipv6');
  }

  #add(entry: string): void {
    const [network = '', bits, rest] = entry.split('/');
    const version = isIP(network);
    const most = version === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : Number(bits);
    const isPrefix = bits === undefined || (/^\d{1,3}$/.test(bits) && prefix <= most);
    if (version === 0 || network.includes('%') || rest !== undefined || !isPrefix)
      throw new RangeError(`${JSON.stringify(entry)} is no network, such as 192.0.2.0/24 or 2001:db8::/32`);
    if (version === 4) this.#lists[4].addSubnet(network, prefix, 'ipv4');
    else this.#lists[6].addSubnet(network, prefix, 'ipv6');
  }
}
