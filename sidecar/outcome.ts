import type { Channel } from '../lib/ssh/connection/channel.ts';
import { exitSignal, exitStatus } from '../lib/ssh/connection/channel-requests.ts';

/** How a program ended: an exit code, or the signal that killed it. */
export type Outcome = { code: number | null; signal: string | null };

/** As a shell says it of a command that it cannot run. */
export const NOT_STARTED: Outcome = { code: 126, signal: null };

/** Sends EOF, how the program ended, and CLOSE, behind all its output. RFC 4254 §6.10 wants that order. */
export function finish(channel: Channel, { code, signal }: Outcome): void {
  channel.eof();
  if (signal === null) channel.notify('exit-status', exitStatus(code ?? 0));
  else channel.notify('exit-signal', exitSignal(signal));
  channel.close();
}

/** Tells the user why nothing runs, and ends the channel. CR LF reads well on a raw terminal and does no harm elsewhere. */
export function fail(channel: Channel, message: string): void {
  channel.write(Buffer.from(`sshaccess: ${message}\r\n`), true);
  finish(channel, NOT_STARTED);
}
