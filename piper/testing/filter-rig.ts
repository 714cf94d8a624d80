/** A policy filter between a client and a pod that are lists of messages. */
import { DEFAULT_POLICIES, type SessionPolicy } from '../../crds/index.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader } from '../../lib/ssh/wire.ts';
import { PolicyFilter } from '../policy/policy-filter.ts';
import type { Sshd } from '../policy/sshd.ts';
import * as say from './messages.ts';

export const root = DEFAULT_POLICIES.root;
export const limited = DEFAULT_POLICIES.limited;
/** Everything that can be switched on. */
export const everything: SessionPolicy = {
  ...root,
  remoteForwarding: 'loopback',
  socketForwarding: true,
  agentForwarding: true,
  x11Forwarding: true,
};
/** Everything that can be switched off. */
export const nothing: SessionPolicy = {
  ...limited,
  pty: false,
  commands: [],
  sftp: { access: 'none', paths: null },
  clientEnvironment: [],
};

export function setUp(policy: SessionPolicy = root, sshd?: Sshd) {
  const client: Buffer[] = [];
  const pod: Buffer[] = [];
  const begun: string[] = [];
  const refused: string[] = [];
  const explained: string[] = [];
  const quiet: number[] = [];
  const elsewhere = { sessions: 0 };
  const toClient = (payload: Buffer): void => {
    if (payload[0] === MSG.DEBUG) explained.push(new Reader(payload, 2).utf8());
    else client.push(Buffer.from(payload));
  };
  const filter = new PolicyFilter({
    policy,
    sshd,
    toClient,
    toPod: (payload) => pod.push(Buffer.from(payload)),
    onNoActivity: (channel) => quiet.push(channel),
    proveHostKeys: () => undefined,
    sessionsElsewhere: () => elsewhere.sessions,
    onBegin: (what) => begun.push(what),
    onRefuse: (what) => refused.push(what),
    connectionId: 'c-1',
  });
  const take = (list: Buffer[]) => list.splice(0).map(say.describeMessage);
  const forget = () => {
    client.length = 0;
    pod.length = 0;
  };
  /** Opens a channel: the client's number, the pod's number. */
  const open = (mine: number, theirs: number, message = say.channelOpen('session', mine)) => {
    filter.fromClient(message);
    filter.fromPod(say.confirmation(mine, theirs));
    forget();
  };
  /** What a message of an end leads to. */
  const fromClient = (payload: Buffer) => {
    filter.fromClient(payload);
    return { client: take(client), pod: take(pod) };
  };
  const fromPod = (payload: Buffer) => {
    filter.fromPod(payload);
    return { client: take(client), pod: take(pod) };
  };
  return {
    filter,
    open,
    forget,
    begun,
    refused,
    explained,
    quiet,
    elsewhere,
    fromClient,
    fromPod,
    raw: { client, pod },
    client: () => take(client),
    pod: () => take(pod),
  };
}
