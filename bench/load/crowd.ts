/**
 * `npm run bench -- crowd [--sessions N] [--sockets N]`: how users log in while thousands of sessions idle, and while
 * thousands of strangers hold sockets from twenty addresses. Once with the chart's limits, once with none.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { SIDECAR_SOFTWARE } from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { buildGoProgram } from '../../lib/ssh/testing/go-peer/build-go-peer.ts';
import { run } from '../../scripts/machine/command.ts';
import { say } from '../../scripts/machine/progress.ts';
import { cpuSeconds, memoryOf } from '../accounting.ts';
import { table } from '../figures.ts';
import { buildCrowd } from '../piper/crowd.ts';
import { CROWD_USERS, type Gateway, startPiper, startProgram } from '../piper/gateway.ts';
import { gauge } from './gauges.ts';
import { type Login, summary, timeLogins } from './logins.ts';

const PORTS = { piper: 22_931, health: 22_932, pod: 22_933 };
const SOURCES = 20;
/** How fast strangers come, and come again. */
const SOCKETS_PER_SECOND = 1000;
/** So many that the logins end before them. */
const KNOCKS = 5000;
const KNOCKS_AT_ONCE = 100;
const TIMEOUT_MS = 300_000;
const LOGINS = 200;
const SETTLE_MS = 5_000;
const USER = 'user';
const NO_LIMITS = {
  MAX_START_UPS: '1000000',
  MAX_START_UPS_PER_SOURCE: '1000000',
  MAX_STRANGERS_PER_SECOND: '1000000',
  MAX_STRANGERS_PER_SECOND_AND_SOURCE: '1000000',
  LOGIN_GRACE: '600',
};

type Size = { sessions: number; sockets: number };

export async function benchCrowd(words: readonly string[]): Promise<string> {
  const options = {
    sessions: { type: 'string', default: '2000' },
    sockets: { type: 'string', default: '10000' },
  } as const;
  const { values } = parseArgs({ args: [...words], options });
  const size = { sessions: Number(values.sessions), sockets: Number(values.sockets) };
  const withLimits = await crowd(size, {});
  const without = await crowd(size, NO_LIMITS);
  return `The chart's limits:\n\n${withLimits}\n\nNo limit to start-ups:\n\n${without}\n`;
}

