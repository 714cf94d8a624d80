import { SshError } from '../errors.ts';
import type { PrivateKey } from '../keys/private-key.ts';
import { PublicKey } from '../keys/public-key.ts';
import { MSG } from '../numbers.ts';
import { Reader, Writer } from '../wire.ts';
import type { Algorithms } from './algorithms.ts';
import { exchangeHash } from './exchange-hash.ts';
import type { ExchangeSecrets } from './key-derivation.ts';
import { keyExchangeMethod } from './key-exchange/method.ts';
import type { Kexinit } from './kexinit.ts';
import { readKexinit, writeKexinit } from './kexinit.ts';
import type { Negotiation, Role } from './negotiation.ts';
import { EXT_INFO, negotiate, STRICT_KEX } from './negotiation.ts';

export type KeyExchangeContext = {
  role: Role;
  algorithms: Algorithms;
  /** Server only. */
  hostKeys: readonly PrivateKey[];
  /** Client only: throws SshError `host-key`. */
  checkHostKey: (key: PublicKey) => void;
  /** Undefined in the first exchange of a connection. */
  sessionId: Buffer | undefined;
  /** Read when the peer's KEXINIT has come: a client's goes out before it knows the server's ident. */
  idents: () => { client: string; server: string };
};

export type Established = { negotiation: Negotiation; secrets: ExchangeSecrets };

type Begun = { negotiation: Negotiation; peerKexinit: Buffer };

type State =
  | { name: 'kexinit' }
  | ({ name: 'guess' } & Begun)
  | ({ name: 'client-value' } & Begun)
  | ({ name: 'server-value'; publicValue: Buffer; finish: (reply: Buffer) => Buffer } & Begun)
  | { name: 'established' };

/**
 * One key exchange (RFC 4253 §7, §8), from our KEXINIT until both sides may send NEWKEYS. Pure: messages in, messages
 * out. Every message has exactly one place where it is expected; anything else ends the connection (strict KEX, and
 * simpler than being lenient with peers that are not strict).
 */
export class KeyExchange {
  readonly localKexinit: Buffer;
  #peer: Kexinit | undefined;
  #established: Established | undefined;
  #state: State = { name: 'kexinit' };
  readonly #context: KeyExchangeContext;

  constructor(context: KeyExchangeContext) {
    this.#context = context;
    const { algorithms, role, sessionId } = context;
    // RFC 8308 §2.1 and OpenSSH PROTOCOL §1.9: the markers count in the first exchange only.
    const markers = sessionId === undefined ? [EXT_INFO[role], STRICT_KEX[role]] : [];
    this.localKexinit = writeKexinit(algorithms, markers);
  }

  /** The peer's KEXINIT, once it has come. */
  get peer(): Kexinit | undefined {
    return this.#peer;
  }

  /** Set when the secrets are agreed and, in a client, the host key is verified. */
  get established(): Established | undefined {
    return this.#established;
  }

  /** Takes a message numbered 20 … 49 except NEWKEYS; returns what to send now. */
  receive(payload: Buffer): Buffer[] {
    const type = payload.readUInt8(0);
    const state = this.#state;
    switch (state.name) {
      case 'kexinit':
        if (type !== MSG.KEXINIT) throw unexpected();
        return this.#receiveKexinit(Buffer.from(payload));
      case 'guess':
        // RFC 4253 §7: a wrongly guessed packet is skipped, whatever is in it; but it is a packet of a method.
        if (type < 30) throw unexpected();
        return this.#beginMethod(state);
      case 'client-value':
        if (type !== MSG.KEX_ECDH_INIT) throw unexpected();
        return this.#answer(state, readOne(payload));
      case 'server-value':
        if (type !== MSG.KEX_ECDH_REPLY) throw unexpected();
        this.#finish(state, payload);
        return [];
      case 'established':
      default:
        throw unexpected();
    }
  }

