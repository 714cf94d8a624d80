import { MOST_ORIGINAL_COMMAND, ORIGINAL_COMMAND } from '../../crds/index.ts';
import type { Reader } from '../../lib/ssh/wire.ts';
import { environmentRequest, execRequest, subsystemRequest } from './messages.ts';
import { type Objection, objectionToSftp } from './rules.ts';
import type { Bounds } from './sshd.ts';

/** The requests that start a program (RFC 4254 §6.5): where a command is forced, each of them starts that. */
export const STARTS: ReadonlySet<string> = new Set(['shell', 'exec', 'subsystem']);
/** What sshd tells a forced command in place of a subsystem's name, where its own sftp server would have run. */
const ORIGINAL_SFTP = Buffer.from('internal-sftp');

type Start = { recipient: number; name: string; wantReply: boolean; fields: Reader };

/** What to send to the pod instead; `what` is for the record. */
export type Forced = { what: string; requests: Buffer[] };

/**
 * What runs in place of a shell, a command or a subsystem, as sshd(8) says of `command=`. Undefined where nothing is
 * forced; an objection where the policy leaves nothing to run, or what was asked for cannot be told.
 */
export function forcedStart(bounds: Bounds, start: Start): Forced | Objection | undefined {
  const { policy } = bounds;
  if (!policy.forceCommand || !STARTS.has(start.name)) return undefined;
  const { recipient, wantReply } = start;
  const [command, ...others] = policy.commands ?? [];
  if (command === undefined && policy.sftp.access !== 'none')
    return (
      objectionToSftp(bounds) ?? {
        what: 'subsystem:sftp',
        requests: [subsystemRequest(recipient, wantReply, 'sftp')],
      }
    );
  const original = originalOf(start);
  if (command === undefined || others.length > 0 || (original !== undefined && !canBeTold(original))) return 'commands';
  const exec = execRequest(recipient, wantReply, command);
  return {
    what: 'forced-command',
    requests: original === undefined ? [exec] : [environmentRequest(recipient, ORIGINAL_COMMAND, original), exec],
  };
}

/** A command decides by what it is told: one that is told less would decide as for a shell. */
function canBeTold(original: Buffer): boolean {
  return original.length <= MOST_ORIGINAL_COMMAND && !original.includes(0);
}

function originalOf({ name, fields }: Start): Buffer | undefined {
  if (name === 'shell') return undefined;
  const asked = fields.string();
  return name === 'subsystem' && asked.toString('latin1') === 'sftp' ? ORIGINAL_SFTP : asked;
}
