import type { AddressList } from './addresses.ts';

/** The limits of one login, from an authorized_keys line (sshd(8)), a certificate, or both. */
export type KeyOptions = {
  /** The client's address must be in each. */
  from: readonly AddressList[];
  /** Milliseconds since the epoch; Infinity: it does not end. */
  expiresAt: number;
  /** Runs in place of whatever the client asks for. */
  command: string | undefined;
  pty: boolean;
  portForwarding: boolean;
  /** The only ports that connections may be forwarded to, on the loopback; null: no such list. */
  permitOpen: readonly number[] | null;
  agentForwarding: boolean;
  x11Forwarding: boolean;
  /** Of a security key (OpenSSH PROTOCOL.u2f): a human must have touched it, or have been verified by it. */
  touchRequired: boolean;
  verifyRequired: boolean;
};

/** What a line without options has. */
export const UNRESTRICTED: KeyOptions = {
  from: [],
  expiresAt: Infinity,
  command: undefined,
  pty: true,
  portForwarding: true,
  permitOpen: null,
  agentForwarding: true,
  x11Forwarding: true,
  touchRequired: true,
  verifyRequired: false,
};

/** `command="internal-sftp"`: sshd runs no program of that name, but its own sftp server. */
export const INTERNAL_SFTP = 'internal-sftp';
/** As long as one that a policy may name. */
export const LONGEST_COMMAND = 512;

/** Whether a text may be a forced command: whole, and nothing that moves somebody's cursor. */
export function isForcible(command: string): boolean {
  return command !== '' && command.length <= LONGEST_COMMAND && !/\p{C}/u.test(command);
}

/**
 * What both the line of an authority and the certificate allow, as sshd merges them. Undefined where each forces another
 * command: neither may win.
 */
export function mergeOptions(line: KeyOptions, certificate: KeyOptions): KeyOptions | undefined {
  const { command = certificate.command } = line;
  if (certificate.command !== undefined && command !== certificate.command) return undefined;
  return {
    from: [...line.from, ...certificate.from],
    expiresAt: Math.min(line.expiresAt, certificate.expiresAt),
    command,
    pty: line.pty && certificate.pty,
    portForwarding: line.portForwarding && certificate.portForwarding,
    permitOpen: line.permitOpen ?? certificate.permitOpen,
    agentForwarding: line.agentForwarding && certificate.agentForwarding,
    x11Forwarding: line.x11Forwarding && certificate.x11Forwarding,
    touchRequired: line.touchRequired || certificate.touchRequired,
    verifyRequired: line.verifyRequired || certificate.verifyRequired,
  };
}
