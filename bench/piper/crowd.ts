/** Thousands of clients at once (bench/crowd), and a pod that costs little. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { buildGoProgram } from '../../lib/ssh/testing/go-peer/build-go-peer.ts';
import { run } from '../../scripts/machine/command.ts';
import { cpuSeconds, memoryOf } from '../accounting.ts';
import { CROWD_USERS, type Gateway } from './gateway.ts';

const RATE_CONNECTIONS = 2000;
const IDLE_SESSIONS = 2000;
const AT_ONCE = 8;
const SETTLE_MS = 5_000;
const TIMEOUT_MS = 300_000;

export const buildCrowd = (): Promise<string> => buildGoProgram('bench-crowd', join(import.meta.dirname, '../crowd'));

const request = ({ port, user, key, hostKey }: Gateway, count: number): string =>
  JSON.stringify({ address: `127.0.0.1:${port}`, user, key, hostKey, count, users: CROWD_USERS, atOnce: AT_ONCE });

/** Connections per second, and what each costs the gateway in CPU milliseconds. */
export async function connectionRate(gateway: Gateway): Promise<{ perSecond: number; cpuMs: number }> {
  const program = await buildCrowd();
  const rate = (count: number): Promise<string> =>
    run(program, ['rate', request(gateway, count)], { timeout: TIMEOUT_MS });
  const spent = (): number => (gateway.pid === undefined ? Number.NaN : cpuSeconds(gateway.pid));
  await rate(RATE_CONNECTIONS / 4);
  const before = spent();
  const seconds = z.number().parse(JSON.parse(await rate(RATE_CONNECTIONS)));
  const cpu = spent() - before;
  return { perSecond: RATE_CONNECTIONS / seconds, cpuMs: (cpu / RATE_CONNECTIONS) * 1000 };
}

/** What a session that does nothing keeps resident, in KiB. */
export async function idleMemory(gateway: Gateway): Promise<number> {
  const pid = gateway.pid ?? 0;
  const before = memoryOf(pid).rss;
  const child = spawn(await buildCrowd(), ['hold', request(gateway, IDLE_SESSIONS)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the crowd left')));
  await Promise.race([once(child.stdout, 'data'), ended]);
  await sleep(SETTLE_MS);
  const after = memoryOf(pid).rss;
  child.stdin.end();
  await ended.catch(() => undefined);
  return ((after - before) / IDLE_SESSIONS) * 1024;
}
