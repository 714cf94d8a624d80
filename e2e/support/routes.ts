import { z } from 'zod';
import { LABEL_ROUTE, Route, ROUTE_SECRET_KEYS } from '../../crds/index.ts';
import { demo } from './demo.ts';
import { list } from './kubectl.ts';

const RouteSecret = z.object({ data: z.record(z.string(), z.string()) });

/** What the pipers are told, of all SshAccesses that there are. */
export async function routes(): Promise<Route[]> {
  const secrets = await list(RouteSecret, 'secrets', '-n', demo().systemNamespace, '-l', `${LABEL_ROUTE}=true`);
  return secrets.map(({ data }) =>
    Route.parse(JSON.parse(Buffer.from(data[ROUTE_SECRET_KEYS.route] ?? '', 'base64').toString())),
  );
}
