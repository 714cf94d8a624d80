import { fastify } from 'fastify';
import * as z from 'zod';
import type { Presence } from '../presence/presence.ts';
import type { Ban, Failures } from './failures.ts';

/** What an administrator may look into. */
export type Administered = {
  readonly failures: Failures;
  readonly connections: { presences: () => Iterable<Presence> };
};

/** Only from within the pod: `kubectl port-forward` gets there, the network does not. */
const LOOPBACK = '127.0.0.1';

const Parameters = z.object({ id: z.string().max(20) });

/**
 * Serves the administrator until `signal` aborts: `GET /bans`, `DELETE /bans/<id>`, `GET /sessions`.
 * @param port 0: any. @returns the port
 */
export async function serveAdmin(port: number, administered: Administered, signal: AbortSignal): Promise<number> {
  const { failures, connections } = administered;
  const server = fastify({ logger: false });
  server.get('/bans', async () => failures.bans().map(shown));
  server.delete('/bans/:id', async (request, reply) => {
    const lifted = failures.lift(Parameters.parse(request.params).id);
    return lifted ? reply.code(204).send() : reply.code(404).send({ message: 'there is no ban of this id' });
  });
  server.get('/sessions', async () => [...connections.presences()].map(shownPresence));
  const address = await server.listen({ port, host: LOOPBACK });
  signal.addEventListener('abort', () => void server.close(), { once: true });
  return Number(new URL(address).port);
}

function shown({ since, until, ...ban }: Ban): object {
  return { ...ban, since: new Date(since).toISOString(), until: new Date(until).toISOString() };
}

const shownPresence = ({ since, ...presence }: Presence): object => ({
  ...presence,
  since: new Date(since).toISOString(),
});
