import type net from 'node:net';
import type { Logger } from '../../lib/process/logger.ts';
import type { Answer } from '../../lib/ssh/connection/answers.ts';
import { type Reader, Writer } from '../../lib/ssh/wire.ts';
import type { Forwards } from './forwards.ts';
import type { Listeners } from './listeners.ts';
import { listenOnLoopback } from './loopback-listener.ts';

export type RemoteOptions = {
  forwards: Forwards;
  listeners: Listeners;
  /** True where the user may have this port of the pod. */
  mayListenOn: (port: number) => Promise<boolean>;
  log: Logger;
};

type Endpoint = { address: string; port: number };

const HIGHEST_PORT = 65_535;
const LONGEST_ADDRESS = 255;

/**
 * `tcpip-forward` (RFC 4254 §7.1): listens on the pod's loopback, whatever address was asked for. That is what sshd does
 * with `GatewayPorts no`, and what clients are used to: other pods are not the user's to serve.
 */
export function listenForClient(fields: Reader, options: RemoteOptions): Promise<Answer> {
  const asked = readEndpoint(fields);
  return asked === undefined ? Promise.resolve(false) : listenAt(asked, options);
}

async function listenAt({ address, port }: Endpoint, options: RemoteOptions): Promise<Answer> {
  const { forwards, listeners, mayListenOn, log } = options;
  try {
    const listener = await listeners.add(async () => {
      if (!(await mayListenOn(port))) return undefined;
      const made = await listenOnLoopback(port, (socket) => offer(forwards, address, socket));
      return { ...made, name: nameOf({ address, port: made.port }) };
    });
    if (listener === undefined) return false;
    return port === 0 ? new Writer(4).uint32(listener.port).bytes() : true;
  } catch (error) {
    log.info({ err: error, port }, 'cannot listen for the client');
    return false;
  }
}

/** `cancel-tcpip-forward`: only what this connection has asked for, in the same words. */
export function stopListening(fields: Reader, listeners: Listeners): Promise<boolean> {
  const asked = readEndpoint(fields);
  return asked === undefined ? Promise.resolve(false) : listeners.remove(nameOf(asked));
}

function readEndpoint(fields: Reader): Endpoint | undefined {
  const address = fields.string().toString('latin1');
  const port = fields.uint32();
  fields.end();
  return port > HIGHEST_PORT || address.length > LONGEST_ADDRESS ? undefined : { address, port };
}

const nameOf = ({ address, port }: Endpoint): string => `${port} ${address}`;

/** The client knows its forwards by the address that it asked for, not by the one that we bound. */
function offer(forwards: Forwards, address: string, socket: net.Socket): void {
  const { localPort = 0, remoteAddress = '', remotePort = 0 } = socket;
  const fields = new Writer().string(Buffer.from(address, 'latin1')).uint32(localPort);
  forwards.offer(socket, 'forwarded-tcpip', fields.string(remoteAddress).uint32(remotePort).bytes());
}
