/** Lines for known_hosts: the keys come from the cluster, so no first connection has to be believed. */
import type { Access } from './accesses.ts';
import { Problem } from './problem.ts';
import { trusted } from './trusted-words.ts';

const SSH_PORT = 22;

/** @throws Problem where the cluster does not say by which keys the gateway is known */
export function knownHosts({ status }: Access): string {
  const { host, port, hostKeys = [] } = status.endpoint ?? {};
  if (host === undefined || hostKeys.length === 0)
    throw new Problem('the cluster does not say yet by which host keys its gateway is known; is a piper running?');
  // sshd(8): the port stands in brackets where it is not the usual one.
  const place = port === SSH_PORT ? trusted('host', host) : `[${trusted('host', host)}]:${port}`;
  return hostKeys.map((key) => `${place} ${trusted('host key', key)}`).join('\n');
}
