/** A kind of the API, as the path needs it. */
export type Resource = { readonly apiVersion: string; readonly kind: string; readonly plural: string };

export const SECRETS: Resource = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets' };
export const SERVICES: Resource = { apiVersion: 'v1', kind: 'Service', plural: 'services' };
export const PODS: Resource = { apiVersion: 'v1', kind: 'Pod', plural: 'pods' };
export const NAMESPACES: Resource = { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces' };
export const DEPLOYMENTS: Resource = { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments' };
export const STATEFUL_SETS: Resource = { apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets' };
export const DAEMON_SETS: Resource = { apiVersion: 'apps/v1', kind: 'DaemonSet', plural: 'daemonsets' };
export const REPLICA_SETS: Resource = { apiVersion: 'apps/v1', kind: 'ReplicaSet', plural: 'replicasets' };
export const JOBS: Resource = { apiVersion: 'batch/v1', kind: 'Job', plural: 'jobs' };
export const CRON_JOBS: Resource = { apiVersion: 'batch/v1', kind: 'CronJob', plural: 'cronjobs' };
export const LEASES: Resource = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', plural: 'leases' };
export const EVENTS: Resource = { apiVersion: 'events.k8s.io/v1', kind: 'Event', plural: 'events' };
export const ENDPOINT_SLICES: Resource = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
};

/** The URL path of a collection (no name), cluster-wide (no namespace), or of one object. */
export function pathOf(resource: Resource, where: { namespace?: string | undefined; name?: string } = {}): string {
  const root = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const namespace = where.namespace === undefined ? '' : `/namespaces/${segment(where.namespace)}`;
  const name = where.name === undefined ? '' : `/${segment(where.name)}`;
  return `${root}${namespace}/${resource.plural}${name}`;
}

/** A URL takes dots away as it likes, encoded or not: another object would be asked for. */
function segment(name: string): string {
  if (/^\.{0,2}$/.test(name)) throw new TypeError(`${JSON.stringify(name)} is no name of an object`);
  return encodeURIComponent(name);
}
