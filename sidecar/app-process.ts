import { execFile } from 'node:child_process';

/** What the app's main process is, as `enter inspect` found it. */
export type AppProcess = {
  pid: number;
  /** Clock ticks since boot when it started: with the pid it names the process for good. */
  start: number;
  uid: number;
  gid: number;
  groups: readonly number[];
  noNewPrivs: boolean;
  /** Its capability bounding set, in hexadecimal. */
  capabilityBound: string;
  cwd: string;
  environ: Buffer;
  passwd: Buffer;
  group: Buffer;
};

/** Why there is no app process to enter. */
export type NoAppProcess = 'not-running' | 'not-permitted';

/** The helper could not be run, or said what it never says. */
export class InspectError extends Error {
  readonly code = 'inspect';
}

const EXIT_NO_PROCESS = 3;
const EXIT_NOT_PERMITTED = 4;
/** It takes milliseconds; on a node that has much else to do, nobody is to be refused for that. */
const TIMEOUT_MS = 20_000;
// environ is bounded by the kernel's stack limit (a few MiB); passwd and group of real images are small.
const MAX_OUTPUT = 16 * 1024 * 1024;

/** Finds the main process of a container of this pod, by its marker. */
export function inspectApp(enter: string, container: string): Promise<AppProcess | NoAppProcess> {
  return new Promise((resolve, reject) => {
    const options = { encoding: 'buffer', timeout: TIMEOUT_MS, maxBuffer: MAX_OUTPUT, env: {} } as const;
    execFile(enter, ['inspect', container], options, (error, stdout, stderr) => {
      if (error === null) return settle(() => resolve(parseInspection(stdout)), reject);
      if (error.code === EXIT_NO_PROCESS) return resolve('not-running');
      if (error.code === EXIT_NOT_PERMITTED) return resolve('not-permitted');
      return reject(new InspectError(`enter inspect failed: ${stderr.toString('latin1').trim()}`, { cause: error }));
    });
  });
}

function settle(work: () => void, reject: (error: unknown) => void): void {
  try {
    work();
  } catch (error) {
    reject(error);
  }
}

/** Parses what `enter inspect` prints: lines `name value`, then three blocks `name length`, newline, bytes, newline. */
export function parseInspection(output: Buffer): AppProcess {
  const cursor = new Cursor(output);
  const app: AppProcess = {
    pid: cursor.number('pid'),
    start: cursor.number('start'),
    uid: cursor.number('uid'),
    gid: cursor.number('gid'),
    groups: parseGroups(cursor.line('groups')),
    noNewPrivs: cursor.number('nnp') !== 0,
    capabilityBound: matching(/^[0-9a-f]{1,16}$/, cursor.line('capbnd')),
    cwd: cursor.line('cwd'),
    environ: cursor.block('environ'),
    passwd: cursor.block('passwd'),
    group: cursor.block('group'),
  };
  cursor.end();
  return app;
}

function parseGroups(line: string): number[] {
  if (line === '') return [];
  return line.split(',').map((group) => Number(matching(/^\d{1,10}$/, group)));
}

function matching(pattern: RegExp, value: string): string {
  if (!pattern.test(value)) throw new InspectError(`enter inspect printed an invalid value: ${JSON.stringify(value)}`);
  return value;
}

class Cursor {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  line(name: string): string {
    const end = this.#bytes.indexOf('\n', this.#offset);
    const line = end < 0 ? '' : this.#bytes.toString('utf8', this.#offset, end);
    if (end < 0 || !(line === name || line.startsWith(`${name} `)))
      throw new InspectError(`enter inspect did not print ${name}`);
    this.#offset = end + 1;
    return line.slice(name.length + 1);
  }

  number(name: string): number {
    return Number(matching(/^\d{1,15}$/, this.line(name)));
  }

  block(name: string): Buffer {
    const length = this.number(name);
    const end = this.#offset + length;
    if (this.#bytes[end] !== 0x0a) throw new InspectError(`enter inspect printed ${name} with a wrong length`);
    const block = this.#bytes.subarray(this.#offset, end);
    this.#offset = end + 1;
    return block;
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw new InspectError('enter inspect printed more than it should');
  }
}
