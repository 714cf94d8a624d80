import type { Runtime } from '../crds/index.ts';
import type { OpenSpan } from '../lib/process/tracing/span.ts';
import type { SshError } from '../lib/ssh/errors.ts';
import type { TransportSocket } from '../lib/ssh/transport/transport-socket.ts';
import type { Pod } from './directory/endpoints.ts';
import type { Login, Way } from './directory/route-table.ts';
import { RefusalError, type RefusalCode } from './refusals.ts';
import { UpstreamAttempt } from './upstream-attempt.ts';

const MOST_PODS_TRIED = 3;

/** The pod is none of ours to talk to just now, and another may be; any other refusal is the workload's. */
const PASSED_OVER: ReadonlySet<RefusalCode> = new Set<RefusalCode>(['unreachable', 'outdated-pod']);

/** The global request with which a sidecar is told what we come for, before anything else, and its one string. */
export type Introduction = {
  request: string;
  /** Asked when it is said: who is waited for may learn something meanwhile. */
  text: () => string;
  /** An sshd of the image's own, which cannot be told, is left before anybody logs in to it. */
  onlyToSidecars?: true;
};

export type AttemptOptions = {
  login: Way & { user: Pick<Login['user'], 'username' | 'upstreamUser'> };
  introduction: Introduction;
  rekeyAfterBytes: number;
  /** The pod begins a key exchange for no reason that is seen. */
  admitRekey?: () => boolean;
  /** The client is gone: stop. */
  signal: AbortSignal;
  /** Where somebody wants to know how long each step takes: what takes it down, for each pod that is tried. */
  onAttempt?: ((pod: Pod) => OpenSpan | undefined) | undefined;
};

export type UpstreamOptions = AttemptOptions & {
  /** In the order in which to try them. */
  pods: readonly Pod[];
};

/** Who takes the messages and events of the link, once it is piped. */
export type UpstreamEvents = {
  onMessage: (payload: Buffer) => void;
  onClose: (error: SshError | undefined) => void;
  /** Drained, or a step of a key exchange. */
  onChange: () => void;
};

/** What serves ssh in a pod. `software` is what it calls itself: one line of printable US-ASCII, bounded by RFC 4253 §4.2. */
export type PodServer = { runtime: Runtime; software: string };

/** A pod that we are logged in to, and that knows whom it serves if it can. Nothing of the client has reached it yet. */
export type Upstream = { link: TransportSocket; pod: Pod; server: PodServer; take: (events: UpstreamEvents) => void };

/**
 * Connects to the first pod that answers. Only a failure to reach a pod makes it try the next, or one that still runs
 * what the route said before; a pod that answers wrongly is a refusal. @throws RefusalError
 */
export async function connectUpstream(options: UpstreamOptions): Promise<Upstream> {
  if (options.login.hostKeys.length === 0) throw new RefusalError('host-key-unknown', 'the route has no host key');
  const { awaitsRollout = false } = options.login.route;
  if (options.pods.length === 0)
    throw new RefusalError(awaitsRollout ? 'not-rolled-out' : 'no-pods', 'the service has no endpoints');
  let last: unknown;
  for (const pod of options.pods.slice(0, MOST_PODS_TRIED)) {
    try {
      return await new UpstreamAttempt(options, pod).result;
    } catch (error) {
      last = error;
      if (!(error instanceof RefusalError) || !PASSED_OVER.has(error.code) || options.signal.aborted) throw error;
    }
  }
  // Where no pod has ssh in it, none answers.
  if (awaitsRollout && last instanceof RefusalError && last.code === 'unreachable')
    throw new RefusalError('not-rolled-out', last.message);
  throw last;
}
