import { readFile, realpath } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Ceiling, MOST_MAPPING_KEYS, POD_SECRET_KEYS } from '../crds/secret-contract.ts';
import { folderChanges } from '../lib/process/folder-changes.ts';
import type { Logger } from '../lib/process/logger.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { PublicKey } from '../lib/ssh/keys/public-key.ts';

/** What the pod's Secret grants: who this pod is, whom it believes, and how much at most. */
export type PodAccess = { hostKey: PrivateKey; mappingKeys: readonly PublicKey[]; ceiling: Ceiling };

// Not from node:fs/promises: that loads readline and more, half a MiB in each pod.
const contentOf = promisify(readFile);
const pathOf = promisify(realpath);

type SecretText = { hostKey: string; mappingKeyPublic: string; ceiling: string };

const POLL_MS = 5000;
// The kubelet removes the old files after it has pointed `..data` to the new ones: who reads in between reads again.
const RETRY_MS = 200;

/** Reads the mounted Secret, all keys of one version. Undefined where it, or one of its keys, is not there. */
async function readSecret(directory: string): Promise<SecretText | undefined> {
  try {
    const version = await pathOf(join(directory, '..data')).catch(() => directory);
    const read = (key: string): Promise<string> => contentOf(join(version, key), 'utf8');
    const [hostKey, mappingKeyPublic, ceiling] = await Promise.all([
      read(POD_SECRET_KEYS.hostKey),
      read(POD_SECRET_KEYS.mappingKeyPublic),
      read(POD_SECRET_KEYS.ceiling),
    ]);
    return { hostKey, mappingKeyPublic, ceiling };
  } catch {
    return undefined;
  }
}

/** @throws where the Secret is not what the operator writes; the message holds no key material. */
export function parsePodSecret(text: SecretText): PodAccess {
  return {
    hostKey: PrivateKey.parse(text.hostKey),
    mappingKeys: mappingKeysOf(text.mappingKeyPublic),
    ceiling: Ceiling.parse(JSON.parse(text.ceiling)),
  };
}

/** There are two while one gives way to the other. @throws where there are none, or more */
function mappingKeysOf(text: string): readonly PublicKey[] {
  const lines = text.trim().split('\n', MOST_MAPPING_KEYS + 1);
  if (lines.length > MOST_MAPPING_KEYS) throw new Error('there are too many mapping keys');
  return lines.map((line) => PublicKey.fromLine(line));
}

export type FollowOptions = {
  directory: string;
  log: Logger;
  /** Undefined: nothing is granted; the Secret is not there (yet, or any more) or cannot be trusted. */
  onChange: (access: PodAccess | undefined) => Promise<void>;
};

/** Tells `onChange` what the Secret grants, at the start and whenever that changes, until `signal` aborts. */
export async function followPodSecret({ directory, log, onChange }: FollowOptions, signal: AbortSignal): Promise<void> {
  const changes = folderChanges(directory, POLL_MS, signal);
  let last: string | undefined;
  while (!signal.aborted) {
    const text = (await readSecret(directory)) ?? (await sleep(RETRY_MS).then(() => readSecret(directory)));
    const current = JSON.stringify(text ?? null);
    if (current !== last && !signal.aborted) await onChange(interpret(text, log));
    last = current;
    await changes();
  }
}

function interpret(text: SecretText | undefined, log: Logger): PodAccess | undefined {
  if (text === undefined) {
    log.info('the secret is not there; dormant');
    return undefined;
  }
  try {
    const access = parsePodSecret(text);
    log.info(
      { fingerprint: access.hostKey.publicKey.fingerprint, roles: Object.keys(access.ceiling.roles) },
      'secret read',
    );
    return access;
  } catch (error) {
    // Not the error itself: a parser's message may quote what it read.
    log.error({ problem: error instanceof Error ? error.name : 'unknown' }, 'the secret is invalid; dormant');
    return undefined;
  }
}
