import type { SessionPolicy } from '../../crds/index.ts';
import { explanation } from './messages.ts';
import type { Objection } from './rules.ts';

/** Kinds of refusals that are kept: the client chooses the names, not how many. */
const MOST_REFUSALS = 16;

/** What the person is told. */
const SENTENCES: Readonly<Record<Exclude<Objection, 'maxSessions'>, string>> = {
  commands: 'your policy names the commands that you may run, byte for byte, and then there is no shell',
  sftp: 'your policy has no sftp',
  'sftp.paths':
    'the sshd of this image cannot confine sftp to directories, as policy.<role>.sftp.paths asks; without paths there is sftp, and scp -O copies all the same',
  'sftp.access':
    'the sshd of this image cannot keep sftp read-only; set policy.<role>.sftp.access to read-write, or have the image run our script (mainContainer.setup: InitScript)',
  localForwarding: 'your policy does not allow forwarding there; where it does, to 127.0.0.1, ::1 and localhost only',
  localPorts: 'your policy names the ports that you may forward to, and this is none of them',
  remoteForwarding: 'your policy has no remote forwarding',
  'bind-address': 'the pod listens on its loopback only: ask for localhost, or name no address',
  'sshd-port': 'this is the port of the sshd that you are connected to',
  socketForwarding: 'your policy has no forwarding of sockets',
  agentForwarding: 'your policy has no agent forwarding',
  x11Forwarding: 'your policy has no X11 forwarding',
  pty: 'your key does not allow a terminal',
  clientEnvironment: 'your policy does not let you set this variable',
  unknown: 'that is not served here',
  malformed: 'that makes no sense',
  'too-many': 'you have too many of these already',
};

export type RefusalsOptions = {
  policy: SessionPolicy;
  /** What to quote to whoever runs this. */
  connectionId: string;
  toClient: (payload: Buffer) => void;
  /** `exec: commands`: what was refused, and the field of the policy that says so; then that alone. */
  onRefuse: (what: string, objection: Objection) => void;
};

/** What was refused on one connection: each kind recorded, and where the answer has no room for words explained, once. */
export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #seen = new Set<string>();

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** @returns the sentence for the answer, which OpenSSH shows */
  record(what: string, objection: Objection): string {
    this.#isNew(what, objection);
    return this.sentence(objection);
  }

  /** Tells the client ahead of an answer that is just a failure. */
  explain(what: string, objection: Objection): void {
    if (!this.#isNew(what, objection)) return;
    this.#options.toClient(explanation(`${what} is refused: ${this.sentence(objection)}`));
  }

  #isNew(what: string, objection: Objection): boolean {
    const refusal = `${what}: ${objection}`;
    if (this.#seen.size >= MOST_REFUSALS || this.#seen.has(refusal)) return false;
    this.#seen.add(refusal);
    this.#options.onRefuse(refusal, objection);
    return true;
  }

  /** What the person is told. */
  sentence(objection: Objection): string {
    if (objection !== 'maxSessions') return SENTENCES[objection];
    const { policy, connectionId } = this.#options;
    const id = `[too-many-sessions, connection ${connectionId}]`;
    return `you may have no more than ${policy.maxSessions} sessions at once, on all of your connections ${id}`;
  }
}
