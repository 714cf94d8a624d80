/** What the operator keeps of objects that are not SshAccesses, pods or workloads: as little as it can. */
import { LABEL_ORGANIZATION, LABEL_ROUTE } from '../crds/index.ts';
import * as z from 'zod';
import { ANNOTATION_ROUTE_OF, ANNOTATION_USERNAMES, parseUsernames } from './desired-objects.ts';

const strings = z.record(z.string(), z.string()).default({});
const SecretMetadata = z.object({ metadata: z.object({ labels: strings, annotations: strings }) });
const Namespace = z.object({ metadata: z.object({ labels: strings, deletionTimestamp: z.string().optional() }) });

export type KnownNamespace = { readonly organization: string | undefined; readonly isTerminating: boolean };

/** Of a Secret only that it is there, and of a route whose it is, and the usernames that it says it has: thousands cost little. */
export type KnownSecret = { readonly isRoute: boolean; readonly usernames: readonly string[]; readonly of: string };

const NO_ROUTE: KnownSecret = { isRoute: false, usernames: [], of: '' };

export function parseSecret(object: unknown): KnownSecret {
  const { labels, annotations } = SecretMetadata.parse(object).metadata;
  if (labels[LABEL_ROUTE] !== 'true') return NO_ROUTE;
  const of = annotations[ANNOTATION_ROUTE_OF] ?? '';
  return { isRoute: true, usernames: parseUsernames(annotations[ANNOTATION_USERNAMES]), of };
}

export function parseNamespace(object: unknown): KnownNamespace {
  const { labels, deletionTimestamp } = Namespace.parse(object).metadata;
  return { organization: labels[LABEL_ORGANIZATION], isTerminating: deletionTimestamp !== undefined };
}
