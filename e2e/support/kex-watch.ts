import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type Kexinit, readKexinit } from '../../lib/ssh/transport/kexinit.ts';

/** No KEXINIT of any client is larger; what is longer is none. */
const MOST_BYTES = 64 * 1024;

export type KexWatch = {
  port: number;
  /** What the connections so far agreed on, once each: "kex cipher mac", or why they could not. */
  negotiated: () => string[];
  close: () => void;
};

/**
 * A TCP relay on loopback that passes every byte on as it is, and reads what both sides offer in their first packets,
 * which are not encrypted yet (RFC 4253 §7.1). So every client says what it negotiates, also those that never tell.
 */
export async function watchKeyExchange(host: string, port: number): Promise<KexWatch> {
  const seen = new Set<string>();
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (downstream) => {
    const upstream = connect({ host, port, allowHalfOpen: true, noDelay: true });
    const both = { client: undefined, server: undefined } as Partial<Record<'client' | 'server', Kexinit>>;
    const offered = (side: 'client' | 'server') => (offer: Kexinit) => {
      both[side] = offer;
      if (both.client !== undefined && both.server !== undefined) seen.add(agreement(both.client, both.server));
    };
    readOffer(downstream, offered('client'));
    readOffer(upstream, offered('server'));
    for (const socket of [downstream, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      // One end that breaks is the other's end too; the client says what it thinks of it.
      socket.on('error', () => [downstream, upstream].forEach((each) => each.destroy()));
    }
    downstream.pipe(upstream);
    upstream.pipe(downstream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: portOf(server.address()),
    negotiated: () => [...seen],
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('the relay has no port');
  return address.port;
}

/** Calls `found` with the first packet after the ident, if that is a KEXINIT. */
function readOffer(socket: Socket, found: (offer: Kexinit) => void): void {
  let bytes = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    bytes = Buffer.concat([bytes, chunk]);
    const begin = bytes.indexOf('\n') + 1;
    const packet = bytes.subarray(begin);
    const isWhole = begin > 0 && packet.length >= 5 && packet.length >= 4 + packet.readUInt32BE(0);
    if (!isWhole && bytes.length < MOST_BYTES) return;
    socket.off('data', read);
    if (isWhole) found(readKexinit(packet.subarray(5, 4 + packet.readUInt32BE(0) - packet.readUInt8(4))));
  };
  socket.on('data', read);
}

/** The client's first that the server has too (RFC 4253 §7.1), towards the server. */
function agreement(client: Kexinit, server: Kexinit): string {
  const choose = (what: 'kex' | 'hostKey' | 'cipherToServer' | 'macToServer'): string =>
    client[what].find((name) => server[what].includes(name)) ?? `(no common ${WORDS[what]})`;
  const cipher = choose('cipherToServer');
  const mac = /gcm|poly1305/.test(cipher) ? [] : [choose('macToServer')];
  return [choose('kex'), choose('hostKey'), cipher, ...mac].join(' ');
}

const WORDS = { kex: 'kex', hostKey: 'host key', cipherToServer: 'cipher', macToServer: 'mac' };
