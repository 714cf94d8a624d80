import { SshError } from '../../lib/ssh/errors.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader } from '../../lib/ssh/wire.ts';
import { typeOf } from './messages.ts';
import type { OnReply } from './reply-queue.ts';

/** Ports and sockets that one connection has the pod listen on, those that are not confirmed yet included. */
const MOST_FORWARDS = 16;
const MOST_ADDRESS_BYTES = 255;
/** sun_path (unix(7)) has 108 bytes, the last of which is NUL. */
const MOST_PATH_BYTES = 107;
const HIGHEST_PORT = 65_535;

/** Where a pod listens for the client: an address and port as the client wrote them, or the path of a socket. */
export type Listening = { address: string; port: number } | { path: string };

type Forward = { at: Listening; confirmed: boolean };

/** What the client has asked the pod to listen on (-R): the pod may open channels for these, and for no others. */
export class Forwards {
  readonly #all = new Set<Forward>();

  get full(): boolean {
    return this.#all.size >= MOST_FORWARDS;
  }

  /** The client asks. @returns what to do with the pod's reply */
  request(at: Listening): OnReply {
    const forward = { at, confirmed: false };
    this.#all.add(forward);
    return (reply) => {
      forward.confirmed = typeOf(reply) === MSG.REQUEST_SUCCESS;
      if (forward.confirmed) forward.at = listeningOf(at, reply);
      else this.#all.delete(forward);
    };
  }

  /** At once, and not when the pod has agreed: what it opens from now on is nothing that the client still wants. */
  cancel(at: Listening): void {
    for (const forward of this.#all) if (isSame(forward.at, at)) this.#all.delete(forward);
  }

  has(at: Listening): boolean {
    for (const forward of this.#all) if (forward.confirmed && isSame(forward.at, at)) return true;
    return false;
  }
}

/** RFC 4254 §7.1: who asked for port 0 learns from the reply which one it is. */
function listeningOf(at: Listening, reply: Buffer): Listening {
  if ('path' in at || at.port !== 0) return at;
  const port = new Reader(reply, 1).uint32();
  if (port < 1 || port > HIGHEST_PORT) throw new SshError('protocol', 'the pod confirms a port that is none');
  return { address: at.address, port };
}

function isSame(left: Listening, right: Listening): boolean {
  if ('path' in left || 'path' in right) return 'path' in left && 'path' in right && left.path === right.path;
  return left.address === right.address && left.port === right.port;
}

/** The address and port of `tcpip-forward`, its cancel and `forwarded-tcpip`; undefined where they are nonsense. */
export function readPort(fields: Reader): Listening | undefined {
  const address = fields.string();
  const port = fields.uint32();
  if (port > HIGHEST_PORT || address.length > MOST_ADDRESS_BYTES || !isPlain(address)) return undefined;
  return { address: address.toString('latin1'), port };
}

/** The path of `streamlocal-forward@openssh.com` and its like (OpenSSH PROTOCOL §2.4); undefined where it is none. */
export function readSocketPath(fields: Reader): Listening | undefined {
  const path = fields.string();
  if (path.length === 0 || path.length > MOST_PATH_BYTES || !isPlain(path)) return undefined;
  return { path: path.toString('latin1') };
}

/** Without control characters: NUL above all, which ends a path or makes it an abstract one. */
function isPlain(bytes: Buffer): boolean {
  return bytes.every((byte) => byte >= 0x20 && byte !== 0x7f);
}
