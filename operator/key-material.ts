import { POD_SECRET_KEYS, ROUTE_SECRET_KEYS } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { finding, type Finding } from './findings.ts';
import { generateKeyPair, RotationNote, type KeyPair, type KeyRing } from './key-rotation.ts';
import { parseJson, textOf, type Secret } from './secret.ts';

/** On the pod's Secret, and on the route's: a {@link RotationNote} of the key whose private half is there. */
export const ANNOTATION_HOST_KEY_ROTATION = 'sshaccess.dev/host-key-rotation';
export const ANNOTATION_MAPPING_KEY_ROTATION = 'sshaccess.dev/mapping-key-rotation';

/** The two keys of one SshAccess. Each private half lies in one Secret only, and that Secret is its truth. */
export type KeyMaterial = {
  readonly hostKey: KeyRing;
  readonly mappingKey: KeyRing;
  /** What to tell in Events. */
  readonly findings: readonly Finding[];
};

/** What is asked for (key-rotation.ts) when the keys are read: a key that is made now has answered it. */
export type Asked = { readonly hostKey?: string | undefined; readonly mappingKey?: string | undefined };

/**
 * What the Secrets hold is taken; what they lack, or what does not parse, is made anew.
 * @param podSecret only if it is ours
 * @param routeSecret only if it is ours
 */
export function keyMaterial(
  podSecret: Secret | undefined,
  routeSecret: Secret | undefined,
  asked: Asked = {},
): KeyMaterial {
  const hostKey = readRing(podSecret, {
    current: POD_SECRET_KEYS.hostKey,
    next: POD_SECRET_KEYS.nextHostKey,
    note: ANNOTATION_HOST_KEY_ROTATION,
  });
  const mappingKey = readRing(routeSecret, {
    current: ROUTE_SECRET_KEYS.mappingKey,
    next: ROUTE_SECRET_KEYS.nextMappingKey,
    note: ANNOTATION_MAPPING_KEY_ROTATION,
  });
  const isFirst = podSecret === undefined && routeSecret === undefined;
  const findings: Finding[] = [];
  if (!isFirst && hostKey === undefined) findings.push(finding('HostKeyRemade'));
  if (!isFirst && mappingKey === undefined) findings.push(finding('MappingKeyRemade'));
  return {
    hostKey: hostKey ?? { current: generateKeyPair(), handled: asked.hostKey },
    mappingKey: mappingKey ?? { current: generateKeyPair(), handled: asked.mappingKey },
    findings,
  };
}

/** Undefined: it is lost, and so is what was said about it. */
function readRing(secret: Secret | undefined, at: Record<'current' | 'next' | 'note', string>): KeyRing | undefined {
  const current = parse(textOf(secret, at.current));
  if (current === undefined) return undefined;
  const note = parseJson(RotationNote, secret?.metadata.annotations[at.note]) ?? {};
  return { ...note, current, next: parse(textOf(secret, at.next)) };
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
