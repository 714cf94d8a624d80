import { once } from 'node:events';
import net from 'node:net';
import { UserAuthenticationServer } from '../authentication/server.ts';
import type { SshError } from '../errors.ts';
import { PrivateKey } from '../keys/private-key.ts';
import type { PublicKey } from '../keys/public-key.ts';
import { DISCONNECT } from '../numbers.ts';
import type { TransportOptions } from '../transport/options.ts';
import type { Negotiated } from '../transport/transport.ts';
import { TransportSocket } from '../transport/transport-socket.ts';

/** What happened on one connection. */
export type LoginRecord = {
  username?: string;
  fingerprint?: string;
  negotiated?: Negotiated;
  /** Message numbers after success. */
  after: number[];
  closed?: { error: SshError | undefined };
};

export type LoginServer = {
  port: number;
  hostKey: PrivateKey;
  records: LoginRecord[];
  close: () => void;
};

/** A server on loopback that lets the given keys in as "acme", and says goodbye at the first channel. */
export async function listenForLogins(
  keys: readonly PublicKey[],
  options: Partial<TransportOptions> = {},
): Promise<LoginServer> {
  const hostKey = options.hostKeys?.[0] ?? PrivateKey.generateEd25519();
  const records: LoginRecord[] = [];
  const server = net.createServer((socket) => serve(socket, records, keys, { hostKeys: [hostKey], ...options }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { port: address.port, hostKey, records, close: () => server.close() };
}

function serve(
  socket: net.Socket,
  records: LoginRecord[],
  keys: readonly PublicKey[],
  options: Partial<TransportOptions>,
): void {
  const record: LoginRecord = { after: [] };
  records.push(record);
  const side = new TransportSocket(socket, {
    ...options,
    role: 'server',
    software: 'OpenSSH_9.9 sshaccess',
    onReady() {},
    onMessage(payload) {
      if (record.username === undefined) {
        authentication.receive(payload);
        return;
      }
      record.after.push(payload.readUInt8(0));
      side.transport.disconnect(DISCONNECT.BY_APPLICATION, 'that was all');
    },
    onClose: (error) => {
      record.closed = { error };
    },
  });
  const authentication = new UserAuthenticationServer({
    transport: side.transport,
    authorize: (username, key) => username === 'acme' && keys.some((one) => one.equals(key)),
    maxTries: 6,
    onVerified({ username, key }) {
      Object.assign(record, { username, fingerprint: key.fingerprint, negotiated: side.transport.negotiated });
      authentication.succeed();
    },
  });
  side.transport.start();
}
