import { Counter, type Registry } from 'prom-client';

/** Who hears how the API server is used. */
export type ApiObserver = {
  /** @param status of HTTP; 0: there was no answer */
  answered: (verb: ApiVerb, status: number) => void;
  /** A watch ended in an error, and begins again. */
  watchBroke: (path: string) => void;
};

export type ApiVerb = 'get' | 'watch' | 'create' | 'update' | 'patch' | 'delete';

export const NO_OBSERVER: ApiObserver = { answered: () => undefined, watchBroke: () => undefined };

/** Counts into `registry`. Labels are verbs, HTTP's codes, and the kinds that we follow. */
export function apiMetrics(registry: Registry): ApiObserver {
  const requests = new Counter({
    name: 'sshaccess_kube_requests_total',
    help: 'Requests to the API server by verb (get: lists, too) and code of the answer (0: none); a watch counts when it begins.',
    labelNames: ['verb', 'code'] as const,
    registers: [registry],
  });
  const broken = new Counter({
    name: 'sshaccess_kube_watch_restarts_total',
    help: 'Watches that ended in an error, and were begun again, by the kind that is watched.',
    labelNames: ['resource'] as const,
    registers: [registry],
  });
  return {
    answered: (verb, status) => requests.inc({ verb, code: status }),
    watchBroke: (path) => broken.inc({ resource: path.slice(path.lastIndexOf('/') + 1) }),
  };
}
