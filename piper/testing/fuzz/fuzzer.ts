import type { PodLink } from '../fake-pod.ts';
import { HostileConnection, type Outcome, type Peer, type Target } from './hostile-connection.ts';
import { obliging } from '../obliging-pod.ts';

/** Records of peers are kept beyond their ends: a pod may hear of them a little later. */
const MOST_PEERS = 10_000;

/** Who is at which port of loopback, and what a pod must never see. */
export class Witness {
  readonly #peers = new Map<string, Peer>();
  /** What was broken, in words that replay it. */
  readonly violations: string[] = [];

  readonly saw = (address: string, port: number, peer: Peer): void => {
    const key = `${address} ${port}`;
    this.#peers.delete(key);
    this.#peers.set(key, peer);
    const [oldest] = this.#peers.keys();
    if (this.#peers.size > MOST_PEERS && oldest !== undefined) this.#peers.delete(oldest);
  };

  /** For a pod: whoever it is led to has proven who they are before. */
  readonly serve = (link: PodLink): ((payload: Buffer) => void) => {
    const { clientAddress = '', clientPort = 0 } = link.assertion ?? {};
    const peer = this.#peers.get(`${clientAddress} ${clientPort}`);
    if (peer?.hasProven !== true)
      this.violations.push(`a pod was reached for ${clientAddress} ${clientPort}, ${replay(peer?.seed)}`);
    return obliging(link);
  };
}

const replay = (seed: number | undefined): string =>
  seed === undefined
    ? 'of whom nothing is known'
    : `by the connection of seed ${seed}: npm run bench -- fuzz --connections 1 --seed ${seed}`;

export type FuzzRequest = {
  /** Of the first connection; the second has the next, and so on. */
  seed: number;
  connections: number;
  atOnce: number;
  targetOf: (seed: number) => Target;
  /** Told of the seeds under way when something else than a connection has failed. */
  underWay?: Set<number>;
};

/** Runs hostile connections. @returns how many came to what. @throws Error with the seed of the first that broke a rule */
export async function fuzz(request: FuzzRequest): Promise<Map<string, number>> {
  const { seed: first, connections, atOnce, targetOf, underWay = new Set() } = request;
  const tally = new Map<string, number>();
  let next = first;
  const work = async (): Promise<void> => {
    while (next < first + connections) {
      const seed = next++;
      underWay.add(seed);
      count(tally, await run(seed, targetOf(seed)));
      underWay.delete(seed);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return tally;
}

async function run(seed: number, target: Target): Promise<Outcome> {
  try {
    return await new HostileConnection(seed, target).run();
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : 'failed';
    throw new Error(`${problem}, ${replay(seed)}`, { cause });
  }
}

function count(tally: Map<string, number>, { stage, reached, refused }: Outcome): void {
  for (const key of [`hostile ${stage}`, `reached ${reached}`, refused ? 'refused' : 'left'])
    tally.set(key, (tally.get(key) ?? 0) + 1);
}
