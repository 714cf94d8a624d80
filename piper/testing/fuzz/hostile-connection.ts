import { connect, type Socket } from 'node:net';
import { readRequest, signedData, writeRequest } from '../../../lib/ssh/authentication/request.ts';
import { SshError } from '../../../lib/ssh/errors.ts';
import type { PrivateKey } from '../../../lib/ssh/keys/private-key.ts';
import { MSG } from '../../../lib/ssh/numbers.ts';
import { makeRandom, type Random } from '../../../lib/ssh/testing/random.ts';
import { RawClient, SERVICE_REQUEST } from '../../../lib/ssh/testing/raw-client.ts';
import { Writer } from '../../../lib/ssh/wire.ts';
import { channelOpen, globalRequest } from '../messages.ts';
import { mutateIdent, mutateMessage, mutatePublicValue, pick } from './mutations.ts';
import { anyRequest } from './requests.ts';

/** Where a connection stops being honest. */
export const STAGES = ['ident', 'kexinit', 'init', 'new-keys', 'service', 'authentication', 'session', 'wire'] as const;
export type Stage = (typeof STAGES)[number];

/** What it came to: how far the server went along, and whether it ended the connection before we did. */
export type Outcome = { stage: Stage; reached: Reached; refused: boolean };
type Reached = 'nothing' | 'ident' | 'keys' | 'service' | 'session';

/** What is known of whoever is at a port: by it the pod can tell whom it has been led to. */
export type Peer = {
  /** The seed of a hostile connection, which replays it. */
  readonly seed?: number;
  /** A signature went out over exactly what an honest client would have signed. */
  hasProven: boolean;
};

export type Target = {
  port: number;
  /** Ours, on loopback. */
  localAddress: string;
  username: string;
  key: PrivateKey;
  /** Not served, even while it is honest. */
  isBanned?: boolean;
  /** Told when we are at a port. */
  onConnect: (address: string, port: number, peer: Peer) => void;
};

/** How long an answer is waited for: of an honest client until it comes; else there may be none. */
const PATIENCE_MS = 60_000;
const HOSTILE_PATIENCE_MS = 100;
/** When a connection that we have ended, or on which we do nothing, must be over. */
const END_MS = 120_000;
const MOST_REQUESTS = 12;
/** What asSshError says to a peer of an error that nobody has foreseen. */
const OUR_FAULT = 'an unexpected error ended the connection';

const IDENTS = ['OpenSSH_9.9', 'OpenSSH_6.1', 'OpenSSH_for_Windows_8.1', 'PuTTY_Release_0.83', 'JSCH-0.1.54', 'Go'];

/** The other side is silent or gone: there is nothing to go on with. */
class Over extends Error {}

/**
 * One connection that begins like any client's and goes wrong at one place. All that it does comes from its seed; only
 * how long it waits for answers to nonsense is the machine's.
 */
export class HostileConnection {
  readonly stage: Stage;
  readonly #peer: Peer;
  readonly #random: Random;
  readonly #target: Target;
  readonly #socket: Socket;
  readonly #raw: RawClient;
  readonly #closed = Promise.withResolvers<void>();
  /** Of the chunks that go out, which one is damaged in stage `wire`. */
  readonly #damagedChunk: number;
  /** Of the messages of its stage, which one. */
  #messagesBefore: number;
  #chunks = 0;
  #isHonest = true;
  /** The server has ended it. */
  #isOver = false;
  #isUnreadable = false;
  #isLeaving = false;
  #reached: Reached = 'nothing';
  #onProgress: () => void = () => undefined;

