import { END_ACCESS } from '../crds/index.ts';
import { DISCONNECT, MSG } from '../lib/ssh/numbers.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { ENDS_OF_ACCESS, type RefusalCode } from './refusals.ts';
import type { Upstream } from './upstream.ts';

/** What it means when the pod's side closes, by the code of its SshError; else it is just gone. */
export const PODS_END: Readonly<Record<string, RefusalCode>> = { disconnected: 'pod-ended', protocol: 'pod-protocol' };

/** Tells the pod why, in a word, and whether the user's programs are to go with the connection, if it can do that. */
export function sayEnd({ link: { transport }, server }: Upstream, reason: string): void {
  if (server.runtime === 'sidecar' && ENDS_OF_ACCESS.has(reason))
    transport.send(new Writer().byte(MSG.GLOBAL_REQUEST).string(END_ACCESS).boolean(false).string(reason).bytes());
  transport.disconnect(DISCONNECT.BY_APPLICATION, reason);
}
