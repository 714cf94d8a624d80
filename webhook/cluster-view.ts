/** What the webhook knows of the cluster: local copies, and a question to the API server about what they lack. */
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import {
  API_VERSION,
  KIND,
  LABEL_ACCESS,
  LABEL_ORGANIZATION,
  PLURAL,
  settingsAmong,
  templateSettings,
} from '../crds/index.ts';
import { getIfExists } from '../lib/kube/apply.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { follow, followNamespaces, type Collection, type WatchedNamespaces } from '../lib/kube/namespaces.ts';
import { NAMESPACES, pathOf, type Resource } from '../lib/kube/resources.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { AdmissionRequest } from './admission-review.ts';
import { Access, type Cluster } from './injection-plan.ts';
import { LimitRange } from './limit-range.ts';
import { Namespace } from './namespace.ts';
import type { WebhookMetrics } from './metrics.ts';
import { Questions, type QuestionsOptions, TooManyQuestions } from './questions.ts';

const ACCESSES: Resource = { apiVersion: API_VERSION, kind: KIND, plural: PLURAL };
const LIMIT_RANGES: Resource = { apiVersion: 'v1', kind: 'LimitRange', plural: 'limitranges' };

/** The API server waits for us as well (`webhook.timeoutSeconds`). */
const ANSWER_MS = 2_000;
/**
 * And where there is a copy that will do, no longer than this, well within the default of `webhook.timeoutSeconds`: a pod with the
 * settings of a moment ago is rolled by the operator, one that the API server has given up waiting for has no ssh.
 */
const PATIENCE_MS = 2_500;
/** Of all namespaces that there are: each gets its turn, however many a stranger names. */
const ACCESSES_AT_ONCE = 50;
/** Names of namespaces can be made up without end; one that is so new that we have not seen it is rare. */
const NAMESPACES_AT_ONCE = 10;

const Listed = z.object({ items: z.array(z.unknown()).nullable() });
const Named = z.object({ metadata: z.object({ name: z.string() }) });
const Words = z.record(z.string(), z.unknown());
const Labelled = z.object({ metadata: z.object({ labels: Words, annotations: Words.nullish() }) });

export type ClusterViewOptions = {
  client: KubeClient;
  namespaces: WatchedNamespaces;
  log: Logger;
  metrics: Pick<WebhookMetrics, 'asked'>;
} & Pick<Cluster, 'systemNamespace' | 'defaultLevel'> &
  Pick<QuestionsOptions, 'rest'>;

/** `asker`: whose namespace it is, as far as its labels say; an organization with many has no more turns than one with one. */
type Sought = { readonly namespace: string; readonly name: string; readonly asker: string };

/** Follows what decides on injections. */
export class ClusterView {
  readonly #accesses: Collection<Access>;
  readonly #namespaces: Collection<Namespace>;
  readonly #limitRanges: Collection<LimitRange>;
  readonly #copies: Cluster;
  readonly #accessQuestions: Questions<readonly unknown[]>;
  readonly #namespaceQuestions: Questions<Namespace | undefined>;
  readonly #metrics: ClusterViewOptions['metrics'];

  constructor(options: ClusterViewOptions) {
    const { client, namespaces: watched, log, metrics, systemNamespace, defaultLevel, rest } = options;
    const common = { client, log };
    this.#metrics = metrics;
    this.#accessQuestions = new Questions((name) => askForAccesses(client, name), { atOnce: ACCESSES_AT_ONCE, rest });
    this.#namespaceQuestions = new Questions((name) => askForNamespace(client, name), {
      atOnce: NAMESPACES_AT_ONCE,
      rest,
    });
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
   * through because its SshAccess is not in them would be without ssh for good, and one that is rolled for a change of spec that
   * they have not heard of would be as it was before. So what they lack is asked for.
   * @throws KubeError where there is no answer: the failurePolicy decides, and not we
   */
  async about({ namespace, object }: Pick<AdmissionRequest, 'namespace' | 'object'>): Promise<Cluster> {
    const { labels: own, annotations } = Labelled.safeParse(object).data?.metadata ?? {};
    const name = own?.[LABEL_ACCESS];
    if (typeof name !== 'string' || name === '' || namespace === '') return this.#copies;
    const copied = this.#copies.access(namespace, name);
    const isCopied = copied !== undefined && copied.metadata.deletionTimestamp === undefined;
    const isCurrent = isCopied && isDeepStrictEqual(settingsAmong(annotations ?? {}), templateSettings(copied.spec));
    const copiedLabels = this.#copies.namespaceLabels(namespace);
    if (isCurrent && copiedLabels !== undefined) return this.#copies;
    const labels = copiedLabels ?? (await this.#labelsOf(namespace));
    // Without a namespace there is nothing in it to ask about.
    if (labels === undefined) return this.#copies;
    const asker = labels[LABEL_ORGANIZATION] ?? namespace;
    const access = isCurrent ? copied : await this.#accessOf({ namespace, name, asker }, isCopied ? copied : undefined);
    return { ...this.#copies, access: () => access, namespaceLabels: () => labels };
  }

  async #labelsOf(namespace: string): Promise<Namespace['metadata']['labels'] | undefined> {
    const found = await this.#asked('namespace', this.#namespaceQuestions.about(namespace));
    return found?.metadata.labels;
  }

  /**
   * By all of the namespace: so names that somebody makes up are no more questions than one.
   * @param copied of another spec than the template of the pod is for; still better than no answer
   */
  async #accessOf({ namespace, name, asker }: Sought, copied: Access | undefined): Promise<Access | undefined> {
    const found = this.#asked('accesses', this.#accessQuestions.about(namespace, asker)).then(
      // As with the copies: one that cannot be read is none.
      (all) => Access.safeParse(all.find((object) => Named.safeParse(object).data?.metadata.name === name)).data,
    );
    if (copied === undefined) return await found;
    return await Promise.race([found.catch(() => copied), delay(PATIENCE_MS, copied, { ref: false })]);
  }

  async #asked<T>(about: 'namespace' | 'accesses', question: Promise<T>): Promise<T> {
    try {
      const answer = await question;
      this.#metrics.asked({ about, result: 'answered' });
      return answer;
    } catch (error) {
      this.#metrics.asked({ about, result: error instanceof TooManyQuestions ? 'refused' : 'failed' });
      throw error;
    }
  }
}

async function askForAccesses(client: KubeClient, namespace: string): Promise<readonly unknown[]> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  return Listed.parse(await client.request(pathOf(ACCESSES, { namespace }), { signal })).items ?? [];
}

async function askForNamespace(client: KubeClient, name: string): Promise<Namespace | undefined> {
  const found = await getIfExists(client, NAMESPACES, { name }, AbortSignal.timeout(ANSWER_MS));
  return Namespace.safeParse(found).data;
}