  constructor(seed: number, target: Target) {
    const random = makeRandom(seed);
    this.#peer = { seed, hasProven: false };
    this.stage = pick(random, STAGES, 'ident');
    this.#random = random;
    this.#target = target;
    this.#damagedChunk = random.below(14);
    this.#messagesBefore = random.below(this.stage === 'authentication' ? 3 : 1);
    const { port, localAddress, onConnect } = target;
    this.#socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    this.#socket.on('connect', () => onConnect(localAddress, this.#socket.localPort ?? 0, this.#peer));
    this.#raw = new RawClient((chunk) => this.#deliver(chunk), {
      ident: `SSH-2.0-${pick(random, IDENTS, '')}`,
      // Both are fuzzed; the classical one costs us a quarter.
      algorithms: random.below(4) === 0 ? {} : { kex: ['curve25519-sha256'] },
      tamper: (payload) => this.#tamper(payload),
      onNewKeys: () => this.#raw.finishExchange(this.#newKeys()),
    });
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('error', () => this.#closed.resolve());
    this.#socket.on('end', () => this.#ended());
    this.#socket.on('close', () => {
      this.#ended();
      this.#closed.resolve();
    });
  }

  /** Resolves when the connection is over. @throws where a rule was broken */
  async run(): Promise<Outcome> {
    try {
      await this.#talk();
    } catch (error) {
      // Of the server's answers to what was damaged, not all can be made sense of.
      if (!(error instanceof Over || error instanceof SshError)) throw error;
    }
    const refused = this.#isOver;
    const fault = this.#raw.inbox.find((payload) => payload[0] === MSG.DISCONNECT && payload.includes(OUR_FAULT));
    if (fault !== undefined) throw new Error('it ended by a fault of ours');
    await this.#leave();
    return { stage: this.stage, reached: this.#reached, refused };
  }

  async #talk(): Promise<void> {
    this.#sendIdent();
    this.#raw.sendKexinit();
    await this.#keysAreExchanged();
    this.#reached = 'keys';
    if ((await this.#say(SERVICE_REQUEST, MSG.SERVICE_ACCEPT)) === MSG.SERVICE_ACCEPT) this.#reached = 'service';
    await this.#authenticate();
    await this.#say(channelOpen('session', 0), MSG.CHANNEL_OPEN_CONFIRMATION);
    this.#isHonest = false;
    for (let count = this.#random.below(MOST_REQUESTS); count > 0 && !this.#isOver; count--) await this.#request();
    // Whoever is still served has an answer to this after those to all others.
    await this.#say(KEEPALIVE, MSG.REQUEST_SUCCESS, MSG.REQUEST_FAILURE);
  }

  async #keysAreExchanged(): Promise<void> {
    const id = this.#raw.sessionId;
    await this.#until(() => this.#raw.inbox.some((payload) => payload[0] === MSG.KEXINIT));
    this.#raw.sendInit();
    if (id === undefined) await this.#until(() => this.#raw.sessionId !== undefined);
  }

  #sendIdent(): void {
    const line = Buffer.from(`SSH-2.0-${pick(this.#random, IDENTS, '')}\r\n`);
    if (this.stage !== 'ident') return this.#raw.sendIdent();
    this.#isHonest = false;
    for (const sent of mutateIdent(this.#random, line)) this.#raw.sendBytes(sent);
  }

  async #authenticate(): Promise<void> {
    const { username, key } = this.#target;
    const [algorithm = ''] = key.publicKey.signatureAlgorithms;
    const { blob } = key.publicKey;
    const none = new Writer().byte(MSG.USERAUTH_REQUEST).string(username).string('ssh-connection').string('none');
    await this.#say(none.bytes(), MSG.USERAUTH_FAILURE);
    const request = writeRequest({ username, algorithm, blob });
    const query = Buffer.from(request);
    query[request.indexOf('publickey') + 'publickey'.length] = 0;
    await this.#say(query, MSG.USERAUTH_FAILURE, MSG.USERAUTH_PK_OK);
    const { sessionId = Buffer.alloc(0) } = this.#raw;
    const signature = key.sign(algorithm, signedData({ sessionId, username, algorithm, blob }));
    const signed = new Writer(1024).raw(request).string(signature).bytes();
    const answer = await this.#say(signed, MSG.USERAUTH_FAILURE, MSG.USERAUTH_SUCCESS);
    if (answer === MSG.USERAUTH_SUCCESS) this.#reached = 'session';
  }

  /** One of what users do; where the session is what is hostile, some of them are damaged. */
  async #request(): Promise<void> {
    if (this.#random.below(20) === 0) {
      this.#raw.sendKexinit();
      await this.#keysAreExchanged();
    }
    if (this.stage === 'session' && this.#random.below(2) === 0) this.#messagesBefore = 0;
    this.#raw.send(anyRequest(this.#random));
  }

  /** Sends, and waits for an answer; to a client that is not honest any more there may be none. */
  async #say(payload: Buffer, ...answers: number[]): Promise<number | undefined> {
    const { inbox } = this.#raw;
    this.#raw.send(payload);
    const find = (): number => inbox.findIndex(([type = 0]) => answers.includes(type));
    try {
      await this.#until(() => find() >= 0);
    } catch (error) {
      if (error instanceof Over && !this.#isOver && !this.#isUnreadable) return undefined;
      throw error;
    }
    return inbox.splice(0, find() + 1).at(-1)?.[0];
  }

  async #until(isSo: () => boolean): Promise<void> {
    const deadline = performance.now() + (this.#isHonest ? PATIENCE_MS : HOSTILE_PATIENCE_MS);
    while (!isSo()) {
      const left = deadline - performance.now();
      const mustBeServed = this.#isHonest && this.#target.isBanned !== true;
      if (mustBeServed && (this.#isOver || left <= 0)) throw new Error('an honest client was not served');
      if (this.#isOver || this.#isUnreadable || left <= 0) throw new Over();
      await this.#progress(left);
    }
  }

  #progress(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#onProgress = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** The one place where honest messages of ours become others. */
  #tamper(payload: Buffer): readonly Buffer[] {
    const mutated = this.#isMine(payload) ? this.#mutate(payload) : [payload];
    if (mutated.some((sent) => this.#proves(sent))) this.#peer.hasProven = true;
    return mutated;
  }

  #mutate(payload: Buffer): readonly Buffer[] {
    this.#isHonest = false;
    this.#messagesBefore = Infinity;
    return payload[0] === MSG.KEX_ECDH_INIT
      ? mutatePublicValue(this.#random, payload)
      : mutateMessage(this.#random, payload);
  }

  #isMine(payload: Buffer): boolean {
    return STAGE_OF(payload[0] ?? 0) === this.stage && this.#messagesBefore-- <= 0;
  }

  #newKeys(): Buffer {
    if (this.stage !== 'new-keys' || !this.#isHonest) return Buffer.of(MSG.NEWKEYS);
    this.#isHonest = false;
    return Buffer.concat([Buffer.of(pick(this.#random, [MSG.NEWKEYS, MSG.KEXINIT, 0, 255], 0)), this.#random.bytes(4)]);
  }

  /** The damaged request may still say the same, as where `true` is another number than 1: then it does prove. */
  #proves(payload: Buffer): boolean {
    if (payload[0] !== MSG.USERAUTH_REQUEST) return false;
    try {
      const { username, publicKey } = readRequest(payload);
      if (publicKey?.signature === undefined || this.#raw.sessionId === undefined) return false;
      const { algorithm, blob, signature } = publicKey;
      const { sessionId } = this.#raw;
      return (
        blob.equals(this.#target.key.publicKey.blob) &&
        this.#target.key.publicKey.verify(algorithm, signedData({ sessionId, username, algorithm, blob }), signature)
      );
    } catch {
      return false;
    }
  }

  #deliver(chunk: Buffer): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    if (this.stage !== 'wire' || this.#chunks++ !== this.#damagedChunk) return void this.#socket.write(chunk);
    this.#isHonest = false;
    for (const damaged of this.#random.mutate(chunk)) this.#socket.write(damaged);
  }

  #receive(chunk: Buffer): void {
    if (this.#reached === 'nothing') this.#reached = 'ident';
    try {
      if (!this.#isLeaving && !this.#isUnreadable) this.#raw.receive(chunk);
    } catch (error) {
      if (!(error instanceof SshError)) throw error;
      // What we damaged makes the server's signature a wrong one.
      this.#isUnreadable = true;
    }
    this.#onProgress();
  }

  #ended(): void {
    this.#isOver = true;
    this.#onProgress();
  }

  /** As clients do; or without a word. */
  async #leave(): Promise<void> {
    this.#isLeaving = true;
    const timer = setTimeout(() => this.#closed.reject(new Error(`it has not ended in ${END_MS / 1000} s`)), END_MS);
    // A socket whose other side has ended cannot be reset any more.
    if (this.#isOver) this.#socket.destroy();
    else if (this.#random.below(5) > 0) this.#socket.end();
    else this.#socket.resetAndDestroy();
    await this.#closed.promise;
    clearTimeout(timer);
  }
}

const KEEPALIVE = globalRequest('keepalive@openssh.com', true);

const STAGE_OF = (type: number): Stage | undefined => {
  if (type === MSG.KEXINIT) return 'kexinit';
  if (type === MSG.KEX_ECDH_INIT) return 'init';
  if (type === MSG.SERVICE_REQUEST) return 'service';
  if (type === MSG.USERAUTH_REQUEST) return 'authentication';
  return type >= MSG.GLOBAL_REQUEST ? 'session' : undefined;
};
