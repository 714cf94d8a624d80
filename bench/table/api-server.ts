/** A program: an API server with the routes and EndpointSlices of as many users as it is told. Its first line is its address. */
import {
  DEFAULT_POLICIES,
  LABEL_ENDPOINTS,
  LABEL_ROUTE,
  ROUTE_SECRET_KEYS,
  routeSecretName,
  type Route,
} from '../../crds/index.ts';
import { ENDPOINT_SLICES, pathOf, SECRETS } from '../../lib/kube/resources.ts';
import { TestApiServer } from '../../lib/kube/testing/api-server.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { LABEL_SERVICE_NAME } from '../../piper/directory/objects.ts';

/** Users are as many as routes times users; of the endpoints each slice has its thousand. */
const [routes = 0, usersOfARoute = 0, slices = 0] = process.argv.slice(2).map(Number);
const ENDPOINTS = 1_000;
const SYSTEM = 'system';
/** Key pairs are dear to make, and one is as long as another. */
const KEYS = Array.from({ length: 64 }, () => PrivateKey.generateEd25519());
const PEMS = KEYS.map((key) => key.toOpenSsh());

const nth = <T>(list: readonly T[], index: number): T => {
  const found = list[index % list.length];
  if (found === undefined) throw new RangeError('an empty list');
  return found;
};
const encode = (text: string): string => Buffer.from(text).toString('base64');

function routeOf(index: number): Route {
  const users = Array.from({ length: usersOfARoute }, (_, user) => {
    const role = user === 0 ? ('root' as const) : ('limited' as const);
    const username = `org-${index}-app${user === 0 ? '' : `-u${user}`}`;
    const authorizedKeys = [nth(KEYS, index + user).publicKey.toLine()];
    return { username, role, authorizedKeys, policy: DEFAULT_POLICIES[role], uidOffset: user };
  });
  const names = { namespace: `org-${index}`, name: 'app', uid: `uid-${index}`, service: 'app-sshaccess' };
  const hostKeys = [nth(KEYS, index).publicKey.toLine()];
  return { version: 1, enabled: true, port: 2222, runtime: 'sidecar', hostKeys, users, ...names };
}

const server = new TestApiServer();
await server.start();
for (let index = 0; index < routes; index++) {
  const route = routeOf(index);
  const name = routeSecretName(route.uid);
  server.put(pathOf(SECRETS, { namespace: SYSTEM, name }), {
    metadata: { labels: { [LABEL_ROUTE]: 'true' } },
    data: {
      [ROUTE_SECRET_KEYS.route]: encode(JSON.stringify(route)),
      [ROUTE_SECRET_KEYS.mappingKey]: encode(nth(PEMS, index)),
    },
  });
}
for (let index = 0; index < slices; index++) {
  const endpoints = Array.from({ length: ENDPOINTS }, (_, pod) => ({
    addresses: [`10.${index % 256}.${pod >> 8}.${pod & 255}`],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: `node-${pod % 100}`,
    targetRef: { kind: 'Pod', namespace: `org-${index}`, name: `app-6d4cf56db6-${pod}`, uid: `uid-of-${index}-${pod}` },
  }));
  const labels = { [LABEL_ENDPOINTS]: 'app', [LABEL_SERVICE_NAME]: 'app-sshaccess' };
  server.put(pathOf(ENDPOINT_SLICES, { namespace: `org-${index}`, name: 'app-sshaccess-x' }), {
    metadata: { labels },
    addressType: 'IPv4',
    endpoints,
  });
}
console.log(server.address);
