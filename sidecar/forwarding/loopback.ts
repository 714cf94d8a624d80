import { acceptsLocalPort, type SessionPolicy } from '../../crds/session-policy.ts';

/**
 * Where a `direct-tcpip` channel may lead: literal loopback addresses to try in order, or undefined: refused.
 * Only the three spellings that everybody uses; no other name of 127/8 or of ::1 (IPv4-mapped, zero-padded, decimal,
 * bracketed) and nothing is ever resolved, so no name can be rebound to somewhere else.
 */
export function loopbackTargets(
  policy: SessionPolicy,
  destination: { host: string; port: number },
  ownPort: number,
): readonly string[] | undefined {
  const { host, port } = destination;
  if (!acceptsLocalPort(policy, port) || port === ownPort) return undefined;
  return TARGETS.get(host);
}

const TARGETS: ReadonlyMap<string, readonly string[]> = new Map([
  ['127.0.0.1', ['127.0.0.1']],
  ['::1', ['::1']],
  ['localhost', ['127.0.0.1', '::1']],
]);
