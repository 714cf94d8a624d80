/** A port for a program that must be told one, as `ssh -D`. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

/** Below the ports that Linux gives to outgoing connections (32768 on) and a cluster to node ports (30000 on). */
const FIRST = 20_000;
const END = 30_000;

/**
 * A TCP port that nothing listens at. Drawn, and not asked of the kernel with port 0: that one could go to a connection
 * of another test in the moment before the program listens at it. Rejects when fifty draws are taken.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 50; tries++) {
    const port = randomInt(FIRST, END);
    const server = net.createServer().listen(port);
    const free = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!free) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error(`no free port from ${FIRST} to ${END - 1}`);
}
