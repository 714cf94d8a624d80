/**
 * What we call ourselves on the wire, both ways. OpenSSH sends eow@openssh.com only to what begins with "OpenSSH_";
 * without it `ssh host 'cat /dev/zero' | head` never ends.
 */
export const IDENT = 'OpenSSH_9.9 sshaccess';

/** Both sockets of a connection. */
export const SOCKET = {
  noDelay: true,
  // A peer that vanished without a word is noticed by the kernel; the client's own keepalives pass through us.
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
  // A read brings up to 256 KiB; with room for no more than that, every read would stop the other side.
  highWaterMark: 512 * 1024,
} as const;
