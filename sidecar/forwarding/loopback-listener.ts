import net from 'node:net';

/** Something that listens until it is closed; what it has accepted lives on. */
export type Listener = { close: () => void };

// A port that is free on 127.0.0.1 may be taken on ::1.
const FREE_PORT_TRIES = 8;
/** This pod has no IPv6, or none on its loopback. */
const NO_IPV6 = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL']);

/**
 * Listens on both addresses of the pod's loopback; port 0 is any that is free on both. Whoever in the pod connects to
 * `localhost` reaches this and nobody else: half of it is worth nothing. Rejects with the system's error.
 */
export async function listenOnLoopback(
  port: number,
  onConnection: (socket: net.Socket) => void,
): Promise<Listener & { port: number }> {
  for (let tries = 1; ; tries++) {
    const first = await listen('127.0.0.1', port, onConnection);
    const bound = portOf(first);
    try {
      const second = await listenOnIpv6(bound, onConnection);
      return { port: bound, close: () => [first, second].forEach((server) => server?.close()) };
    } catch (error) {
      first.close();
      if (port !== 0 || tries === FREE_PORT_TRIES) throw error;
    }
  }
}

async function listenOnIpv6(port: number, onConnection: (socket: net.Socket) => void): Promise<net.Server | undefined> {
  try {
    return await listen('::1', port, onConnection);
  } catch (error) {
    if (error instanceof Error && 'code' in error && NO_IPV6.has(String(error.code))) return undefined;
    throw error;
  }
}

function listen(host: string, port: number, onConnection: (socket: net.Socket) => void): Promise<net.Server> {
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, onConnection);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, ipv6Only: true }, () => {
      // Later ones come of single connections, such as no descriptor left for one.
      server.on('error', () => undefined);
      resolve(server);
    });
  });
}

function portOf(server: net.Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a listener has no port');
  return address.port;
}
