/** What the webhook knows of the cluster: local copies, and a question to the API server about what they lack. */
import * as z from 'zod';
import { API_VERSION, KIND, LABEL_ACCESS, PLURAL } from '../crds/index.ts';
import { getIfExists } from '../lib/kube/apply.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { follow, followNamespaces, type Collection, type WatchedNamespaces } from '../lib/kube/namespaces.ts';
import { NAMESPACES, type Resource } from '../lib/kube/resources.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { AdmissionRequest } from './admission-review.ts';
import { Access, type Cluster } from './injection-plan.ts';
import { LimitRange } from './limit-range.ts';
import { Namespace } from './namespace.ts';
import { Questions } from './questions.ts';

const ACCESSES: Resource = { apiVersion: API_VERSION, kind: KIND, plural: PLURAL };
const LIMIT_RANGES: Resource = { apiVersion: 'v1', kind: 'LimitRange', plural: 'limitranges' };

/** The API server waits for us as well (`webhook.timeoutSeconds`). */
const ANSWER_MS = 2_000;

const Labelled = z.object({ metadata: z.object({ labels: z.record(z.string(), z.unknown()) }) });

export type ClusterViewOptions = {
  client: KubeClient;
  namespaces: WatchedNamespaces;
  log: Logger;
} & Pick<Cluster, 'systemNamespace' | 'defaultLevel'>;

/** Follows what decides on injections. */
export class ClusterView {
  readonly #accesses: Collection<Access>;
  readonly #namespaces: Collection<Namespace>;
  readonly #limitRanges: Collection<LimitRange>;
  readonly #copies: Cluster;
  readonly #accessQuestions: Questions<Access>;
  readonly #namespaceQuestions: Questions<Namespace>;

  constructor({ client, namespaces: watched, log, systemNamespace, defaultLevel }: ClusterViewOptions) {
    const common = { client, log };
    this.#accessQuestions = new Questions((namespace, name) => ask(client, Access, ACCESSES, { namespace, name }));
    this.#namespaceQuestions = new Questions((_, name) => ask(client, Namespace, NAMESPACES, { name }));
    this.#accesses = follow(ACCESSES, watched, { ...common, parse: (object) => Access.parse(object) });
    this.#namespaces = followNamespaces(watched, {
      ...common,
      metadataOnly: true,
      parse: (object) => Namespace.parse(object),
    });
    this.#limitRanges = follow(LIMIT_RANGES, watched, { ...common, parse: (object) => LimitRange.parse(object) });
    this.#copies = {
      access: (namespace, name) => this.#accesses.get(namespace, name),
      namespaceLabels: (name) => this.#namespaces.get('', name)?.metadata.labels,
      limitRanges: (namespace) => this.#limitRanges.list().filter(({ metadata }) => metadata.namespace === namespace),
      systemNamespace,
      defaultLevel,
    };
  }

  /** Returns when everything has been read once, or `signal` aborted. */
  async start(signal: AbortSignal): Promise<void> {
    const collections = [this.#accesses, this.#namespaces, this.#limitRanges];
    await Promise.all(collections.map((collection) => collection.start(signal)));
  }

  /**
   * The cluster as far as this request needs it. Copies lag behind, by much where a watch is broken; a pod that was let
   * through because its SshAccess is not in them would be without ssh for good. So what they lack is asked for.
   * @throws KubeError where there is no answer: the failurePolicy decides, and not we
   */
  async about({ namespace, object }: Pick<AdmissionRequest, 'namespace' | 'object'>): Promise<Cluster> {
    const name = Labelled.safeParse(object).data?.metadata.labels[LABEL_ACCESS];
    if (typeof name !== 'string' || name === '' || namespace === '') return this.#copies;
    const copied = this.#copies.access(namespace, name);
    const isCopied = copied !== undefined && copied.metadata.deletionTimestamp === undefined;
    const copiedLabels = this.#copies.namespaceLabels(namespace);
    if (isCopied && copiedLabels !== undefined) return this.#copies;
    const [access, labels] = await Promise.all([
      isCopied ? copied : this.#accessQuestions.about(namespace, name),
      copiedLabels ?? this.#namespaceQuestions.about(namespace, namespace).then((found) => found?.metadata.labels),
    ]);
    return { ...this.#copies, access: () => access, namespaceLabels: () => labels };
  }
}

async function ask<T>(
  client: KubeClient,
  schema: z.ZodType<T>,
  resource: Resource,
  key: { namespace?: string; name: string },
): Promise<T | undefined> {
  const found = await getIfExists(client, resource, key, AbortSignal.timeout(ANSWER_MS));
  // As with the copies: one that cannot be read is none.
  return schema.safeParse(found).data;
}
