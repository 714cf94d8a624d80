import { watch } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import * as z from 'zod';
import type { Logger } from '../../lib/process/logger.ts';
import type { ObjectDirectory } from './directory.ts';
import { EndpointSliceObject, SecretObject } from './objects.ts';
import type { Provider } from './provider.ts';

const Manifest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('Secret') }).loose(),
  z.object({ kind: z.literal('EndpointSlice') }).loose(),
]);

type Objects = { secrets: Map<string, SecretObject>; slices: Map<string, EndpointSliceObject> };
type Loaded = { text: string; objects: Objects };

/** An editor or `kubectl get -o yaml >` writes a file in several steps; this long after the last one it is read. */
const SETTLE_MS = 50;

/**
 * Feeds the directory from the `*.yaml` files of a folder, and follows their changes: the same objects that the API
 * server would hold, for benchmarks, tests and a laptop without a cluster. What does not parse grants nothing, so
 * replace files by renaming.
 */
export class FileProvider implements Provider {
  readonly #folder: string;
  readonly #directory: ObjectDirectory;
  readonly #log: Logger;
  #files = new Map<string, Loaded>();
  #loading: Promise<void> = Promise.resolve();
  #loaded = false;

  constructor(folder: string, directory: ObjectDirectory, log: Logger) {
    this.#folder = folder;
    this.#directory = directory;
    this.#log = log;
  }

  /** Loads everything once, then follows changes until `signal` aborts. */
  async start(signal: AbortSignal): Promise<void> {
    // Watching begins before the first load, or a change between the two would be lost.
    let timer: NodeJS.Timeout | undefined;
    const watcher = watch(this.#folder, { signal }, () => {
      clearTimeout(timer);
      timer = setTimeout(() => void this.#reload(), SETTLE_MS);
    });
    watcher.on('error', (error) => this.#log.error({ err: error }, 'routes are no longer followed'));
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    await this.#reload();
  }

  problem(): string | undefined {
    return this.#loaded ? undefined : 'routes are not loaded yet';
  }

  /** One load at a time; one that was asked for meanwhile comes after. */
  #reload(): Promise<void> {
    this.#loading = this.#loading.then(() => this.#load());
    return this.#loading;
  }

  async #load(): Promise<void> {
    const before = merge(this.#files.values());
    try {
      this.#files = await this.#read();
    } catch (error) {
      this.#log.error({ err: error }, 'routes could not be read; nobody gets in');
      this.#files = new Map();
    }
    const after = merge(this.#files.values());
    apply(this.#directory, before, after);
    this.#loaded = true;
    this.#log.info({ secrets: after.secrets.size, endpointSlices: after.slices.size }, 'routes loaded');
  }

  async #read(): Promise<Map<string, Loaded>> {
    const names = (await readdir(this.#folder)).filter((name) => /\.ya?ml$/.test(name)).toSorted();
    const files = new Map<string, Loaded>();
    for (const name of names) {
      const text = await readFile(join(this.#folder, name), 'utf8');
      const known = this.#files.get(name);
      files.set(name, known?.text === text ? known : { text, objects: this.#parse(name, text) });
    }
    return files;
  }

  #parse(file: string, text: string): Objects {
    const objects: Objects = { secrets: new Map(), slices: new Map() };
    for (const document of parseAllDocuments(text)) {
      try {
        if (document.errors[0] !== undefined) throw document.errors[0];
        const content: unknown = document.toJS();
        if (content !== null) add(objects, content);
      } catch (error) {
        this.#log.error({ file, problem: error instanceof Error ? error.message : 'unreadable' }, 'document refused');
      }
    }
    return objects;
  }
}

function add(objects: Objects, content: unknown): void {
  if (Manifest.parse(content).kind === 'Secret') {
    const secret = SecretObject.parse(content);
    objects.secrets.set(`${secret.namespace}/${secret.name}`, secret);
  } else {
    const slice = EndpointSliceObject.parse(content);
    objects.slices.set(`${slice.namespace}/${slice.name}`, slice);
  }
}

function merge(files: Iterable<Loaded>): Objects {
  const all: Objects = { secrets: new Map(), slices: new Map() };
  for (const { objects } of files) {
    for (const [key, secret] of objects.secrets) all.secrets.set(key, secret);
    for (const [key, slice] of objects.slices) all.slices.set(key, slice);
  }
  return all;
}

function apply(directory: ObjectDirectory, before: Objects, after: Objects): void {
  for (const key of before.secrets.keys()) if (!after.secrets.has(key)) directory.removeSecret(key);
  for (const key of before.slices.keys()) if (!after.slices.has(key)) directory.removeSlice(key);
  // An unchanged file keeps its objects, so identity tells what is new.
  for (const [key, slice] of after.slices) if (before.slices.get(key) !== slice) directory.setSlice(key, slice);
  for (const [key, secret] of after.secrets) if (before.secrets.get(key) !== secret) directory.setSecret(key, secret);
}
