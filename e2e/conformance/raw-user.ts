import { readFileSync } from 'node:fs';
import net from 'node:net';
import { UserAuthenticationClient } from '../../lib/ssh/authentication/client.ts';
import type { Channel } from '../../lib/ssh/connection/channel.ts';
import { Connection } from '../../lib/ssh/connection/connection.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { DISCONNECT } from '../../lib/ssh/numbers.ts';
import { TransportSocket } from '../../lib/ssh/transport/transport-socket.ts';
import { Writer } from '../../lib/ssh/wire.ts';
import { TestSession } from '../../sidecar/testing/user-client.ts';
import { demo } from '../support/demo.ts';
import type { Login } from '../support/openssh.ts';

const WAIT_MS = 20_000;

/** What OpenSSH's client has no option for: signals, sizes and modes at will, channels counted one by one. */
export class RawUser {
  readonly connection: Connection;
  readonly #link: TransportSocket;
  readonly #ended = Promise.withResolvers<Error | undefined>();
  readonly #authenticated = Promise.withResolvers<void>();
  #receive: (payload: Buffer) => void;
  #onGlobalRequest: (name: string) => void = () => undefined;

  /** @throws the sentence with which the server refused */
  static async connect(login: Login): Promise<RawUser> {
    const user = new RawUser(login);
    await user.#authenticated.promise;
    return user;
  }

  private constructor(login: Login) {
    const { sshHost: host, sshPort: port } = demo();
    this.#link = new TransportSocket(net.connect({ host, port }), {
      role: 'client',
      software: 'OpenSSH_10.0 conformance',
      // OpenSSH's client, beside this one, has pinned it.
      verifyHostKey: () => true,
      onReady: () => authentication.start(),
      onMessage: (payload) => this.#receive(payload),
      onDrain: () => this.connection.drained(),
      onClose: (error) => {
        this.connection.close();
        this.#ended.resolve(error);
        this.#authenticated.reject(error ?? new Error('closed'));
      },
    });
    const { transport } = this.#link;
    this.connection = new Connection({
      link: this.#link,
      maxChannels: 100,
      onChannelOpen: (open) => open.refuse(1, 'no'),
      onGlobalRequest: (name) => {
        this.#onGlobalRequest(name);
        return false;
      },
    });
    const authentication = new UserAuthenticationClient({
      transport,
      username: login.user,
      key: PrivateKey.parse(readFileSync(login.key, 'utf8')),
      onSuccess: () => {
        this.#receive = (payload) => this.connection.receive(payload);
        this.#authenticated.resolve();
      },
      onFailure: (error) => transport.abort(error),
    });
    this.#receive = (payload) => authentication.receive(payload);
    transport.start();
  }

  /** A session channel on which nothing has been asked yet. @throws why it was refused, or why the connection ended */
  async session(): Promise<TestSession> {
    const session = new TestSession();
    const opened = this.connection.open('session', Buffer.alloc(0), (channel: Channel) => session.events(channel));
    // The refusal of the whole connection says more than that of its channel.
    session.channel = await opened.catch(async (error: unknown) => {
      throw (await this.#endedSoon()) ?? error;
    });
    return session;
  }

  /** A session that runs a command, and has written `text`. */
  async running(command: string, text: string, terminal?: TerminalRequest): Promise<TestSession> {
    const session = await this.session();
    if (terminal !== undefined && !(await session.request('pty-req', terminalFields(terminal)))) {
      throw new Error('pty-req was refused');
    }
    if (!(await session.request('exec', new Writer().string(command).bytes()))) throw new Error('exec was refused');
    await within(session.until(text), () => `no "${text}" in ${JSON.stringify(session.result)}`);
    return session;
  }

  /** Resolves when the server asks this global request. */
  asked(name: string): Promise<void> {
    return new Promise((resolve) => {
      this.#onGlobalRequest = (asked) => (asked === name ? resolve() : undefined);
    });
  }

  /** What a port of the pod's loopback answers to these bytes. */
  async exchange(port: number, bytes: Buffer): Promise<string> {
    let answer = '';
    const closed = Promise.withResolvers<void>();
    const fields = new Writer().string('127.0.0.1').uint32(port).string('127.0.0.1').uint32(1);
    const channel = await this.connection.open('direct-tcpip', fields.bytes(), (opened) => ({
      onData: (data) => {
        answer += data.toString('latin1');
        opened.taken(data.length);
      },
      onEof: () => opened.close(),
      onRequest: () => false,
      onWritable: () => undefined,
      onClose: () => closed.resolve(),
    }));
    channel.write(bytes);
    channel.eof();
    await within(closed.promise, () => answer);
    return answer;
  }

  async close(): Promise<void> {
    this.#link.transport.disconnect(DISCONNECT.BY_APPLICATION, 'done');
    await this.#ended.promise;
  }

  #endedSoon(): Promise<Error | undefined> {
    return Promise.race([
      this.#ended.promise,
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 500)),
    ]);
  }
}

export type TerminalRequest = { columns: number; rows: number; modes?: Uint8Array };

const terminalFields = ({ columns, rows, modes = Buffer.of(0) }: TerminalRequest): Uint8Array =>
  new Writer().string('xterm').uint32(columns).uint32(rows).uint32(0).uint32(0).string(Buffer.from(modes)).bytes();

/** @throws what `seen` says, where the promise is not kept in time */
export function within<T>(promise: Promise<T>, seen: () => string, ms = WAIT_MS): Promise<T> {
  const late = new Promise<never>((_resolve, reject) => {
    setTimeout(() => reject(new Error(`not within ${ms / 1000} s: ${seen()}`)), ms).unref();
  });
  return Promise.race([promise, late]);
}
