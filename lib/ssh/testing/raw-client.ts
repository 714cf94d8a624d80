import type { PublicKey } from '../keys/public-key.ts';
import { MSG } from '../numbers.ts';
import { type Algorithms, DEFAULT_ALGORITHMS } from '../transport/algorithms.ts';
import { suiteOf } from '../transport/ciphers/suites.ts';
import { KeyExchange } from '../transport/key-exchange.ts';
import { deriveKeys } from '../transport/key-derivation.ts';
import { MAX_PACKET_LENGTH, PacketReader, PacketWriter } from '../transport/packets.ts';
import { Writer } from '../wire.ts';

export type RawClientOptions = {
  /** Its line, without CR LF. */
  ident?: string;
  algorithms?: Partial<Algorithms>;
  /** What is sent in place of a payload. */
  tamper?: (payload: Buffer) => readonly Buffer[];
  /** The server's NEWKEYS has come, and nothing after it has been looked at. */
  onNewKeys?: () => void;
};

/**
 * A client that keeps no rule it is not told to keep: each step of the protocol is a call, and anything may be sent
 * between two of them. `deliver` takes what goes to the server, `receive` what comes from it.
 */
export class RawClient {
  readonly reader = new PacketReader();
  readonly writer = new PacketWriter();
  /** Every payload from the server that has not been taken. */
  readonly inbox: Buffer[] = [];
  sessionId: Buffer | undefined;
  /** The ident line of the server, without CR LF. */
  serverIdent = '';
  readonly #deliver: (chunk: Buffer) => void;
  readonly #ident: string;
  readonly #options: RawClientOptions;
  #exchange: KeyExchange;

  constructor(deliver: (chunk: Buffer) => void, options: RawClientOptions = {}) {
    this.#deliver = deliver;
    this.#options = options;
    this.#ident = options.ident ?? 'SSH-2.0-OpenSSH_0.0_hostile';
    this.#exchange = this.#newExchange();
  }

  receive(chunk: Buffer): void {
    let input = chunk;
    if (this.serverIdent === '') {
      const end = chunk.indexOf('\r\n');
      this.serverIdent = chunk.toString('latin1', 0, end);
      input = chunk.subarray(end + 2);
    }
    this.reader.feed(input);
    for (let payload = this.reader.next(); payload !== undefined; payload = this.reader.next()) {
      this.inbox.push(Buffer.from(payload));
      if (payload[0] === MSG.NEWKEYS) this.#options.onNewKeys?.();
    }
  }

  sendBytes(bytes: Buffer): void {
    this.#deliver(bytes);
  }

  sendIdent(): void {
    this.sendBytes(Buffer.from(`${this.#ident}\r\n`));
  }

  send(payload: Buffer): void {
    const { tamper = (honest: Buffer) => [honest] } = this.#options;
    for (const sent of tamper(payload)) this.sendBytes(Buffer.from(this.writer.packet(sent)));
  }

  /** Begins a key exchange, the first or another. */
  sendKexinit(): void {
    this.#exchange = this.#newExchange();
    this.send(this.#exchange.localKexinit);
  }

  /** Takes the server's KEXINIT and sends our public value. */
  sendInit(): void {
    for (const message of this.#exchange.receive(this.take(MSG.KEXINIT))) this.send(message);
  }

  /** Takes the server's reply and its NEWKEYS: what it sends next is encrypted, and what we send after ours too. */
  finishExchange(newKeysPayload: Buffer = Buffer.of(MSG.NEWKEYS)): void {
    this.#exchange.receive(this.take(MSG.KEX_ECDH_REPLY));
    this.take(MSG.NEWKEYS);
    const { negotiation, secrets } = this.#established();
    this.sessionId ??= secrets.sessionId;
    const incoming = suiteOf(negotiation.cipherToClient, negotiation.macToClient);
    this.reader.changeKeys(incoming.opener(deriveKeys(secrets, 'to-client', incoming)), true);
    this.reader.maxPacketLength = MAX_PACKET_LENGTH;
    // Sealed with the old keys, so before they are changed; delivered after, because answers may come at once.
    const newKeys = Buffer.from(this.writer.packet(newKeysPayload));
    const outgoing = suiteOf(negotiation.cipherToServer, negotiation.macToServer);
    this.writer.changeKeys(outgoing.sealer(deriveKeys(secrets, 'to-server', outgoing)), true);
    this.sendBytes(newKeys);
  }

  /** The first payload of this type; those before it are forgotten. */
  take(type: number): Buffer {
    for (let payload = this.inbox.shift(); payload !== undefined; payload = this.inbox.shift()) {
      if (payload[0] === type) return payload;
    }
    throw new Error(`the server has not sent a message ${type}`);
  }

  #newExchange(): KeyExchange {
    return new KeyExchange({
      role: 'client',
      algorithms: { ...DEFAULT_ALGORITHMS, ...this.#options.algorithms },
      hostKeys: [],
      checkHostKey: (key: PublicKey) => key,
      sessionId: this.sessionId,
      idents: () => ({ client: this.#ident, server: this.serverIdent }),
    });
  }

  #established(): NonNullable<KeyExchange['established']> {
    const { established } = this.#exchange;
    if (established === undefined) throw new Error('nothing is established yet');
    return established;
  }
}

/** SSH_MSG_SERVICE_REQUEST for user authentication. */
export const SERVICE_REQUEST = new Writer().byte(MSG.SERVICE_REQUEST).string('ssh-userauth').bytes();
