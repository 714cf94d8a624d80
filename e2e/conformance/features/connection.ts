/** What concerns a connection as a whole. */
import { type Feature, see } from '../feature.ts';
import { within } from '../raw-user.ts';

export const CONNECTION: readonly Feature[] = [
  {
    title: 'sessions on one connection: as many as the policy says, and not one more',
    attempt: async ({ client, policy }) => {
      const user = await client.raw();
      for (let open = 0; open < policy.maxSessions; open++) await user.running('echo ready; cat', 'ready');
      const one = await user.session().then(
        () => undefined,
        (error: unknown) => String(error),
      );
      see(one !== undefined, `session ${policy.maxSessions + 1} was opened`);
      see(/prohibited|no more than/i.test(one ?? ''), one ?? '');
    },
  },
  {
    title: 'no-more-sessions@openssh.com',
    attempt: async ({ client }) => {
      const user = await client.raw();
      await user.running('echo ready; cat', 'ready');
      see(await user.connection.request('no-more-sessions@openssh.com', Buffer.alloc(0)), 'it was refused');
      const refused = await user.session().then(
        () => false,
        () => true,
      );
      see(refused, 'another session was opened');
    },
  },
  {
    title: "keepalive: the client's is answered, while a command runs",
    attempt: async ({ client }) => {
      const user = await client.raw();
      await user.running('echo ready; cat', 'ready');
      // Success and failure are both an answer.
      await within(user.connection.request('keepalive@openssh.com', Buffer.alloc(0)), () => 'no answer');
    },
  },
];

/** The sidecar asks an idle client once a minute. */
const KEEPALIVE_MS = 90_000;

export const PATIENCE: readonly Feature[] = [
  {
    title: "keepalive: the server's reaches an idle client",
    attempt: async ({ client }) => {
      // Without a session: those are counted, and others of this user are under way.
      const user = await client.raw();
      await within(user.asked('keepalive@openssh.com'), () => 'no keepalive', KEEPALIVE_MS);
    },
  },
];
