/** An SSH client for tests that says exactly what it is told to. */
import { connect, type Socket } from 'node:net';
import { UserAuthenticationClient } from '../../lib/ssh/authentication/client.ts';
import { signedData, writeRequest } from '../../lib/ssh/authentication/request.ts';
import type { SshError } from '../../lib/ssh/errors.ts';
import type { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import type { PublicKey } from '../../lib/ssh/keys/public-key.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { TransportSocket } from '../../lib/ssh/transport/transport-socket.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';
import { HOST_KEYS } from '../host-keys/announcement.ts';
import { Inbox } from './inbox.ts';

export type RawClientOptions = {
  rekeyAfterBytes?: number;
  verifyHostKey?: (key: PublicKey) => boolean;
  /** Goes before the first byte of SSH. */
  preface?: Uint8Array | string;
  /** On loopback, like the piper. */
  localAddress?: string;
};

export class RawClient {
  readonly socket: Socket;
  readonly link: TransportSocket;
  /** Every message of the server, copied. */
  readonly received = new Inbox<Buffer>();
  readonly closed = Promise.withResolvers<SshError | undefined>();
  readonly banners: string[] = [];
  /** What the server says its host keys are, each time that it does. */
  readonly announcements: Buffer[] = [];
  /** Steps of key exchanges, three to an exchange. */
  exchangeSteps = 0;
  onMessage: (payload: Buffer) => void = (payload) => this.received.put(Buffer.from(payload));
  onDrain: () => void = () => undefined;
  onClosed: () => void = () => undefined;
  readonly #ready = Promise.withResolvers<void>();

  constructor(port: number, options: RawClientOptions = {}) {
    this.socket = connect({
      port,
      host: '127.0.0.1',
      localAddress: options.localAddress ?? '127.0.0.1',
      noDelay: true,
    });
    if (options.preface !== undefined) this.socket.write(options.preface);
    this.link = new TransportSocket(this.socket, {
      role: 'client',
      software: 'OpenSSH_9.9 test',
      verifyHostKey: options.verifyHostKey ?? (() => true),
      ...(options.rekeyAfterBytes === undefined ? {} : { rekeyAfterBytes: options.rekeyAfterBytes }),
      onReady: () => this.#ready.resolve(),
      onMessage: (payload) => this.#receive(payload),
      onClose: (error) => {
        this.closed.resolve(error);
        this.onClosed();
      },
      onDrain: () => this.onDrain(),
      onExchangeStep: () => this.exchangeSteps++,
    });
    this.link.transport.start();
  }

  /** The first key exchange is over. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  send(payload: Uint8Array): void {
    this.link.transport.send(payload);
  }

  /** Authenticates like any client. Rejects with what the server said. */
  async login(username: string, key: PrivateKey): Promise<void> {
    const ended = this.closed.promise.then((error) => Promise.reject(error ?? new Error('closed')));
    await Promise.race([this.ready, ended]);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const authentication = new UserAuthenticationClient({
      transport: this.link.transport,
      username,
      key,
      onSuccess: resolve,
      onFailure: reject,
    });
    const after = this.onMessage;
    this.onMessage = (payload) => authentication.receive(payload);
    authentication.start();
    await Promise.race([promise, ended]);
    this.onMessage = after;
  }

  requestAuthentication(): void {
    this.send(new Writer().byte(MSG.SERVICE_REQUEST).string('ssh-userauth').bytes());
  }

  /** A publickey request; `signature` stands in for the right one. Without `key.sign` it is a query. */
  authenticate(username: string, key: PrivateKey, forge: { signature?: Buffer; signer?: PrivateKey } = {}): void {
    const [algorithm = ''] = key.publicKey.signatureAlgorithms;
    const { blob } = key.publicKey;
    const data = signedData({ sessionId: this.link.transport.sessionId, username, algorithm, blob });
    const signature = forge.signature ?? (forge.signer ?? key).sign(algorithm, data);
    this.send(new Writer(1024).raw(writeRequest({ username, algorithm, blob })).string(signature).bytes());
  }

  query(username: string, key: PrivateKey): void {
    const [algorithm = ''] = key.publicKey.signatureAlgorithms;
    const request = writeRequest({ username, algorithm, blob: key.publicKey.blob });
    // RFC 4252 §7: the boolean after "publickey" says whether a signature follows; a query has none.
    const at = request.indexOf('publickey') + 'publickey'.length;
    const query = Buffer.from(request);
    query[at] = 0;
    this.send(query);
  }

  close(): void {
    this.link.close();
  }

  #receive(payload: Buffer): void {
    if (payload[0] === MSG.USERAUTH_BANNER) this.banners.push(new Reader(payload, 1).utf8());
    if (isAnnouncement(payload)) this.announcements.push(Buffer.from(payload));
    else this.onMessage(payload);
  }
}

const isAnnouncement = (payload: Buffer): boolean =>
  payload[0] === MSG.GLOBAL_REQUEST && new Reader(payload, 1).name() === HOST_KEYS;
