/** The keys by which users know us: a mounted Secret, which an administrator may change while we run (docs/rotation.md). */
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { PIPER_HOST_KEY_SUFFIX } from '../../crds/index.ts';
import { ConfigError } from '../../lib/process/config.ts';
import { folderChanges } from '../../lib/process/folder-changes.ts';
import type { Logger } from '../../lib/process/logger.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';

/** The kubelet tells us of no change that a watch on the mount would miss; this is for file systems that tell nothing. */
const POLL_MS = 10_000;

export class HostKeyFolder {
  readonly #folder: string;
  readonly #log: Logger;
  #keys: readonly PrivateKey[] = [];
  /** Why the keys are not those of the folder; empty: they are. */
  #problem = '';

  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  /** In the order of their names: of two that sign alike, the first is the one that clients are shown. */
  get keys(): readonly PrivateKey[] {
    return this.#keys;
  }

  /** @throws ConfigError */
  async load(): Promise<void> {
    const before = fingerprintsOf(this.#keys);
    this.#keys = await readHostKeys(this.#folder);
    const fingerprints = fingerprintsOf(this.#keys);
    if (String(fingerprints) !== String(before)) this.#log.info({ hostKeys: fingerprints }, 'host keys loaded');
    this.#problem = '';
  }

  /** Until `signal` aborts. A connection keeps the keys that it began with. */
  async follow(signal: AbortSignal): Promise<void> {
    const changed = folderChanges(this.#folder, POLL_MS, signal);
    while (!signal.aborted) {
      await changed();
      await this.load().catch((error: unknown) => this.#keep(error));
    }
  }

  /** A key that was pasted wrongly, or a Secret that is gone, must not cost us the name that users know us by. */
  #keep(error: unknown): void {
    const problem = error instanceof Error ? error.message : 'unreadable';
    if (problem !== this.#problem) this.#log.error({ problem }, 'these host keys cannot be used; those of before stay');
    this.#problem = problem;
  }
}

const fingerprintsOf = (keys: readonly PrivateKey[]): string[] => keys.map(({ publicKey }) => publicKey.fingerprint);

/**
 * Every file of the folder whose name ends in `host-key`, sorted by name, each key once: a client throws away a whole
 * announcement in which one is twice. A Secret volume has links beside its files; their names begin with a dot.
 */
async function readHostKeys(folder: string): Promise<readonly PrivateKey[]> {
  // All of one version of the Secret: what is `..data` may change between two files.
  const version = await realpath(join(folder, '..data')).catch(() => folder);
  const all = await readdir(version).catch(() => []);
  const names = all.filter((name) => name.endsWith(PIPER_HOST_KEY_SUFFIX) && !name.startsWith('.')).toSorted();
  if (names.length === 0) {
    throw new ConfigError(`put at least one private key into ${folder}, in a file *${PIPER_HOST_KEY_SUFFIX}`);
  }
  const keys = await Promise.all(names.map((name) => readHostKey(version, name)));
  return [...new Map(keys.toReversed().map((key) => [key.publicKey.fingerprint, key])).values()].toReversed();
}

async function readHostKey(folder: string, name: string): Promise<PrivateKey> {
  try {
    return PrivateKey.parse(await readFile(join(folder, name), 'utf8'));
  } catch (error) {
    throw new ConfigError(`${name}: ${error instanceof Error ? error.message : 'unreadable'}`);
  }
}
