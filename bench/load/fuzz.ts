/**
 * `npm run bench -- fuzz [--connections N] [--seed S]`: hostile connections to the piper's bundle, in a process of its own.
 * Fails where a connection breaks a rule, with the seed that replays it alone, and where something is left behind.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { FakePod } from '../../piper/testing/fake-pod.ts';
import { fuzz, Witness } from '../../piper/testing/fuzz/fuzzer.ts';
import type { Target } from '../../piper/testing/fuzz/hostile-connection.ts';
import { say } from '../../scripts/machine/progress.ts';
import { cpuSeconds, memoryOf } from '../accounting.ts';
import { table } from '../figures.ts';
import { CROWD_USERS, type Gateway, startPiper } from '../piper/gateway.ts';
import { gauge } from './gauges.ts';
import { logIn, summary, timeLogins } from './logins.ts';

const PORTS = { piper: 22_921, health: 22_922 };
const AT_ONCE = 32;
const BATCHES = 20;
const LOGINS = 5;
const USER = 'fuzz';
/** The others are hostile. */
const BYSTANDER = `${USER}-0`;
const SETTLE_MS = 60_000;
/** So many it takes until V8 and the C library have what they keep; what comes later is growth. */
const WARM_UP = 10_000;
/** A leak of 400 bytes a connection shows in 100,000. */
const MOST_GROWTH_MIB = 32;

const ENVIRONMENT = {
  HEALTH_PORT: `${PORTS.health}`,
  BAN_EXEMPT: '127.0.0.0/8',
  MAX_START_UPS: '200',
  MAX_STRANGERS_PER_SECOND: '1000000',
  MAX_STRANGERS_PER_SECOND_AND_SOURCE: '1000000',
  MAX_START_UPS_PER_SOURCE: '200',
};

export async function benchFuzz(words: readonly string[]): Promise<string> {
  const options = {
    connections: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '20261121' },
  } as const;
  const { values } = parseArgs({ args: [...words], options });
  const folder = await mkdtemp(join(tmpdir(), 'bench-fuzz-'));
  const [key, hostKey] = [PrivateKey.generateEd25519(), PrivateKey.generateEd25519()];
  const witness = new Witness();
  const pod = new FakePod({ hostKey, mappingKey: key, serve: witness.serve });
  const port = await pod.listen();
  const upstream = { user: USER, runtime: 'sidecar', port, hostKey: hostKey.publicKey.toLine() } as const;
  const piper = await startPiper(folder, key.toOpenSsh(), PORTS.piper, {
    upstreams: [upstream],
    environment: ENVIRONMENT,
  });
  try {
    return await new Run(piper, pod, witness, key).all(Number(values.seed), Number(values.connections));
  } finally {
    await piper.stop();
    pod.close();
    await rm(folder, { recursive: true });
  }
}

class Run {
  readonly #piper: Gateway;
  readonly #pod: FakePod;
  readonly #witness: Witness;
  readonly #key: PrivateKey;
  readonly #underWay = new Set<number>();

  constructor(piper: Gateway, pod: FakePod, witness: Witness, key: PrivateKey) {
    this.#piper = piper;
    this.#pod = pod;
    this.#witness = witness;
    this.#key = key;
  }

  async all(seed: number, connections: number): Promise<string> {
    const bystander = { port: PORTS.piper, username: BYSTANDER, key: this.#key, onConnect: this.#witness.saw };
    const present = await logIn(bystander);
    const fdsBefore = await gauge(PORTS.health, 'process_open_fds');
    const tally = new Map<string, number>();
    const memory: number[] = [];
    const logins: number[] = [];
    const begin = performance.now();
    const cpuBefore = cpuSeconds(this.#pid);
    const perBatch = Math.ceil(connections / BATCHES);
    for (let done = 0; done < connections; done += perBatch) {
      const count = Math.min(perBatch, connections - done);
      for (const [what, times] of await this.#batch(seed + done, count))
        tally.set(what, (tally.get(what) ?? 0) + times);
      const { seconds, failures } = await timeLogins(bystander, LOGINS);
      if (failures > 0)
        throw new Error(`a bystander could not log in any more after the seeds up to ${seed + done + count}`);
      logins.push(...seconds);
      memory.push(memoryOf(this.#pid).rss);
      say(`  ${done + count} of ${connections} connections, ${memory.at(-1)?.toFixed(0)} MiB`);
    }
    const seconds = (performance.now() - begin) / 1000;
    const cpu = cpuSeconds(this.#pid) - cpuBefore;
    const fdsAfter = await this.#settled(fdsBefore);
    present.close();
    const [violation] = this.#witness.violations;
    if (violation !== undefined) throw new Error(violation);
    const early = memory[Math.ceil(WARM_UP / perBatch) - 1];
    const late = memory.at(-1) ?? Number.NaN;
    if (early !== undefined && late - early > MOST_GROWTH_MIB)
      throw new Error(`the piper has grown from ${early.toFixed(0)} to ${late.toFixed(0)} MiB`);
    const [half = '', p99 = '', longest = ''] = summary(logins);
    return table(
      ['hostile connections', `seed ${seed}`],
      [
        ['connections', `${connections}`],
        ...[...tally].toSorted(([left], [right]) => (left < right ? -1 : 1)).map(([what, count]) => [what, `${count}`]),
        ['a second, client and pod beside it', (connections / seconds).toFixed(0)],
        ['CPU time of the piper, each', `${((cpu / connections) * 1000).toFixed(2)} ms`],
        ['RSS after 10,000', early === undefined ? '' : `${early.toFixed(0)} MiB`],
        ['RSS at the end', `${late.toFixed(0)} MiB`],
        ['open files before and after', `${fdsBefore} and ${fdsAfter}`],
        ['bystanders log in: median', half],
        ['bystanders log in: p99', p99],
        ['bystanders log in: longest', longest],
      ],
    );
  }

  get #pid(): number {
    return this.#piper.pid ?? 0;
  }

  async #batch(seed: number, connections: number): Promise<Map<string, number>> {
    try {
      const targetOf = (one: number): Target => this.#targetOf(one);
      return await fuzz({ seed, connections, atOnce: AT_ONCE, targetOf, underWay: this.#underWay });
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : 'failed';
      // Where the piper itself has died, it may have been any of these.
      throw new Error(`${problem}; under way were the seeds ${[...this.#underWay].join(', ')}`, { cause });
    } finally {
      while (this.#pod.links.size > 0) await this.#pod.links.take();
    }
  }

  #targetOf(seed: number): Target {
    return {
      port: PORTS.piper,
      localAddress: `127.0.0.${11 + (seed % 8)}`,
      username: `${USER}-${1 + (seed % (CROWD_USERS - 1))}`,
      key: this.#key,
      onConnect: this.#witness.saw,
    };
  }

  /** Whatever was held for them has been given back. @returns the files that are open then */
  async #settled(fdsBefore: number): Promise<number> {
    const deadline = performance.now() + SETTLE_MS;
    for (;;) {
      const connections = await gauge(PORTS.health, 'sshaccess_piper_connections');
      const startUps = await gauge(PORTS.health, 'sshaccess_piper_start_ups');
      const fds = await gauge(PORTS.health, 'process_open_fds');
      const left = `${connections} connections, ${startUps} start-ups, ${this.#pod.open} to the pod, ${fds} files`;
      // A socket more or less is the one that asks.
      if (connections === 1 && startUps === 0 && this.#pod.open === 1 && fds <= fdsBefore + 2) return fds;
      if (performance.now() > deadline) throw new Error(`left behind: ${left}`);
      await sleep(200);
    }
  }
}
