import { asSshError, SshError } from '../errors.ts';
import type { PublicKey } from '../keys/public-key.ts';
import { MSG } from '../numbers.ts';
import { Writer } from '../wire.ts';
import type { Algorithms } from './algorithms.ts';
import { ciphersFor, macsFor } from './algorithms.ts';
import { readDisconnect, writeDisconnect } from './disconnect.ts';
import { readExtInfo, writeExtInfo } from './ext-info.ts';
import type { RemoteIdent } from './ident.ts';
import { IdentReader, identLine } from './ident.ts';
import { isRekeyDue, MAX_PACKETS_PER_KEY } from './key-age.ts';
import { protectionOf } from './key-derivation.ts';
import type { Established } from './key-exchange.ts';
import { KeyExchange } from './key-exchange.ts';
import { EXT_INFO, type Negotiation, STRICT_KEX } from './negotiation.ts';
import type { Negotiated, TransportOptions } from './options.ts';
import { usableAlgorithms } from './options.ts';
import { MAX_PACKET_LENGTH, PacketReader, PacketWriter, SMALL_PACKET_LENGTH } from './packets.ts';
import { PeerRekeys } from './peer-rekeys.ts';

export type { Negotiated, TransportOptions } from './options.ts';

// Each answer is free for a peer that does not read it, but not for our memory.
const MAX_UNIMPLEMENTED = 1024;

/**
 * The SSH transport (RFC 4253) without I/O: bytes in by receive(), bytes out by the `write` option. Neither receive()
 * nor send() throws for anything that a peer does; errors go to onClose, after a DISCONNECT has been written.
 * receive() must not be called from within one of the callbacks.
 */
export class Transport {
  readonly #options: TransportOptions;
  #algorithms: Algorithms;
  readonly #localIdent: string;
  readonly #identReader: IdentReader;
  readonly #reader = new PacketReader();
  readonly #writer = new PacketWriter();
  readonly #peerRekeys: PeerRekeys;
  readonly #now: () => number;

  #remoteIdent: RemoteIdent | undefined;
  #exchange: KeyExchange | undefined;
  #sessionId: Buffer | undefined;
  #hostKey: PublicKey | undefined;
  /** No more of it than this: the secrets go with the exchange. */
  #negotiation: Negotiation | undefined;
  #strict = false;
  /** Our KEXINIT is out and our NEWKEYS is not: RFC 4253 §7.1 lets nothing else pass. */
  #outboundHeld = true;
  /** The peer's KEXINIT is here and its NEWKEYS is not; also until the first NEWKEYS. */
  #inboundHeld = true;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #bytesAtOwnKexinit = 0;
  #keysAt: number;
  #started = false;
  #ready = false;
  #closed = false;
  #extInfos = 0;
  #unimplemented = 0;
  #peerSignatureAlgorithms: readonly string[] = [];
  #maxPacketLength = MAX_PACKET_LENGTH;

  /** While true, no key exchange begins on our initiative: for an owner that has stopped reading from the peer. */
  holdsRekey = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#peerRekeys = new PeerRekeys(options.admitRekey);
    this.#localIdent = identLine(options.software);
    this.#algorithms = usableAlgorithms(options);
    this.#identReader = new IdentReader(options.role);
    this.#now = options.now ?? (() => performance.now());
    this.#keysAt = this.#now();
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** From the start on: a server that waits for an ident has begun, too. */
  get isExchangingKeys(): boolean {
    return this.#exchange !== undefined || !this.#ready;
  }

