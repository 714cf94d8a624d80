import { LABEL_ACCESS, LABEL_ENDPOINTS, routeSecretName } from '../crds/index.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { follow, followNamespaces, isRead, type Collection, type WatchedNamespaces } from '../lib/kube/namespaces.ts';
import { keyOf, parseKey, type ObjectKey } from '../lib/kube/object-key.ts';
import { PODS, SECRETS, SERVICES } from '../lib/kube/resources.ts';
import type { Logger } from '../lib/process/logger.ts';
import { parsePod, type AccessPod } from './access-pod.ts';
import { isAsAsked, parseAccess, type CachedAccess } from './cached-access.ts';
import { parseNamespace, parseSecret, type KnownNamespace, type KnownSecret } from './known-objects.ts';
import { MultiIndex } from './multi-index.ts';
import { isSameAccess } from './presence/presence-status.ts';
import {
  namespaceReference,
  referencesOf,
  routeReference,
  secretReference,
  targetReference,
  workloadReference,
} from './references.ts';
import { requestedUsers } from './requested-users.ts';
import { SSH_ACCESSES, WORKLOADS, type TargetKind } from './resources.ts';
import { isOlder, UsernameClaims } from './username-claims.ts';
import { parseWorkload, type Workload } from './workload.ts';

/** Secrets that are never a user's and come in masses; the API server filters them. */
const SECRET_TYPES = ['kubernetes.io/service-account-token', 'helm.sh/release.v1', 'kubernetes.io/dockerconfigjson'];
const OWN_OBJECT_SUFFIX = '-sshaccess';
/** Pods change many times while they start, and what changes in our own objects is most often what we have just written. */
const SETTLE_MS = 250;

export type WorldOptions = {
  client: KubeClient;
  systemNamespace: string;
  /** Where SshAccesses are served. */
  namespaces: WatchedNamespaces;
  log: Logger;
  /** Something that this SshAccess (`namespace/name`) depends on has changed. */
  touch: (key: string, delayMs?: number) => void;
};

/** What the operator sees of the cluster, kept up to date, and which SshAccess each change concerns. */
export class World {
  readonly accesses: Collection<CachedAccess>;
  readonly #pods: Collection<AccessPod>;
  readonly #namespaces: Collection<KnownNamespace>;
  readonly #secrets: Collection<KnownSecret>;
  readonly #services: Collection<true>;
  readonly #workloads: Readonly<Record<TargetKind, Collection<Workload>>>;
  readonly #options: WorldOptions;
  /** What SshAccesses refer to → their keys. */
  readonly #references = new MultiIndex();
  /** SshAccess → what carries its name in our label. */
  readonly #podsOf = new MultiIndex();
  readonly #workloadsOf = new MultiIndex();
  /** SshAccess → names of its routes: its own, and that of one that had its name before. */
  readonly #routesOf = new MultiIndex();
  readonly #claims = new UsernameClaims();
  #isRead = false;

