/** Who is there, as one replica of the piper sees it. The piper writes it, the operator sums it up in status. */
import * as z from 'zod/mini';

/** The most users that a report names: with the longest usernames they still fit into what etcd stores (1.5 MiB). */
export const MOST_REPORTED_USERS = 4_000;
/** Of those one SshAccess has had under changing names; it has less than so many at a time. */
export const MOST_REPORTED_USERS_OF_ROUTE = 64;
/** As often a report is renewed at least, though nothing has changed. */
export const REPORT_RENEWAL_MS = 30_000;
/** Without news for so long, a report is no longer believed: its piper is gone, or cut off. */
export const REPORT_VALIDITY_MS = 90_000;
/** More than any piper can serve; a sum over some hundred of them is still an int32. */
const MOST_COUNTED = 1_000_000;

const count = (description: string) => z.int32().check(z.minimum(0), z.maximum(MOST_COUNTED), z.describe(description));

const UserReport = z.object({
  username: z.string().check(z.maxLength(191)),
  sessions: count('Sessions that are open; a connection without one, as of ssh -N, counts as one.'),
  connections: count('Connections that have reached a pod.'),
  lastLogin: z.iso.datetime().check(z.describe('When the last of them reached it.')),
});
export type UserReport = z.infer<typeof UserReport>;

const RouteReport = z.object({
  uid: z.string().check(z.maxLength(64), z.describe('Of the SshAccess.')),
  users: z
    .array(UserReport)
    .check(z.maxLength(MOST_REPORTED_USERS_OF_ROUTE), z.meta({ 'x-kubernetes-list-type': 'atomic' })),
});
export type RouteReport = z.infer<typeof RouteReport>;

const MOST_HOST_KEYS = 16;
/** One line, as it stands in known_hosts behind the name of a host: the type of a key and its bytes, and nothing else. */
const HostKeyLine = z.string().check(z.maxLength(4_096), z.regex(/^[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}$/));
export const GatewayHostKeys = z
  .array(HostKeyLine)
  .check(
    z.maxLength(MOST_HOST_KEYS),
    z.describe('The host keys by which users know the gateway: OpenSSH public key lines.'),
    z.meta({ 'x-kubernetes-list-type': 'atomic' }),
  );

/** Readers take no offence at fields that they do not know. */
export const SessionReport = z.object({
  renewedAt: z.iso.datetime().check(z.describe('When it was last written, by the clock of the piper.')),
  hostKeys: z.optional(GatewayHostKeys),
  truncated: z.boolean().check(z.describe('There are more users than a report has room for.')),
  routes: z
    .array(RouteReport)
    .check(
      z.maxLength(MOST_REPORTED_USERS),
      z.describe('Users who are there, or have been since the piper started.'),
      z.meta({ 'x-kubernetes-list-type': 'atomic' }),
    ),
});
export type SessionReport = z.infer<typeof SessionReport>;
