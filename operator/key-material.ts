import { POD_SECRET_KEYS, ROUTE_SECRET_KEYS } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { finding, type Finding } from './findings.ts';
import { textOf, type Secret } from './secret.ts';

/**
 * The private key as it is written: the text that was read stays the text that is written, because each rendering of
 * one key in OpenSSH's format differs (a random check number), and a difference would be written for ever.
 */
export type KeyPair = { readonly pem: string; readonly publicLine: string };

/** The two key pairs of one SshAccess. Each private half lies in one Secret only, and that Secret is its truth. */
export type KeyMaterial = {
  readonly hostKey: KeyPair;
  readonly mappingKey: KeyPair;
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
    hostKey: hostKey ?? generate(),
    mappingKey: mappingKey ?? generate(),
    findings,
  };
}

function generate(): KeyPair {
  const key = PrivateKey.generateEd25519();
  return { pem: key.toOpenSsh(), publicLine: key.publicKey.toLine() };
}

function parse(pem: string | undefined): KeyPair | undefined {
  if (pem === undefined) return undefined;
  try {
    return { pem, publicLine: PrivateKey.parse(pem).publicKey.toLine() };
  } catch {
    // Damaged: as good as lost. The finding says so; the error could not say more without quoting the key.
    return undefined;
  }
}
