import { listenInApp } from '../app-sockets.ts';
import type { MakeResource, SessionResource } from '../session.ts';
import type { ForwardingContext } from './context.ts';

export const AGENT_REQUEST = 'auth-agent-req@openssh.com';

/**
 * Agent forwarding: a socket of the session's own, in a directory that nobody else may enter, and a channel to the
 * client's agent for each connection to it. Whoever is the session's user, or root in the app, can use the agent.
 */
export const agentMaker =
  (context: ForwardingContext): MakeResource =>
  (fields) => {
    fields.end();
    return makeAgent(context);
  };

async function makeAgent({ forwards, entrance }: ForwardingContext): Promise<SessionResource> {
  const file = await listenInApp(await entrance(), { private: 'agent' }, (socket) =>
    forwards.offer(socket, 'auth-agent@openssh.com', Buffer.alloc(0)),
  );
  return { variables: { SSH_AUTH_SOCK: file.path }, close: file.close };
}
