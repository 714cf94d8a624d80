/** Blocks of IPv4 addresses, as NetworkPolicies write them; nothing on the native cluster speaks IPv6. */

type Block = { readonly first: number; readonly length: number };

const ADDRESS_BITS = 32;

/** The blocks that make up `cidr` without those of `except`; none where it is no IPv4. */
export function without(cidr: string, except: readonly string[]): string[] {
  const block = parse(cidr);
  if (block === undefined) return [];
  return subtract(
    block,
    except.flatMap((each) => parse(each) ?? []),
  ).map(format);
}

/** Halves it until each part is wholly in or wholly out. */
function subtract(block: Block, except: readonly Block[]): Block[] {
  if (except.some((each) => contains(each, block))) return [];
  if (!except.some((each) => contains(block, each))) return [block];
  const length = block.length + 1;
  const halves = [block.first, block.first + size(length)].map((first) => ({ first, length }));
  return halves.flatMap((half) => subtract(half, except));
}

const size = (length: number): number => 2 ** (ADDRESS_BITS - length);

const contains = (outer: Block, inner: Block): boolean =>
  inner.length >= outer.length && inner.first >= outer.first && inner.first < outer.first + size(outer.length);

function parse(cidr: string): Block | undefined {
  const [, address = '', length = ''] = /^(\d+\.\d+\.\d+\.\d+)\/(\d+)$/.exec(cidr) ?? [];
  if (address === '') return undefined;
  const number = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return { first: number - (number % size(Number(length))), length: Number(length) };
}

const format = ({ first, length }: Block): string =>
  `${[24, 16, 8, 0].map((shift) => (first >>> shift) & 255).join('.')}/${length}`;