  constructor(options: WorldOptions) {
    this.#options = options;
    const { client, log, namespaces, systemNamespace } = options;
    const common = { client, log };
    // Routes lie in ours.
    const secretNamespaces = namespaces && [...new Set([...namespaces, systemNamespace])];
    this.accesses = follow(SSH_ACCESSES, namespaces, {
      ...common,
      parse: parseAccess,
      onChange: (key, current, previous) => this.#onAccess(keyOf(key), current, previous),
    });
    this.#pods = follow(PODS, namespaces, {
      ...common,
      labelSelector: LABEL_ACCESS,
      resyncMs: 0,
      parse: parsePod,
      onChange: (key, current, previous) => this.#onPod(key, current, previous),
    });
    this.#namespaces = followNamespaces(namespaces, {
      ...common,
      metadataOnly: true,
      resyncMs: 0,
      parse: parseNamespace,
      onChange: (key, current) => this.#onNamespace(key.name, current),
    });
    this.#secrets = follow(SECRETS, secretNamespaces, {
      ...common,
      fieldSelector: SECRET_TYPES.map((type) => `type!=${type}`).join(','),
      metadataOnly: true,
      resyncMs: 0,
      parse: parseSecret,
      onChange: (key, current) => this.#onSecret(key, current),
    });
    this.#services = follow(SERVICES, namespaces, {
      ...common,
      labelSelector: LABEL_ENDPOINTS,
      metadataOnly: true,
      resyncMs: 0,
      parse: () => true,
      onChange: (key) => this.#onOwnObject(key),
    });
    this.#workloads = {
      Deployment: this.#workloadInformer('Deployment'),
      StatefulSet: this.#workloadInformer('StatefulSet'),
      DaemonSet: this.#workloadInformer('DaemonSet'),
      ReplicaSet: this.#workloadInformer('ReplicaSet'),
      Job: this.#workloadInformer('Job'),
      CronJob: this.#workloadInformer('CronJob'),
    };
  }

  get #all(): readonly Collection<unknown>[] {
    return [
      this.accesses,
      this.#pods,
      this.#namespaces,
      this.#secrets,
      this.#services,
      ...Object.values(this.#workloads),
    ];
  }

  /** Returns when everything has been read once, or `signal` aborted. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#all.map((informer) => informer.start(signal)));
    this.#isRead = true;
  }

  get synced(): boolean {
    return this.#all.every((informer) => informer.synced);
  }

  organizationLabel(namespace: string): string | undefined {
    return this.#namespaces.get('', namespace)?.organization;
  }

  isTerminating(namespace: string): boolean {
    return this.#namespaces.get('', namespace)?.isTerminating ?? true;
  }

  /** Undefined: `cached` itself owns the username; else the key of the SshAccess that does. */
  otherOwner(cached: CachedAccess, username: string): string | undefined {
    const owner = this.#claims.ownerOf(username);
    return owner === undefined || owner.uid === cached.metadata.uid ? undefined : owner.key;
  }

  /** The key of the SshAccess with this uid. */
  accessOf(uid: string): string | undefined {
    return this.#references.get(routeReference(routeSecretName(uid)))[0];
  }

  pods(key: string): readonly AccessPod[] {
    return this.#podsOf.get(key).flatMap((pod) => {
      const { namespace, name } = parseKey(pod);
      return this.#pods.get(namespace, name) ?? [];
    });
  }

  workload(namespace: string, target: { kind: TargetKind; name: string }): Workload | undefined {
    return this.#workloads[target.kind].get(namespace, target.name);
  }

  /** Workloads with the name of this SshAccess on their template. */
  labelledWorkloads(key: string): readonly Workload[] {
    return this.#workloadsOf.get(key).flatMap((member) => {
      const { namespace: kind, name: rest } = parseKey(member);
      const { namespace, name } = parseKey(rest);
      return isTargetKind(kind) ? (this.#workloads[kind].get(namespace, name) ?? []) : [];
    });
  }

  /** Name of an older SshAccess that has the same target, if there is one. */
  olderRival(cached: CachedAccess): string | undefined {
    const reference = targetReference(cached);
    const rivals = reference === undefined ? [] : this.#references.get(reference);
    const age = ({ metadata }: CachedAccess) => ({ uid: metadata.uid, createdAt: metadata.creationTimestamp });
    return rivals
      .map((key) => parseKey(key))
      .map(({ namespace, name }) => this.accesses.get(namespace, name))
      .find((rival) => rival?.metadata.deletionTimestamp === undefined && rival && isOlder(age(rival), age(cached)))
      ?.metadata.name;
  }

  /** Neither Secret nor Service of this SshAccess is there, as far as we have heard. */
  hasNothingOf({ namespace, name, uid }: { namespace: string; name: string; uid: string }): boolean {
    const own = `${name}${OWN_OBJECT_SUFFIX}`;
    const found = this.#secrets.get(namespace, own) ?? this.#services.get(namespace, own);
    return found === undefined && this.#secrets.get(this.#options.systemNamespace, routeSecretName(uid)) === undefined;
  }

  /** Names of route Secrets whose SshAccess is gone, and its finalizer has not run or was never there. */
  orphanRoutes(): readonly string[] {
    const { systemNamespace } = this.#options;
    return this.#secrets
      .keys()
      .filter(({ namespace, name }) => namespace === systemNamespace && this.#isOrphan(name))
      .map(({ name }) => name);
  }

  /** Those of them that say that they are of this SshAccess. */
  orphanRoutesOf(key: string): readonly string[] {
    return this.#routesOf.get(key).filter((name) => this.#isOrphan(name));
  }

  hasRoute(name: string): boolean {
    return this.#secrets.get(this.#options.systemNamespace, name)?.isRoute === true;
  }

  /** Whether an SshAccess that we do not know is not there: its namespace may be one that we must not look into now. */
  isWholeKnown(namespace: string): boolean {
    if (isRead(this.accesses, namespace)) return true;
    return isRead(this.#namespaces, namespace) && this.#namespaces.get('', namespace) === undefined;
  }

  #isOrphan(name: string): boolean {
    const route = this.#secrets.get(this.#options.systemNamespace, name);
    if (route?.isRoute !== true || this.#references.has(routeReference(name))) return false;
    return route.of === '' || this.isWholeKnown(parseKey(route.of).namespace);
  }

  #workloadInformer(kind: TargetKind): Collection<Workload> {
    const { client, log, namespaces } = this.#options;
    return follow(WORKLOADS[kind], namespaces, {
      client,
      log,
      resyncMs: 0,
      parse: (object) => parseWorkload(kind, object),
      onChange: (key, current, previous) => this.#onWorkload(kind, key, current, previous),
    });
  }

  #onAccess(key: string, current: CachedAccess | undefined, previous: CachedAccess | undefined): void {
    // Who is there changes all the time, and nothing follows from it. The same object is a resync.
    if (current && previous && current !== previous && isSameAccess(current, previous)) return;
    this.#references.set(key, current === undefined ? [] : referencesOf(current));
    // Those with the same target: who of them labels it may have changed.
    for (const reference of new Set([current, previous].map((cached) => cached && targetReference(cached)))) {
      if (reference !== undefined) this.#touchAll(this.#references.get(reference).filter((other) => other !== key));
    }
    this.#claim(key, current);
    this.#touch(key, current && previous && current !== previous && isAsAsked(current, previous) ? SETTLE_MS : 0);
  }

  #claim(key: string, cached: CachedAccess | undefined): void {
    if (cached?.access === undefined) return this.#touchAll(this.#claims.set(key, undefined));
    const { uid, creationTimestamp, namespace } = cached.metadata;
    const { users, isNative } = requestedUsers(cached.access, this.organizationLabel(namespace));
    const usernames = users.map(({ username }) => username);
    this.#touchAll(this.#claims.set(key, { key, uid, createdAt: creationTimestamp, usernames, isNative }));
  }

  #onNamespace(namespace: string, current: KnownNamespace | undefined): void {
    // Of a namespace that we could not look into it is known only now that nothing is in it.
    if (current === undefined) {
      const { systemNamespace } = this.#options;
      const owners = this.orphanRoutes().map((name) => this.#secrets.get(systemNamespace, name)?.of ?? '');
      this.#touchAll(owners.filter((key) => key.startsWith(`${namespace}/`)));
    }
    for (const key of this.#references.get(namespaceReference(namespace))) {
      this.#claim(key, this.accesses.get(namespace, parseKey(key).name));
      this.#touch(key);
    }
  }

  #onSecret(key: ObjectKey, current: KnownSecret | undefined): void {
    this.#touchAll(this.#references.get(secretReference(key)));
    // Only here: a tenant may write a Secret that says it is a route, but not in our namespace.
    if (key.namespace === this.#options.systemNamespace) {
      this.#touchAll(this.#references.get(routeReference(key.name)), SETTLE_MS);
      const uid = routeOwner(key.name);
      if (uid !== undefined) this.#touchAll(this.#claims.hold(uid, current?.usernames ?? []));
      const of = current === undefined || current.of === '' ? [] : [current.of];
      this.#routesOf.set(key.name, of);
      this.#touchAll(of.filter(() => this.#isOrphan(key.name)));
    }
    this.#onOwnObject(key);
  }

  /** Secret and Service `<name>-sshaccess` belong to the SshAccess `<name>`. */
  #onOwnObject({ namespace, name }: ObjectKey): void {
    if (!name.endsWith(OWN_OBJECT_SUFFIX)) return;
    const owner = { namespace, name: name.slice(0, -OWN_OBJECT_SUFFIX.length) };
    if (this.accesses.get(owner.namespace, owner.name) !== undefined) this.#touch(keyOf(owner), SETTLE_MS);
  }

  #onPod(key: ObjectKey, current: AccessPod | undefined, previous: AccessPod | undefined): void {
    const ownerOf = (pod: AccessPod) => keyOf({ namespace: pod.namespace, name: pod.access });
    this.#podsOf.set(keyOf(key), current === undefined ? [] : [ownerOf(current)]);
    for (const pod of [current, previous]) {
      if (pod !== undefined) this.#touch(ownerOf(pod), SETTLE_MS);
    }
  }

  #onWorkload(kind: TargetKind, key: ObjectKey, current?: Workload, previous?: Workload): void {
    const labels = new Set([current?.label, previous?.label].filter((label) => label !== undefined));
    const owners = [...labels].map((name) => keyOf({ namespace: key.namespace, name }));
    const now = current?.label === undefined ? [] : [keyOf({ namespace: key.namespace, name: current.label })];
    this.#workloadsOf.set(`${kind}/${keyOf(key)}`, now);
    // Replica counts and progress change all the time; none of it is ours to look at.
    if (current !== undefined && previous !== undefined && isSameWorkload(current, previous)) return;
    const delayMs = current === undefined || previous === undefined ? 0 : SETTLE_MS;
    this.#touchAll([...owners, ...this.#references.get(workloadReference(kind, key))], delayMs);
  }

  /** What is there when we begin is looked at once: nothing of it will settle. */
  #touch(key: string, delayMs = 0): void {
    this.#options.touch(key, this.#isRead ? delayMs : 0);
  }

  #touchAll(keys: readonly string[], delayMs = 0): void {
    for (const key of new Set(keys)) this.#touch(key, delayMs);
  }
}

/** The uid in the name of a route Secret. */
function routeOwner(secretName: string): string | undefined {
  const prefix = routeSecretName('');
  return secretName.startsWith(prefix) ? secretName.slice(prefix.length) : undefined;
}

const isTargetKind = (kind: string): kind is TargetKind => Object.hasOwn(WORKLOADS, kind);

function isSameWorkload(left: Workload, right: Workload): boolean {
  const facts = (workload: Workload) => JSON.stringify({ ...workload, resourceVersion: '' });
  return facts(left) === facts(right);
}
