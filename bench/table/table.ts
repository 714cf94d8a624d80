/** `npm run bench -- table`: what ten thousand users and a hundred thousand endpoints cost one piper. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { clientOf } from '../../lib/kube/client.ts';
import { createLogger } from '../../lib/process/logger.ts';
import { mayBePod } from '../../piper/directory/addresses.ts';
import { ObjectDirectory } from '../../piper/directory/directory.ts';
import { kubernetesProvider } from '../../piper/directory/kubernetes-provider.ts';
import { heapInUse } from '../../piper/testing/heap.ts';
import { median, table } from '../figures.ts';

const LOOK_UPS = 100_000;
const ROUNDS = 9;
/** As the piper itself has it (piper/main.ts). */
const POOL_BYTES = 4096;

type Size = { what: string; routes: number; users: number; slices: number };

const SIZES: readonly Size[] = [
  { what: 'before all else', routes: 1, users: 1, slices: 1 },
  { what: '10 users, one in each route', routes: 10, users: 1, slices: 0 },
  { what: '10,000 users, one in each route', routes: 10_000, users: 1, slices: 0 },
  { what: '10,000 users, five in each route', routes: 2_000, users: 5, slices: 0 },
  { what: '100,000 endpoints, 100 Services', routes: 0, users: 0, slices: 100 },
];

export async function benchTable(): Promise<string> {
  Buffer.poolSize = POOL_BYTES;
  const rows: string[][] = [];
  for (const size of SIZES) rows.push(await measure(size));
  // The first only warms everything up.
  return table(['the directory', 'CPU to read it in', 'memory', 'a look-up', 'of nobody'], rows.slice(1));
}

async function measure({ what, routes, users, slices }: Size): Promise<string[]> {
  const server = await startServer([routes, users, slices]);
  const stop = new AbortController();
  try {
    const before = await heapInUse();
    const since = process.cpuUsage();
    const log = createLogger('bench', { level: 'silent' });
    const directory = new ObjectDirectory(log, mayBePod);
    const client = clientOf(server.address, 'bench');
    await kubernetesProvider({ client, namespace: 'system', directory, maxStalenessMs: 60_000, log }).start(
      stop.signal,
    );
    const { user, system } = process.cpuUsage(since);
    const seconds = (user + system) / 1e6;
    const mib = ((await heapInUse()) - before) / 2 ** 20;
    const known = lookUp(directory, (index) => `org-${index % Math.max(routes, 1)}-app`);
    const nobody = lookUp(directory, (index) => `nobody-${index}`);
    return [
      what,
      `${seconds.toFixed(2)} s`,
      `${mib.toFixed(1)} MiB`,
      `${known.toFixed(0)} ns`,
      `${nobody.toFixed(0)} ns`,
    ];
  } finally {
    stop.abort();
    server.child.kill();
  }
}

/** @returns nanoseconds each */
function lookUp(directory: ObjectDirectory, usernameOf: (index: number) => string): number {
  const usernames = Array.from({ length: LOOK_UPS }, (_, index) => usernameOf(index));
  const rounds = Array.from({ length: ROUNDS }, () => {
    const since = performance.now();
    for (const username of usernames) directory.lookup(username);
    return ((performance.now() - since) * 1e6) / LOOK_UPS;
  });
  return median(rounds);
}

/** In a process of its own: its memory is none of ours. */
async function startServer(words: readonly number[]): Promise<{ child: ChildProcess; address: string }> {
  const program = `${import.meta.dirname}/api-server.ts`;
  const child = spawn(process.execPath, [program, ...words.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the API server of the bench ended')));
  ended.catch(() => undefined);
  const [address] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
  return { child, address: String(address) };
}
