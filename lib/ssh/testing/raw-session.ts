import type { SshError } from '../errors.ts';
import { PrivateKey } from '../keys/private-key.ts';
import { MSG } from '../numbers.ts';
import type { TransportOptions } from '../transport/options.ts';
import { Transport } from '../transport/transport.ts';
import { RawClient } from './raw-client.ts';

/** Our server's transport with a RawClient in front of it. */
export type RawSession = {
  client: RawClient;
  server: Transport;
  messages: Buffer[];
  closes: (SshError | undefined)[];
  /** The whole honest first key exchange. */
  exchangeKeys: () => void;
  /** An honest rekey, begun by the client. */
  rekey: () => void;
  /** What the client does when the server's NEWKEYS has come. */
  onNewKeys: () => void;
};

export function rawSession(options: Partial<TransportOptions> = {}): RawSession {
  const toClient: Buffer[] = [];
  const messages: Buffer[] = [];
  const closes: (SshError | undefined)[] = [];
  // Packet by packet, and never from within receive(), which is not re-entrant.
  let isFlushing = false;
  const flush = (): void => {
    if (isFlushing) return;
    isFlushing = true;
    for (let chunk = toClient.shift(); chunk !== undefined; chunk = toClient.shift()) {
      client.receive(chunk);
      // The keys change with this packet, before the next one is looked at.
      if (client.inbox.at(-1)?.[0] === MSG.NEWKEYS) session.onNewKeys();
    }
    isFlushing = false;
  };
  const server = new Transport({
    role: 'server',
    software: 'OpenSSH_9.9',
    hostKeys: [PrivateKey.generateEd25519()],
    onReady() {},
    ...options,
    write: (chunk) => toClient.push(Buffer.from(chunk)),
    onMessage: (payload) => {
      messages.push(Buffer.from(payload));
      options.onMessage?.(payload);
    },
    onClose: (error) => closes.push(error),
  });
  const client = new RawClient((chunk) => {
    server.receive(chunk);
    flush();
  });
  const rekey = (): void => {
    client.sendKexinit();
    client.sendInit();
  };
  const exchangeKeys = (): void => {
    client.sendIdent();
    rekey();
  };
  const session: RawSession = {
    client,
    server,
    messages,
    closes,
    exchangeKeys,
    rekey,
    onNewKeys: () => client.finishExchange(),
  };
  server.start();
  flush();
  return session;
}
