import { POD_SECRET_KEYS, ROUTE_SECRET_KEYS } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { finding, type Finding } from './findings.ts';
import { textOf, type Secret } from './secret.ts';

/** The two key pairs of one SshAccess. Each private half lies in one Secret only, and that Secret is its truth. */
export type KeyMaterial = {
  readonly hostKey: PrivateKey;
  readonly mappingKey: PrivateKey;
  /** What to tell in Events. */
  readonly findings: readonly Finding[];
};

/**
 * Made once, kept for ever: what the Secrets hold is taken; what they lack, or what does not parse, is made anew.
 * @param podSecret only if it is ours
 * @param routeSecret only if it is ours
 */
export function keyMaterial(podSecret: Secret | undefined, routeSecret: Secret | undefined): KeyMaterial {
  const hostKey = parse(textOf(podSecret, POD_SECRET_KEYS.hostKey));
  const mappingKey = parse(textOf(routeSecret, ROUTE_SECRET_KEYS.mappingKey));
  const isFirst = podSecret === undefined && routeSecret === undefined;
  const findings: Finding[] = [];
  if (isFirst) findings.push(finding('KeysCreated'));
  if (!isFirst && hostKey === undefined) findings.push(finding('HostKeyRemade'));
  if (!isFirst && mappingKey === undefined) findings.push(finding('MappingKeyRemade'));
  return {
    hostKey: hostKey ?? PrivateKey.generateEd25519(),
    mappingKey: mappingKey ?? PrivateKey.generateEd25519(),
    findings,
  };
}

function parse(pem: string | undefined): PrivateKey | undefined {
  if (pem === undefined) return undefined;
  try {
    return PrivateKey.parse(pem);
  } catch {
    // Damaged: as good as lost. The finding says so; the error could not say more without quoting the key.
    return undefined;
  }
}
