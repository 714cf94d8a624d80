import { shellQuote } from './shell-quote.ts';

/** What an audit line says of the connection. `session` is the piper's connection id. */
export type AuditSubject = { username: string; clientAddress: string; connectionId: string };

/** What starts, or, `refused`, what the policy forbids. A forward by its name in SSH, with where to if that is a port. */
export type AuditEvent =
  | { type: 'connect'; refused?: true }
  | { type: 'exec'; command: Uint8Array; refused?: true }
  | { type: 'subsystem'; name: string; refused?: true }
  | { type: 'forward'; kind: string; to?: string; refused?: true };

export type Audit = (subject: AuditSubject, event: AuditEvent) => void;

/**
 * The lines that the platform's users grep for, on stderr: `<RFC 3339 time> SSH_AUDIT connect|exec|forward user=… src=…
 * session=… [cmd=…]`. A forward has `kind=` and `to=`. A subsystem is an exec with `subsystem=` in place of `cmd=`, so no command can look like one.
 * What the policy forbids has the verb `refused`, and never ran; without a command, it was a shell.
 */
export function auditLine(now: Date, subject: AuditSubject, event: AuditEvent): string {
  const quote = (text: string): string => shellQuote(Buffer.from(text));
  const who = [
    `user=${quote(subject.username)}`,
    `src=${quote(subject.clientAddress)}`,
    `session=${quote(subject.connectionId)}`,
  ];
  const time = now.toISOString().replace(/\.\d+Z$/, 'Z');
  const verb = event.refused === true ? 'refused' : VERBS[event.type];
  return `${[time, 'SSH_AUDIT', verb, ...who, ...what(event, quote)].join(' ')}\n`;
}

const VERBS = { connect: 'connect', exec: 'exec', subsystem: 'exec', forward: 'forward' } as const;

function what(event: AuditEvent, quote: (text: string) => string): string[] {
  if (event.type === 'exec') return [`cmd=${shellQuote(event.command)}`];
  if (event.type === 'forward')
    return [`kind=${quote(event.kind)}`, ...(event.to === undefined ? [] : [`to=${quote(event.to)}`])];
  return event.type === 'subsystem' ? [`subsystem=${quote(event.name)}`] : [];
}

/** Writes each line at once: what has been done is on record before the next thing is. */
export const auditTo =
  (stream: { write: (line: string) => unknown }): Audit =>
  (subject, event) => {
    stream.write(auditLine(new Date(), subject, event));
  };
