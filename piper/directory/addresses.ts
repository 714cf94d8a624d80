import { BlockList, isIP } from 'node:net';

/**
 * Addresses that can never be a pod's own. A tenant who may write EndpointSlices could otherwise point the piper at
 * itself, at the node's loopback services or at the cloud's metadata service.
 */
const NEVER_A_POD = {
  4: blockList('ipv4', [
    ['0.0.0.0', 8], // "this host" (RFC 791): Linux connects to loopback
    ['127.0.0.0', 8],
    ['169.254.0.0', 16], // link-local, with it 169.254.169.254
    ['224.0.0.0', 3], // multicast, reserved, broadcast
  ]),
  6: blockList('ipv6', [
    ['::', 127], // unspecified and loopback
    ['::ffff:0:0', 96], // IPv4-mapped: another spelling of all of the above
    ['64:ff9b::', 96], // NAT64: yet another
    ['fe80::', 10],
    ['ff00::', 8],
  ]),
};

/** True for a literal IP address that a pod may have. */
export function mayBePod(address: string): boolean {
  if (address.includes('%')) return false;
  const version = isIP(address);
  if (version === 4) return !NEVER_A_POD[4].check(address, 'ipv4');
  return version === 6 && !NEVER_A_POD[6].check(address, 'ipv6');
}

/** True for any literal IP address: enough where the person who writes the files runs the piper. */
export function isLiteral(address: string): boolean {
  return isIP(address) !== 0;
}

/** One list per family: BlockList matches an IPv4 address against IPv6 rules as well, as a mapped one. */
function blockList(family: 'ipv4' | 'ipv6', networks: readonly [string, number][]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, family);
  return list;
}
