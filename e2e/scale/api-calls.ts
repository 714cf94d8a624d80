/** How often the API server was asked for what the operator asks for, from the API server's own metrics. */

/** Calls, by `VERB resource` or `VERB resource/subresource`. */
export type Calls = ReadonlyMap<string, number>;

/** What the operator reads and writes, one object at a time. Others ask for some of it as well, but seldom. */
const RESOURCES = new Set(['sshaccesses', 'secrets', 'services', 'deployments', 'events']);
/** Lists and watches are the informers', a few in all; PUT and DELETE are Kubernetes' own controllers'. */
const VERBS = new Set(['GET', 'POST', 'PATCH', 'APPLY']);
/** Events of the old group are Kubernetes' own. */
const isOurs = (group: string, resource: string): boolean => resource !== 'events' || group === 'events.k8s.io';

/** @param metrics of `/metrics`, in the text format of Prometheus */
export function callsIn(metrics: string): Calls {
  const calls = new Map<string, number>();
  for (const [, labels = '', value = ''] of metrics.matchAll(/^apiserver_request_total\{(.*)\} (\S+)$/gm)) {
    const label = (name: string): string => new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
    const [verb, resource, subresource] = [label('verb'), label('resource'), label('subresource')];
    if (!VERBS.has(verb) || !RESOURCES.has(resource) || !isOurs(label('group'), resource)) continue;
    const what = `${verb} ${resource}${subresource === '' ? '' : `/${subresource}`}`;
    calls.set(what, (calls.get(what) ?? 0) + Number(value));
  }
  return calls;
}

/** What came between two readings, most first. */
export function callsBetween(before: Calls, after: Calls): (readonly [what: string, count: number])[] {
  const added = [...after].map(([what, count]) => [what, count - (before.get(what) ?? 0)] as const);
  return added.filter(([, count]) => count > 0).toSorted(([, left], [, right]) => right - left);
}
