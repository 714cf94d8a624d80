/** A pod for tests: a server that accepts the mapping key and the assertion, then does what the test says. */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import * as z from 'zod';
import {
  ASSERT_IDENTITY,
  END_LEFTOVERS,
  KEEP_LEFTOVERS,
  IdentityAssertion,
  LeftoversOrder,
  Roster,
  SIDECAR_SOFTWARE,
} from '../../crds/index.ts';
import { UserAuthenticationServer } from '../../lib/ssh/authentication/server.ts';
import type { SshError } from '../../lib/ssh/errors.ts';
import type { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { TransportSocket } from '../../lib/ssh/transport/transport-socket.ts';
import { Reader } from '../../lib/ssh/wire.ts';
import { Inbox } from './inbox.ts';

export type FakePodOptions = {
  hostKey: PrivateKey;
  mappingKey: PrivateKey;
  /** What it calls itself; as an sshd it gets no assertion. Default: a sidecar's. */
  software?: string;
  /** REQUEST_SUCCESS for the assertion? */
  accepts?: (assertion: IdentityAssertion) => boolean;
  /** Takes what comes in place of an assertion: who lost their access. */
  onOrder?: (order: LeftoversOrder) => void;
  /** The same, where it is who may stay. */
  onRoster?: (roster: Roster) => void;
  /** It has not the time to answer either of them. */
  isStarved?: () => boolean;
  rekeyAfterBytes?: number;
  /** Answers the messages of the log-in in place of a server that means well. */
  answer?: (link: PodLink, payload: Buffer) => void;
  /** Takes the messages after the assertion; else they are in `received`. */
  serve?: (link: PodLink) => (payload: Buffer) => void;
};

/** One connection of the piper's to the pod. */
export class PodLink {
  readonly socket: TransportSocket;
  readonly received = new Inbox<Buffer>();
  readonly closed = Promise.withResolvers<SshError | undefined>();
  /** Who the piper logged in as. */
  username = '';
  assertion: IdentityAssertion | undefined;
  onDrain: () => void = () => undefined;
  onClosed: () => void = () => undefined;
  #receive: (payload: Buffer) => void;

  constructor(socket: Socket, options: FakePodOptions, asserted: (link: PodLink) => void, tried: () => void) {
    this.socket = new TransportSocket(socket, {
      role: 'server',
      software: options.software ?? SIDECAR_SOFTWARE,
      hostKeys: [options.hostKey],
      ...(options.rekeyAfterBytes === undefined ? {} : { rekeyAfterBytes: options.rekeyAfterBytes }),
      onReady: () => undefined,
      onMessage: (payload) => this.#receive(payload),
      onClose: (error) => {
        this.closed.resolve(error);
        this.onClosed();
      },
      onDrain: () => this.onDrain(),
    });
    const authentication = new UserAuthenticationServer({
      transport: this.socket.transport,
      maxTries: 1,
      authorize: (username, key) => {
        this.username = username;
        tried();
        return key.equals(options.mappingKey.publicKey);
      },
      onVerified: () => {
        this.#receive = (payload) => this.#receiveAssertion(payload, options, asserted);
        authentication.succeed();
        const isSidecar = (options.software ?? SIDECAR_SOFTWARE) === SIDECAR_SOFTWARE;
        if (!isSidecar) this.#serve(options, asserted);
      },
    });
    const { answer } = options;
    this.#receive = (payload) => (answer === undefined ? authentication.receive(payload) : answer(this, payload));
    this.socket.transport.start();
  }

  send(payload: Buffer): void {
    this.socket.transport.send(payload);
  }

  #receiveAssertion(payload: Buffer, options: FakePodOptions, asserted: (link: PodLink) => void): void {
    const reader = new Reader(payload, 1);
    const name = payload[0] === MSG.GLOBAL_REQUEST ? reader.name() : '';
    if (![ASSERT_IDENTITY, END_LEFTOVERS, KEEP_LEFTOVERS].includes(name) || !reader.boolean())
      throw new Error('the first message is not the assertion');
    const json: unknown = JSON.parse(reader.string().toString());
    if (name !== ASSERT_IDENTITY && options.isStarved?.() === true) return this.socket.close();
    if (name === END_LEFTOVERS) {
      options.onOrder?.(LeftoversOrder.parse(json));
      return this.send(Buffer.of(MSG.REQUEST_SUCCESS));
    }
    if (name === KEEP_LEFTOVERS) {
      options.onRoster?.(Roster.parse(json));
      return this.send(Buffer.of(MSG.REQUEST_SUCCESS));
    }
    this.assertion = IdentityAssertion.parse(json);
    if (options.accepts?.(this.assertion) === false) return this.send(Buffer.of(MSG.REQUEST_FAILURE));
    this.#serve(options, asserted);
    this.send(Buffer.of(MSG.REQUEST_SUCCESS));
  }

  #serve(options: FakePodOptions, asserted: (link: PodLink) => void): void {
    this.#receive = options.serve?.(this) ?? ((message) => this.received.put(Buffer.from(message)));
    asserted(this);
  }
}

export class FakePod {
  readonly #server: Server;
  /** Connections whose assertion was accepted; of an sshd, all that have logged in. */
  readonly links = new Inbox<PodLink>();
  /** Those that were made for a client. */
  connections = 0;
  authenticationAttempts = 0;
  readonly #open = new Set<PodLink>();

  constructor(options: FakePodOptions) {
    const onOrder = (order: LeftoversOrder): void => {
      this.#wasNoClient();
      options.onOrder?.(order);
    };
    const onRoster = (roster: Roster): void => {
      this.#wasNoClient();
      options.onRoster?.(roster);
    };
    this.#server = createServer((socket) => {
      this.connections++;
      const link = new PodLink(
        socket,
        { ...options, onOrder, onRoster },
        (asserted) => this.links.put(asserted),
        () => this.authenticationAttempts++,
      );
      this.#open.add(link);
      socket.once('close', () => this.#open.delete(link));
    });
  }

  #wasNoClient(): void {
    this.connections--;
    this.authenticationAttempts--;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#open.size;
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address: AddressInfo | string | null = this.#server.address();
    return z.object({ port: z.number() }).parse(address).port;
  }

  close(): void {
    this.#server.close();
    for (const link of this.#open) link.socket.close();
  }
}