async function crowd(size: Size, environment: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-crowd-'));
  const stops: (() => Promise<void>)[] = [() => rm(folder, { recursive: true })];
  try {
    const key = PrivateKey.generateEd25519();
    const file = (name: string): string => join(folder, name);
    await writeFile(file('key'), key.toOpenSsh(), { mode: 0o600 });
    const serve = [await buildCrowd(), 'serve', `127.0.0.1:${PORTS.pod}`, file('key'), SIDECAR_SOFTWARE];
    const pod = await startProgram(serve, PORTS.pod);
    stops.push(pod.stop);
    const upstream = { user: USER, runtime: 'sidecar', port: PORTS.pod, hostKey: key.publicKey.toLine() } as const;
    const env = { HEALTH_PORT: `${PORTS.health}`, ...environment };
    const piper = await startPiper(folder, key.toOpenSsh(), PORTS.piper, { upstreams: [upstream], environment: env });
    stops.push(piper.stop);
    return await new Run(piper, { port: PORTS.piper, username: `${USER}-0`, key }, file('key')).all(size, stops);
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

const Flood = z.object({ opened: z.number(), closed: z.number(), failed: z.number() });

class Run {
  readonly #piper: Gateway;
  readonly #login: Login;
  readonly #keyFile: string;
  readonly #rows: string[][] = [];

  constructor(piper: Gateway, login: Login, keyFile: string) {
    this.#piper = piper;
    this.#login = login;
    this.#keyFile = keyFile;
  }

  async all({ sessions, sockets }: Size, stops: (() => Promise<void>)[]): Promise<string> {
    await timeLogins(this.#login, LOGINS);
    const before = await this.#measure('nobody else');
    const idle = await this.#idle(sessions);
    stops.push(async () => void (await leave([idle])));
    await sleep(SETTLE_MS);
    const held = await this.#measure(`${sessions} idle sessions`);
    const address = `127.0.0.1:${PORTS.piper}`;
    const flood = await buildGoProgram('bench-flood', join(import.meta.dirname, '../flood'));
    const asked = { address, sources: SOURCES, count: sockets, perSecond: SOCKETS_PER_SECOND };
    const strangers = await hold([flood, 'hold', JSON.stringify(asked)]);
    stops.push(async () => void (await leave([strangers])));
    await this.#measure(`and ${sockets} sockets of strangers`);
    await this.#measure('from the address of one of them', { localAddress: '127.0.2.1' });
    const counts = Flood.parse(JSON.parse((await leave([strangers]))[0] ?? ''));
    await leave([idle]);
    await sleep(SETTLE_MS);
    await this.#measure('all have gone');
    const knock = await this.#beside('key exchanges of strangers, one address', [flood, address], 1);
    await this.#beside(`the same from ${SOURCES} addresses`, [flood, address], SOURCES);
    return [
      table(['logins beside', 'median', 'p99', 'longest', 'failed', 'start-ups', 'RSS'], this.#rows),
      '',
      `An idle session: ${(((held - before) / sessions) * 1024).toFixed(0)} KiB of RSS. Strangers' sockets: ${counts.opened} opened, ${counts.closed} closed by the piper or the end, ${counts.failed} not accepted in time. A connection with a key exchange and no more: ${knock.toFixed(2)} ms of CPU.`,
    ].join('\n');
  }

  /** Logins, one after another; a row of the table. @returns RSS in MiB */
  async #measure(beside: string, changes: Partial<Login> = {}): Promise<number> {
    const startUps = await gauge(PORTS.health, 'sshaccess_piper_start_ups');
    const { rss } = memoryOf(this.#pid);
    const { seconds, failures } = await timeLogins({ ...this.#login, ...changes }, LOGINS);
    const row = [beside, ...summary(seconds), `${failures}`, `${startUps}`, `${rss.toFixed(0)} MiB`];
    say(`  ${row.join(', ')}`);
    this.#rows.push(row);
    return rss;
  }

  get #pid(): number {
    return this.#piper.pid ?? 0;
  }

  async #idle(count: number): Promise<Held> {
    const { port, hostKey } = this.#piper;
    const address = `127.0.0.1:${port}`;
    const asked = { address, user: USER, users: CROWD_USERS, key: this.#keyFile, hostKey, count, atOnce: 8 };
    return hold([await buildCrowd(), 'hold', JSON.stringify(asked)]);
  }

  /** Logins while strangers exchange keys and go, again and again. @returns CPU milliseconds, each */
  async #beside(what: string, [flood, address]: readonly [string, string], sources: number): Promise<number> {
    const before = cpuSeconds(this.#pid);
    const asked = { address, sources, count: KNOCKS, atOnce: KNOCKS_AT_ONCE };
    const knocking = run(flood, ['knock', JSON.stringify(asked)], { timeout: TIMEOUT_MS });
    await this.#measure(what);
    await knocking;
    return ((cpuSeconds(this.#pid) - before) / (KNOCKS + LOGINS)) * 1000;
  }
}

/** A program that holds connections until its standard input ends. */
type Held = { child: ChildProcess; lines: string[]; ended: Promise<unknown> };

async function hold([program = '', ...words]: readonly string[]): Promise<Held> {
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines: string[] = [];
  const first = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    first.resolve();
  });
  const left = ended.then(() => Promise.reject(new Error(`${words[0]} ended before all were there`)));
  await Promise.race([first.promise, left]);
  left.catch(() => undefined);
  return { child, lines, ended };
}

/** Ends them. @returns what each said last */
async function leave(held: readonly Held[]): Promise<string[]> {
  for (const { child } of held) child.stdin?.end();
  await Promise.all(held.map(({ ended }) => ended));
  return held.map(({ lines }) => lines.at(-1) ?? '');
}
