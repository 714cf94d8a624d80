import type { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { channelOpen } from '../../piper/testing/messages.ts';
import type { Target } from '../../piper/testing/fuzz/hostile-connection.ts';
import { RawClient } from '../../piper/testing/raw-client.ts';
import { median, quantile } from '../figures.ts';

export type Login = {
  port: number;
  username: string;
  key: PrivateKey;
  localAddress?: string;
  onConnect?: Target['onConnect'];
};

const PATIENCE_MS = 60_000;

/** Connects, logs in, opens a session and has its confirmation; answers the client. */
export async function logIn({ port, username, key, localAddress = '127.0.0.1', onConnect }: Login): Promise<RawClient> {
  const client = new RawClient(port, { localAddress });
  const { socket } = client;
  socket.once('connect', () => onConnect?.(localAddress, socket.localPort ?? 0, { hasProven: true }));
  await client.login(username, key);
  client.send(channelOpen('session', 0));
  await client.received.take(PATIENCE_MS);
  return client;
}

/** How long that takes, one after another; those that were not let in count as failures. */
export async function timeLogins(login: Login, count: number): Promise<{ seconds: number[]; failures: number }> {
  const seconds: number[] = [];
  let failures = 0;
  for (let index = 0; index < count; index++) {
    const begin = performance.now();
    try {
      const client = await logIn(login);
      seconds.push((performance.now() - begin) / 1000);
      client.close();
    } catch {
      failures++;
    }
  }
  return { seconds, failures };
}

/** Median, 99th percentile and the longest, in milliseconds. */
export const summary = (seconds: readonly number[]): string[] =>
  [median(seconds), quantile(seconds, 0.99), Math.max(...seconds)].map((value) => `${(value * 1000).toFixed(1)} ms`);
