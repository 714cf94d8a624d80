import type { Reader } from '../../lib/ssh/wire.ts';
import type { ChannelKind, Channels } from './channels.ts';
import { type Forwards, readPort, readSocketPath } from './forwards.ts';

/**
 * What the pod may open towards the client: only what the client has asked for on this connection and got. A pod may be
 * hostile, and an agent or a display is worth more than the pod.
 */
export class Invitations {
  readonly #channels: Channels;
  readonly #forwards: Forwards;
  #agent = false;

  constructor(channels: Channels, forwards: Forwards) {
    this.#channels = channels;
    this.#forwards = forwards;
  }

  /** SSH_AUTH_SOCK is one for all sessions of a connection, whichever has asked for it. */
  inviteAgent(): void {
    this.#agent = true;
  }

  /** The kind of the channel where the pod may open it. `fields` are those of its type. */
  accept(type: string, fields: Reader): ChannelKind | undefined {
    switch (type) {
      case 'forwarded-tcpip':
        return this.#listens(readPort(fields)) ? type : undefined;
      case 'forwarded-streamlocal@openssh.com':
        return this.#listens(readSocketPath(fields)) ? type : undefined;
      case 'auth-agent@openssh.com':
        // Programs that stay behind when all sessions are closed have no business with the agent.
        return this.#agent && this.#channels.sessions > 0 ? type : undefined;
      case 'x11':
        return this.#channels.takeX11() ? type : undefined;
      default:
        return undefined;
    }
  }

  #listens(at: ReturnType<typeof readPort>): boolean {
    return at !== undefined && this.#forwards.has(at);
  }
}
