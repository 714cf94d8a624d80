import { serveHttp } from '../../lib/process/http-server.ts';
import type { Presence } from '../presence/presence.ts';
import type { Ban, Failures } from './failures.ts';

/** What an administrator may look into. */
export type Administered = {
  readonly failures: Failures;
  readonly connections: { presences: () => Iterable<Presence> };
};

/** Only from within the pod: `kubectl port-forward` gets there, the network does not. */
const LOOPBACK = '127.0.0.1';

/**
 * Serves the administrator until `signal` aborts: `GET /bans`, `DELETE /bans/<id>`, `GET /sessions`.
 * @param port 0: any. @returns the port
 */
export async function serveAdmin(port: number, administered: Administered, signal: AbortSignal): Promise<number> {
  const { failures, connections } = administered;
  return serveHttp(
    { port, host: LOOPBACK },
    {
      'GET /bans': () => ({ json: failures.bans().map(shown) }),
      'DELETE /bans/*': (id) =>
        failures.lift(id) ? { status: 204 } : { status: 404, json: { message: 'there is no ban of this id' } },
      'GET /sessions': () => ({ json: [...connections.presences()].map(shownPresence) }),
    },
    signal,
  );
}

function shown({ since, until, ...ban }: Ban): object {
  return { ...ban, since: new Date(since).toISOString(), until: new Date(until).toISOString() };
}

const shownPresence = ({ since, ...presence }: Presence): object => ({
  ...presence,
  since: new Date(since).toISOString(),
});
