import { join } from 'node:path';
import * as z from 'zod';
import { buildGoProgram } from '../lib/ssh/testing/go-peer/build-go-peer.ts';
import { run } from '../scripts/machine/command.ts';

/** A server as the client in client/main.go knows it. */
export type Target = { address: string; user: string; key: string; hostKey: string; assertion?: string };

export type Request = {
  targets: readonly Target[];
  rounds: number;
  /** Whether the time of connecting and logging in counts. */
  connect: boolean;
  /** Connections at once. */
  streams: number;
  command: string;
  upload?: number;
  download?: number;
};

const TIMEOUT_MS = 300_000;
const Seconds = z.array(z.array(z.number()));

/** Runs the client; answers the seconds of each round, by target. */
export async function measure(request: Request): Promise<number[][]> {
  const client = await buildGoProgram('bench-client', join(import.meta.dirname, 'client'));
  return Seconds.parse(JSON.parse(await run(client, [JSON.stringify(request)], { timeout: TIMEOUT_MS })));
}
