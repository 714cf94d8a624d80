/**
 * Who may write the status of an SshAccess is not always who is trusted with one's laptop. What goes into files of ssh, or is typed
 * into a shell, is what we know to be harmless there, or nothing: a line break in ssh_config is a ProxyCommand, one in known_hosts a
 * key for every host.
 */
import { Problem } from './problem.ts';

const FORMS = {
  /** RFC 1123 labels, as the operator makes them. */
  username: /^[a-z0-9][a-z0-9.-]{0,190}$/,
  /** A name, or an address of IPv4 or IPv6. */
  host: /^[A-Za-z0-9][\w.:-]{0,252}$|^::[0-9a-fA-F:.]{0,43}$/,
  /** The type and the base64 of a public key, and no options or markers before it. */
  'host key': /^[a-z][a-z0-9@.-]{2,63} [A-Za-z0-9+/]{1,16384}={0,3}$/,
  'command line':
    /^ssh -i <your-private-key> -p [0-9]{1,5} [a-z0-9][a-z0-9.-]{0,190}@(?:<host>|[A-Za-z0-9:][\w.:-]{0,252})$/,
} as const;

export const isTrusted = (what: keyof typeof FORMS, text: string): boolean => FORMS[what].test(text);

/** @throws Problem unless it is what an operator of ours writes there */
export function trusted(what: keyof typeof FORMS, text: string): string {
  if (isTrusted(what, text)) return text;
  throw new Problem(
    `the status of this SshAccess has a ${what} that is none, ${JSON.stringify(text.slice(0, 100))}: who has written that?`,
  );
}
