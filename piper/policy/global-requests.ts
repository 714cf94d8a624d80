import { Reader } from '../../lib/ssh/wire.ts';
import { PROVE_HOST_KEYS } from '../host-keys/announcement.ts';
import type { End } from './channels.ts';
import { type Forwards, readPort, readSocketPath } from './forwards.ts';
import { REQUEST_FAILURE } from './messages.ts';
import type { Refusals } from './refusals.ts';
import { type OnReply, ReplyQueue } from './reply-queue.ts';
import { type Objection, objectionToGlobal, objectionToListening, podMayAsk } from './rules.ts';
import type { Bounds } from './sshd.ts';

export type GlobalRequestsOptions = {
  bounds: Bounds;
  send: Readonly<Record<End, (payload: Buffer) => void>>;
  forwards: Forwards;
  refusals: Refusals;
  onBegin: (what: string) => void;
  /** The reply to a request for proofs of our own host keys; undefined: they are none of ours. */
  proveHostKeys: (asked: Reader) => Buffer | undefined;
};

/** Each costs a signature for each key. A client asks once, after our only announcement. */
const MOST_PROOFS = 2;

/** Global requests of both ends (RFC 4254 §4) and the replies to them, in order. */
export class GlobalRequests {
  readonly #options: GlobalRequestsOptions;
  /** Replies on their way to each end. */
  readonly #replies: Readonly<Record<End, ReplyQueue>>;
  #proofs = 0;

  constructor(options: GlobalRequestsOptions) {
    this.#options = options;
    this.#replies = { client: new ReplyQueue(options.send.client), pod: new ReplyQueue(options.send.pod) };
  }

  /** A reply on its way to `to`. */
  replied(to: End, payload: Buffer): void {
    this.#replies[to].replied(payload);
  }

  fromClient(payload: Buffer): void {
    const { bounds, refusals, send } = this.#options;
    const { name, wantReply, fields } = readGlobal(payload);
    if (name === PROVE_HOST_KEYS) return this.#prove(wantReply, fields);
    const asked = objectionToGlobal(bounds.policy, name) ?? this.#forwarding(name, wantReply, fields);
    if (typeof asked === 'string') {
      refusals.explain(name, asked);
      if (wantReply) this.#replies.client.answer(REQUEST_FAILURE);
      return;
    }
    if (wantReply) this.#replies.client.passedOn(asked);
    send.pod(payload);
  }

  fromPod(payload: Buffer): void {
    const { name, wantReply } = readGlobal(payload);
    if (!podMayAsk(name)) {
      if (wantReply) this.#replies.pod.answer(REQUEST_FAILURE);
      return;
    }
    if (wantReply) this.#replies.pod.passedOn();
    this.#options.send.client(payload);
  }

  /** The pod never sees it: the host keys that the client knows are ours. */
  #prove(wantReply: boolean, asked: Reader): void {
    if (!wantReply) return;
    const proof = ++this.#proofs > MOST_PROOFS ? undefined : this.#options.proveHostKeys(asked);
    this.#replies.client.answer(proof ?? REQUEST_FAILURE);
  }

  /** Remembers a forward (-R), or forgets one. @returns an objection, or what to do with the reply */
  #forwarding(name: string, wantReply: boolean, fields: Reader): Objection | OnReply | undefined {
    const { bounds, forwards, onBegin } = this.#options;
    const isSocket = name.endsWith('streamlocal-forward@openssh.com');
    if (!isSocket && !name.endsWith('tcpip-forward')) return undefined;
    const at = isSocket ? readSocketPath(fields) : readPort(fields);
    if (at === undefined) return 'malformed';
    const objection = objectionToListening(bounds, at);
    if (objection !== undefined) return objection;
    if (name.startsWith('cancel-')) {
      forwards.cancel(at);
      return undefined;
    }
    // Without a reply nobody would know whether the pod listens, nor on which port.
    if (!wantReply) return 'malformed';
    if (forwards.full) return 'too-many';
    onBegin(name);
    return forwards.request(at);
  }
}

function readGlobal(payload: Buffer): { name: string; wantReply: boolean; fields: Reader } {
  const fields = new Reader(payload, 1);
  return { name: fields.name(), wantReply: fields.boolean(), fields };
}