  /** During a key exchange: what the peer has sent since our KEXINIT without answering it. 0 once it has. */
  get unansweredBytes(): number {
    if (this.#exchange === undefined || this.#inboundHeld) return 0;
    return this.#reader.bytesSinceKeys - this.#bytesAtOwnKexinit;
  }

  get sessionId(): Buffer {
    if (this.#sessionId === undefined) throw new SshError('internal', 'there is no session id before onReady');
    return this.#sessionId;
  }

  /** Whether users may come with certificates; server-sig-algs has told them. */
  get userCertificates(): boolean {
    return this.#options.userCertificates === true;
  }

  get remoteSoftware(): string {
    return this.#remoteIdent?.software ?? '';
  }

  /** All that the peer calls itself, after `SSH-2.0-`: printable US-ASCII, and no longer than a line (RFC 4253 §4.2). */
  get remoteIdent(): string {
    return this.#remoteIdent?.line.replace('SSH-2.0-', '') ?? '';
  }

  get negotiated(): Negotiated {
    if (this.#negotiation === undefined) throw new SshError('internal', 'nothing is negotiated before onReady');
    const { kex, hostKey, cipherToServer, cipherToClient } = this.#negotiation;
    return this.#options.role === 'client'
      ? { kex, hostKey, cipherIn: cipherToClient, cipherOut: cipherToServer }
      : { kex, hostKey, cipherIn: cipherToServer, cipherOut: cipherToClient };
  }

  /** Client: server-sig-algs of RFC 8308, empty until the server has told. */
  get peerSignatureAlgorithms(): readonly string[] {
    return this.#peerSignatureAlgorithms;
  }

  /** Until authentication has told who the peer is: large packets and many key exchanges are for those whom we know. */
  set peerIsStranger(isStranger: boolean) {
    this.#peerRekeys.isOfStranger = isStranger;
    this.#maxPacketLength = isStranger ? SMALL_PACKET_LENGTH : MAX_PACKET_LENGTH;
    if (this.#ready) this.#reader.maxPacketLength = this.#maxPacketLength;
  }

  /**
   * Sends our ident and, as a client, our KEXINIT at once (RFC 4253 §4.2, §7.1). A server's KEXINIT waits for the ident
   * of the client, because it depends on it; nobody waits for ever, because that never waits for a KEXINIT.
   */
  start(): void {
    if (this.#closed || this.#started) return;
    this.#started = true;
    this.#options.write(Buffer.from(`${this.#localIdent}\r\n`, 'latin1'));
    if (this.#options.role === 'client') this.#beginExchange();
  }

  /**
   * Of an incomplete packet at the end of the chunk, up to `mostRest` bytes are left to the caller, who puts them in
   * front of the next chunk; returns how many. The chunk itself is not looked at later.
   */
  receive(chunk: Buffer, mostRest = 0): number {
    if (this.#closed) return 0;
    try {
      this.#read(chunk, mostRest);
      this.#rekeyIfDue();
      return this.#reader.rest;
    } catch (thrown) {
      this.#fail(asSshError(thrown));
      return 0;
    }
  }

  send(payload: Uint8Array): void {
    if (this.#closed) return;
    if (this.#outboundHeld) {
      this.#queue.push(Buffer.from(payload));
      this.#queuedBytes += payload.length;
      return;
    }
    this.#writePacket(payload);
    this.#rekeyIfDue();
  }

  /**
   * send() of what `source` is just delivering: sealed where it is, if nothing is in the way. It is gone afterwards.
   */
  relay(payload: Buffer, source: Transport): void {
    if (this.#closed) return;
    const packet = this.#outboundHeld ? undefined : source.#reader.packetOf(payload);
    if (packet === undefined || !this.#writer.reseal(packet, source.#reader.shape)) return this.send(payload);
    this.#options.write(packet);
    this.#rekeyIfDue();
  }

  /** Begins a key exchange, unless one is under way (then that one serves). */
  rekey(): void {
    if (this.#closed || !this.#ready || this.#exchange !== undefined) return;
    this.#beginExchange();
  }

  disconnect(reason: number, description: string): void {
    if (this.#closed) return;
    // Within the numbers that may pass during a key exchange (RFC 4253 §7.1): it does not wait in the queue.
    if (this.#started) this.#writePacket(writeDisconnect(reason, description));
    this.#close(undefined);
  }

  /** The connection is gone: nothing is written any more. */
  abort(error?: SshError): void {
    if (!this.#closed) this.#close(error);
  }

  /** Answers the message being delivered with UNIMPLEMENTED (RFC 4253 §11.4). */
  unimplemented(): void {
    if (this.#closed) return;
    if (++this.#unimplemented > MAX_UNIMPLEMENTED) {
      throw new SshError('protocol', 'the peer sent too many unknown messages');
    }
    this.#writePacket(new Writer(8).byte(MSG.UNIMPLEMENTED).uint32(this.#reader.lastSequence).bytes());
  }

  #read(chunk: Buffer, mostRest: number): void {
    let input = chunk;
    if (this.#remoteIdent === undefined) {
      const found = this.#identReader.read(chunk);
      if (found === undefined) return;
      this.#receiveIdent(found.ident);
      input = found.rest;
    }
    this.#reader.feed(input, mostRest);
    while (!this.#closed) {
      const payload = this.#reader.next();
      if (payload === undefined) return;
      if (this.#reader.packetsSinceKeys >= MAX_PACKETS_PER_KEY) {
        throw new SshError('protocol', 'the peer does not change its keys');
      }
      this.#dispatch(payload);
    }
  }

  #receiveIdent(ident: RemoteIdent): void {
    this.#remoteIdent = ident;
    if (this.#options.role === 'client') return;
    const { cipher = ciphersFor(ident.software), mac = macsFor(ident.software) } = this.#options.algorithms ?? {};
    this.#algorithms = { ...this.#algorithms, cipher, mac };
    this.#beginExchange();
  }

  #dispatch(payload: Buffer): void {
    const type = payload.readUInt8(0);
    if (type >= 20 && type < 50) {
      this.#receiveExchangeMessage(type, payload);
      return;
    }
    if (type === MSG.DISCONNECT) {
      this.#close(readDisconnect(payload));
      return;
    }
    // Strict KEX (OpenSSH PROTOCOL §1.9, CVE-2023-48795): in the first exchange there is nothing to be dropped.
    if (!this.#ready) {
      throw new SshError('protocol', 'an unexpected message during the first key exchange');
    }
    if (type >= MSG.IGNORE && type <= MSG.DEBUG) return;
    // RFC 4253 §7.1: after its KEXINIT the peer may send nothing else until its NEWKEYS.
    if (this.#inboundHeld) throw new SshError('protocol', 'an unexpected message during a key exchange');
    if (type === MSG.EXT_INFO) this.#receiveExtInfo(payload);
    else if (type >= 50 || type === MSG.SERVICE_REQUEST || type === MSG.SERVICE_ACCEPT)
      this.#options.onMessage(payload);
    else this.unimplemented();
  }

  // RFC 8308 §2.4: from a client it is the first packet after its first NEWKEYS; from a server also before success.
  #receiveExtInfo(payload: Buffer): void {
    this.#extInfos++;
    const isFirst = this.#reader.packetsSinceKeys === 1;
    if (this.#extInfos > 2 || (this.#options.role === 'server' && !(isFirst && this.#extInfos === 1))) {
      throw new SshError('protocol', 'an EXT_INFO out of place');
    }
    const signatureAlgorithms = readExtInfo(payload);
    if (this.#options.role === 'client' && signatureAlgorithms !== undefined) {
      this.#peerSignatureAlgorithms = signatureAlgorithms;
    }
  }

  #beginExchange(): KeyExchange {
    const exchange = new KeyExchange({
      role: this.#options.role,
      algorithms: this.#algorithms,
      hostKeys: this.#options.hostKeys ?? [],
      checkHostKey: (key) => this.#checkHostKey(key),
      sessionId: this.#sessionId,
      idents: () => this.#idents(),
    });
    this.#exchange = exchange;
    this.#outboundHeld = true;
    this.#bytesAtOwnKexinit = this.#reader.bytesSinceKeys;
    this.#writePacket(exchange.localKexinit);
    this.#options.onExchangeStep?.();
    return exchange;
  }

  #receiveExchangeMessage(type: number, payload: Buffer): void {
    if (type === MSG.NEWKEYS) {
      this.#receiveNewKeys(payload);
      return;
    }
    let exchange = this.#exchange;
    if (exchange === undefined) {
      if (type !== MSG.KEXINIT) throw new SshError('protocol', 'a message of a key exchange outside of one');
      const bytes = this.#reader.bytesSinceKeys + this.#writer.bytesSinceKeys;
      this.#peerRekeys.count(this.#now(), bytes, this.#keysAt);
      exchange = this.#beginExchange();
    }
    const replies = exchange.receive(payload);
    if (type === MSG.KEXINIT) this.#receivedKexinit(exchange);
    for (const reply of replies) this.#writePacket(reply);
    if (exchange.established !== undefined) this.#sendNewKeys(exchange, exchange.established);
  }

  #receivedKexinit(exchange: KeyExchange): void {
    this.#inboundHeld = true;
    if (this.#sessionId === undefined) {
      const peerRole = this.#options.role === 'client' ? 'server' : 'client';
      this.#strict = exchange.peer?.kex.includes(STRICT_KEX[peerRole]) ?? false;
    }
  }

  #sendNewKeys(exchange: KeyExchange, established: Established): void {
    const isFirst = this.#sessionId === undefined;
    this.#negotiation = established.negotiation;
    this.#sessionId = established.secrets.sessionId;
    this.#writePacket(Buffer.of(MSG.NEWKEYS));
    const toServer = this.#options.role === 'client';
    const { suite, keys } = protectionOf(established, toServer ? 'to-server' : 'to-client');
    this.#writer.changeKeys(suite.sealer(keys), this.#strict);
    // RFC 8308 §2.4: the very next packet.
    if (isFirst && !toServer && exchange.peer?.kex.includes(EXT_INFO.client) === true) {
      this.#writePacket(writeExtInfo(this.userCertificates));
    }
    this.#releaseQueue();
  }

  #receiveNewKeys(payload: Buffer): void {
    const established = this.#exchange?.established;
    if (established === undefined || payload.length !== 1) {
      throw new SshError('protocol', 'a message is out of order in a key exchange');
    }
    const fromServer = this.#options.role === 'client';
    const { suite, keys } = protectionOf(established, fromServer ? 'to-client' : 'to-server');
    this.#reader.changeKeys(suite.opener(keys), this.#strict);
    this.#inboundHeld = false;
    this.#exchange = undefined;
    this.#keysAt = this.#now();
    const isFirst = !this.#ready;
    this.#ready = true;
    this.#reader.maxPacketLength = this.#maxPacketLength;
    if (isFirst) this.#options.onReady();
    this.#options.onExchangeStep?.();
  }

  #releaseQueue(): void {
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#outboundHeld = false;
    for (const payload of queue) this.#writePacket(payload);
    this.#options.onExchangeStep?.();
  }

  #rekeyIfDue(): void {
    if (!this.#ready || this.#exchange !== undefined || this.holdsRekey || this.#closed) return;
    if (isRekeyDue([this.#reader, this.#writer], this.#now() - this.#keysAt, this.#options)) this.rekey();
  }

  #checkHostKey(key: PublicKey): void {
    const isSame = this.#hostKey?.equals(key) ?? true;
    if (!isSame || this.#options.verifyHostKey?.(key) !== true) {
      throw new SshError('host-key', 'the server presented a host key that is not the expected one');
    }
    this.#hostKey = key;
  }

  #idents(): { client: string; server: string } {
    const remote = this.#remoteIdent?.line ?? '';
    return this.#options.role === 'client'
      ? { client: this.#localIdent, server: remote }
      : { client: remote, server: this.#localIdent };
  }

  #writePacket(payload: Uint8Array): void {
    // An owner may end the connection from within `write`.
    if (this.#closed) return;
    this.#options.write(this.#writer.packet(payload));
  }

  #fail(error: SshError): void {
    if (this.#closed) return;
    // To whoever does not speak SSH, a packet would say nothing.
    if (this.#remoteIdent !== undefined) this.#writePacket(writeDisconnect(error.disconnectReason, error.message));
    this.#close(error);
  }

  #close(error: SshError | undefined): void {
    this.#closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#reader.stop();
    this.#writer.stop();
    this.#options.onClose(error);
  }
}