  #receiveKexinit(peerKexinit: Buffer): Buffer[] {
    const peer = readKexinit(peerKexinit);
    this.#peer = peer;
    const negotiation = negotiate(this.#context.role, this.#context.algorithms, peer);
    const begun = { negotiation, peerKexinit };
    if (!negotiation.ignoresGuess) return this.#beginMethod(begun);
    // In all our methods the client speaks first: a server has nothing to guess with.
    if (this.#context.role === 'client') throw unexpected();
    this.#state = { name: 'guess', ...begun };
    return [];
  }

  #beginMethod({ negotiation, peerKexinit }: Begun): Buffer[] {
    if (this.#context.role === 'server') {
      this.#state = { name: 'client-value', negotiation, peerKexinit };
      return [];
    }
    const { publicValue, finish } = keyExchangeMethod(negotiation.kex).begin();
    this.#state = { name: 'server-value', negotiation, peerKexinit, publicValue, finish };
    return [new Writer(2048).byte(MSG.KEX_ECDH_INIT).string(publicValue).bytes()];
  }

  // Server: RFC 5656 §4, with our host key's signature over the exchange hash.
  #answer({ negotiation, peerKexinit }: Begun, clientValue: Buffer): Buffer[] {
    const hostKey = this.#context.hostKeys.find((key) =>
      key.publicKey.signatureAlgorithms.includes(negotiation.hostKey),
    );
    if (hostKey === undefined) throw new SshError('internal', 'there is no host key for the negotiated algorithm');
    const { reply, secret } = keyExchangeMethod(negotiation.kex).answer(clientValue);
    const hash = exchangeHash({
      ...this.#identParts(),
      clientKexinit: peerKexinit,
      serverKexinit: this.localKexinit,
      hostKey: hostKey.publicKey.blob,
      clientValue,
      serverValue: reply,
      secret,
    });
    this.#establish(negotiation, secret, hash);
    return [
      new Writer(2048)
        .byte(MSG.KEX_ECDH_REPLY)
        .string(hostKey.publicKey.blob)
        .string(reply)
        .string(hostKey.sign(negotiation.hostKey, hash))
        .bytes(),
    ];
  }

  // Client: the signature proves that the server has the host key; checkHostKey decides whether it is the right one.
  #finish(state: Extract<State, { name: 'server-value' }>, payload: Buffer): void {
    const reader = new Reader(payload, 1);
    const hostKeyBlob = reader.string();
    const serverValue = reader.string();
    const signature = reader.string();
    reader.end();
    const hostKey = readHostKey(hostKeyBlob);
    const { negotiation } = state;
    if (!hostKey.signatureAlgorithms.includes(negotiation.hostKey)) {
      throw new SshError('host-key', "the server's host key is not of the negotiated type");
    }
    this.#context.checkHostKey(hostKey);
    const secret = state.finish(serverValue);
    const hash = exchangeHash({
      ...this.#identParts(),
      clientKexinit: this.localKexinit,
      serverKexinit: state.peerKexinit,
      hostKey: hostKeyBlob,
      clientValue: state.publicValue,
      serverValue,
      secret,
    });
    if (!hostKey.verify(negotiation.hostKey, hash, signature)) {
      throw new SshError('host-key', "the server's signature does not match its host key");
    }
    this.#establish(negotiation, secret, hash);
  }

  #identParts(): { clientIdent: string; serverIdent: string } {
    const { client, server } = this.#context.idents();
    return { clientIdent: client, serverIdent: server };
  }

  #establish(negotiation: Negotiation, secret: Buffer, hash: Buffer): void {
    const sessionId = this.#context.sessionId ?? hash;
    this.#established = { negotiation, secrets: { secret, exchangeHash: hash, sessionId } };
    this.#state = { name: 'established' };
  }
}

function unexpected(): SshError {
  return new SshError('protocol', 'a message is out of order in a key exchange');
}

function readOne(payload: Buffer): Buffer {
  const reader = new Reader(payload, 1);
  const value = reader.string();
  reader.end();
  return value;
}

function readHostKey(blob: Buffer): PublicKey {
  try {
    return PublicKey.fromBlob(Buffer.from(blob));
  } catch (cause) {
    throw new SshError('host-key', "the server's host key is unreadable", { cause });
  }
}
