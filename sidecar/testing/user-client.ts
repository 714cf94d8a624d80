import net from 'node:net';
import { ASSERT_IDENTITY, type IdentityAssertion } from '../../crds/identity-assertion.ts';
import { DEFAULT_POLICIES } from '../../crds/session-policy.ts';
import { UserAuthenticationClient } from '../../lib/ssh/authentication/client.ts';
import type { Channel, ChannelEvents } from '../../lib/ssh/connection/channel.ts';
import type { ChannelOpen } from '../../lib/ssh/connection/channel-open.ts';
import { Connection } from '../../lib/ssh/connection/connection.ts';
import type { SshError } from '../../lib/ssh/errors.ts';
import type { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import type { PublicKey } from '../../lib/ssh/keys/public-key.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { TransportSocket } from '../../lib/ssh/transport/transport-socket.ts';
import { Writer } from '../../lib/ssh/wire.ts';

/** What a session channel gave. */
export type Result = { stdout: string; stderr: string; code: number | undefined; signal: string | undefined };

export const rootAssertion: IdentityAssertion = {
  version: 1,
  username: 'acme-my-llm',
  role: 'root',
  policy: DEFAULT_POLICIES.root,
  uidOffset: 0,
  fingerprint: 'SHA256:test',
  clientAddress: '203.0.113.7',
  clientPort: 40_000,
  connectionId: 'test-1',
};

export const limitedAssertion: IdentityAssertion = {
  ...rootAssertion,
  username: 'acme-my-llm-dev',
  role: 'limited',
  policy: DEFAULT_POLICIES.limited,
  uidOffset: 0,
};

export type ClientOptions = { port: number; key: PrivateKey; hostKey: PublicKey };

/** The piper's part and the user's in one, for tests: any message can be sent. */
export class UserClient {
  readonly link: TransportSocket;
  readonly connection: Connection;
  /** Resolves when the connection has ended, with why. */
  readonly ended: Promise<SshError | undefined>;
  /** Every payload from the sidecar after authentication. */
  onPayload: (payload: Buffer) => void;
  readonly authenticated: Promise<void>;
  /** What the sidecar opens; refused unless a test wants it. */
  onChannelOpen: (open: ChannelOpen) => void = (open) => open.refuse(1, 'no');
  /** What the last request that succeeded was answered with. */
  lastReply = Buffer.alloc(0);

  constructor({ port, key, hostKey }: ClientOptions) {
    const ended = Promise.withResolvers<SshError | undefined>();
    const authenticated = Promise.withResolvers<void>();
    this.ended = ended.promise;
    this.authenticated = authenticated.promise;
    this.link = new TransportSocket(net.connect({ host: '127.0.0.1', port }), {
      role: 'client',
      software: 'OpenSSH_10.0 test',
      verifyHostKey: (offered) => offered.equals(hostKey),
      onReady: () => authentication.start(),
      onMessage: (payload) => this.onPayload(payload),
      onDrain: () => this.connection.drained(),
      onClose: (error) => {
        this.connection.close();
        ended.resolve(error);
        authenticated.reject(error ?? new Error('closed'));
      },
    });
    const { transport } = this.link;
    this.connection = new Connection({
      link: this.link,
      maxChannels: 1000,
      onChannelOpen: (open) => this.onChannelOpen(open),
      onGlobalRequest: () => false,
    });
    const authentication = new UserAuthenticationClient({
      transport,
      username: 'anybody',
      key,
      onSuccess: () => {
        this.onPayload = (payload) => this.#receive(payload);
        authenticated.resolve();
      },
      onFailure: (error) => transport.abort(error),
    });
    this.onPayload = (payload) => authentication.receive(payload);
    transport.start();
  }

  #receive(payload: Buffer): void {
    if (payload[0] === MSG.REQUEST_SUCCESS) this.lastReply = Buffer.from(payload.subarray(1));
    this.connection.receive(payload);
  }

  assert(assertion: unknown): Promise<boolean> {
    return this.connection.request(ASSERT_IDENTITY, new Writer().string(JSON.stringify(assertion)).bytes());
  }

  async session(): Promise<TestSession> {
    const session = new TestSession();
    session.channel = await this.connection.open('session', Buffer.alloc(0), (channel) => session.events(channel));
    return session;
  }

  async exec(command: string | Buffer, input?: Buffer): Promise<Result> {
    const session = await this.session();
    await session.request('exec', new Writer().string(command).bytes());
    if (input !== undefined) session.open.write(input);
    session.open.eof();
    return session.done;
  }

  forward(host: string, port: number, events: (channel: Channel) => ChannelEvents): Promise<Channel> {
    const fields = new Writer().string(host).uint32(port).string('127.0.0.1').uint32(1);
    return this.connection.open('direct-tcpip', fields.bytes(), events);
  }

  close(): Promise<unknown> {
    this.link.transport.disconnect(11, 'done');
    return this.ended;
  }
}

/** A client's session channel that keeps all it is told. */
export class TestSession {
  channel: Channel | undefined;
  readonly result: Result = { stdout: '', stderr: '', code: undefined, signal: undefined };
  readonly done: Promise<Result>;
  readonly requests: string[] = [];
  readonly #closed = Promise.withResolvers<Result>();
  #check: () => void = () => undefined;
  onData: (data: Buffer) => void = (data) => (this.result.stdout += data.toString('latin1'));

  constructor() {
    this.done = this.#closed.promise;
  }

  get open(): Channel {
    if (this.channel === undefined) throw new Error('the channel is not open');
    return this.channel;
  }

  request(type: string, fields: Uint8Array = Buffer.alloc(0)): Promise<boolean> {
    return this.open.request(type, fields);
  }

  env(name: string, value: string): Promise<boolean> {
    return this.request('env', new Writer().string(name).string(value).bytes());
  }

  pty(columns: number, rows: number): Promise<boolean> {
    const fields = new Writer().string('xterm').uint32(columns).uint32(rows).uint32(0).uint32(0).string('');
    return this.request('pty-req', fields.bytes());
  }

  /** Waits until the output holds `text`. */
  async until(text: string): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#check = () => (this.result.stdout.includes(text) ? resolve() : undefined);
      this.#check();
    });
  }

  events(channel: Channel): ChannelEvents {
    return {
      onData: (data) => {
        this.onData(data);
        channel.taken(data.length);
        this.#check();
      },
      onStderr: (data) => void (this.result.stderr += data.toString('latin1')),
      onEof: () => undefined,
      onRequest: ({ type, fields }) => {
        this.requests.push(type);
        if (type === 'exit-status') this.result.code = fields.uint32();
        if (type === 'exit-signal') this.result.signal = fields.name();
        return true;
      },
      onWritable: () => undefined,
      onEndOfWrite: () => void this.requests.push('eow@openssh.com'),
      onClose: () => this.#closed.resolve(this.result),
    };
  }
}
