import { LABEL_ENDPOINTS, LABEL_ROUTE } from '../../crds/index.ts';
import type { KubeClient } from '../../lib/kube/client.ts';
import { Informer } from '../../lib/kube/informer.ts';
import { follow, type WatchedNamespaces } from '../../lib/kube/namespaces.ts';
import { keyOf } from '../../lib/kube/object-key.ts';
import { ENDPOINT_SLICES, pathOf, SECRETS } from '../../lib/kube/resources.ts';
import type { Logger } from '../../lib/process/logger.ts';
import type { ObjectDirectory } from './directory.ts';
import { EndpointSliceObject, SecretObject } from './objects.ts';
import type { Provider } from './provider.ts';

export type KubernetesProviderOptions = {
  client: KubeClient;
  /** The system namespace: the only one whose Secrets we may read. */
  namespace: string;
  /** Whose EndpointSlices we read. */
  watched?: WatchedNamespaces;
  directory: ObjectDirectory;
  /** How long we go on without hearing from the API server. */
  maxStalenessMs: number;
  log: Logger;
};

/** Feeds the directory from the API server: route Secrets of our own namespace, EndpointSlices of those that are watched. */
export function kubernetesProvider(options: KubernetesProviderOptions): Provider {
  const { client, namespace, watched, directory, maxStalenessMs, log } = options;
  const secrets = new Informer<SecretObject>({
    client,
    path: pathOf(SECRETS, { namespace }),
    labelSelector: `${LABEL_ROUTE}=true`,
    // The directory keeps what it needs of them, which is much less.
    reportOnly: true,
    parse: (object) => SecretObject.parse(object),
    onChange: (key, secret) => {
      if (secret === undefined) directory.removeSecret(keyOf(key));
      else directory.setSecret(keyOf(key), secret);
    },
    log,
  });
  const slices = follow<EndpointSliceObject>(ENDPOINT_SLICES, watched, {
    client,
    labelSelector: LABEL_ENDPOINTS,
    reportOnly: true,
    parse: (object) => EndpointSliceObject.parse(object),
    onChange: (key, slice) => {
      if (slice === undefined) directory.removeSlice(keyOf(key));
      else directory.setSlice(keyOf(key), slice);
    },
    log,
  });
  // Bookmarks come about every minute, so silence means that a revocation would not reach us either. Pods may be old
  // news: whatever is at their address proves by its host key that it is the right one.
  const silence = (): number => Date.now() - (secrets.lastContact ?? 0);
  directory.stale = () => silence() > maxStalenessMs;
  return {
    start: async (signal) => {
      await Promise.all([secrets.start(signal), slices.start(signal)]);
    },
    lastContact: () => secrets.lastContact,
    problem: () => {
      if (!secrets.synced || !slices.synced) return 'routes and endpoints are not loaded yet';
      return directory.stale() ? `no word from the API server for ${Math.round(silence() / 1000)} s` : undefined;
    },
  };
}
