/** One SshAccess: read → desired → apply → status. */
import { isDeepStrictEqual } from 'node:util';
import { FIELD_MANAGERS, FINALIZER, type RouteUser, type SshAccess, type SshAccessStatus } from '../crds/index.ts';
import { applyStatus, jsonPatch } from '../lib/kube/apply.ts';
import type { KubeClient } from '../lib/kube/client.ts';
import { TerminalError, type Reconcile, type Result } from '../lib/kube/controller.ts';
import { KubeError } from '../lib/kube/errors.ts';
import type { EventRecorder } from '../lib/kube/event-recorder.ts';
import { addFinalizer } from '../lib/kube/finalizers.ts';
import { keyOf } from '../lib/kube/object-key.ts';
import { pathOf } from '../lib/kube/resources.ts';
import type { Logger } from '../lib/process/logger.ts';
import type { AccessPod } from './access-pod.ts';
import type { CachedAccess } from './cached-access.ts';
import type { Config } from './config.ts';
import { finishDeletion } from './deletion.ts';
import { podSecret, route, routeSecret, service } from './desired-objects.ts';
import { finding, type Finding } from './findings.ts';
import { injectionFinding, mayRollAgain } from './injection.ts';
import { keyMaterial, type KeyMaterial } from './key-material.ts';
import { look, type Look } from './look.ts';
import {
  nameTaken,
  readOwnObjects,
  readSecret,
  settingsSince,
  storedCeiling,
  storedPreviousCeiling,
  storedRoute,
  storedSightings,
  storedUsernames,
  writeSecret,
  writeService,
  type OwnObjects,
  type Writer,
} from './own-objects.ts';
import { ceilingOf, heldPolicy, policyOf, previousCeiling } from './policies.ts';
import { isExpired, requestedUsers } from './requested-users.ts';
import type { Prober } from './probe/prober.ts';
import { hostKeyProblem, hostKeysOf, servingOf, upstreamUserOf, type Serving } from './serving.ts';
import { SSH_ACCESSES } from './resources.ts';
import type { Sighting } from './sightings.ts';
import { sshdConditions } from './sshd-conditions.ts';
import { desiredStatus, failedStatus, type Outcome, type Verdict } from './status.ts';
import { conditionStory, routeStory, storyteller, type Tell } from './story.ts';
import { isServiceReady, labelTemplate, releaseTemplate, rollTemplate } from './target.ts';
import { decideLabel, type Labeller } from './template-label.ts';
import { templateSettings } from './template-settings.ts';
import { readUserKeys } from './user-keys.ts';
import { isRolling, type Workload } from './workload.ts';
import type { World } from './world.ts';

const WEBHOOK_RETRY_MS = 30_000;

export type ReconcilerOptions = {
  client: KubeClient;
  world: World;
  prober: Prober;
  events: EventRecorder;
  config: Config;
  log: Logger;
  clock: () => Date;
  /** What the pods' Secret brings to images with an sshd of their own. */
  initScript: string;
};

export function makeReconciler(options: ReconcilerOptions): Reconcile {
  return async ({ namespace, name }, signal) => {
    const cached = options.world.accesses.get(namespace, name);
    // Gone: its finalizer has seen to the route, owner references to the rest.
    if (cached === undefined) {
      options.prober.follow(keyOf({ namespace, name }), []);
      return {};
    }
    return await new Reconciliation(options, cached, signal).run();
  };
}

/** 413 Content Too Large, and 422 as the API server says of an object that is not valid. */
const UNPROCESSABLE: ReadonlySet<number> = new Set([413, 422]);

/** What the objects of an SshAccess are made of. */
type Wanted = {
  routed: readonly RouteUser[];
  owned: readonly string[];
  serving: Serving;
  sightings: readonly Sighting[];
  keys: KeyMaterial;
};

/** One run for one SshAccess; holds nothing that outlives it. */
class Reconciliation {
  readonly #options: ReconcilerOptions;
  readonly #cached: CachedAccess;
  readonly #signal: AbortSignal;
  readonly #now: Date;
  readonly #tell: Tell;
  readonly #writer: Writer;
  readonly #requeues: number[] = [];

  constructor(options: ReconcilerOptions, cached: CachedAccess, signal: AbortSignal) {
    this.#options = options;
    this.#cached = cached;
    this.#signal = signal;
    this.#now = options.clock();
    this.#tell = storyteller(options.events, cached.metadata, signal);
    this.#writer = { client: options.client, systemNamespace: options.config.systemNamespace, signal };
  }

  async run(): Promise<Result> {
    const { access, metadata, problem } = this.#cached;
    const isGoing = metadata.deletionTimestamp !== undefined || this.#options.world.isTerminating(metadata.namespace);
    if (isGoing || access === undefined) this.#options.prober.follow(keyOf(metadata), []);
    if (metadata.deletionTimestamp !== undefined) {
      const { client, world } = this.#options;
      await finishDeletion(this.#cached, { ...this.#writer, client, world, tell: this.#tell, now: this.#now });
      return {};
    }
    // Nothing new can be made there, and the SshAccess is about to go.
    if (this.#options.world.isTerminating(metadata.namespace)) return {};
    if (access === undefined) {
      await this.#closeRoute();
      await this.#writeStatus(failedStatus(this.#cached, finding('InvalidSpec', problem), this.#now));
      throw new TerminalError(`the spec is not valid: ${problem}`);
    }
    try {
      await this.#bring(access);
    } catch (error) {
      await this.#explain(error);
      throw error;
    }
    return this.#requeues.length === 0 ? {} : { requeueAfterMs: Math.max(1_000, Math.min(...this.#requeues)) };
  }

  /** A spec that we do not understand may be the one that revokes somebody: until we do, nobody is in. */
  async #closeRoute(): Promise<void> {
    const objects = await readOwnObjects(this.#cached.metadata, this.#writer);
    const stored = storedRoute(objects.routeSecret);
    if (stored === undefined || stored.users.length === 0) return;
    const { mappingKey } = keyMaterial(objects.podSecret, objects.routeSecret);
    const closed = { ...stored, users: [] };
    const kept = {
      usernames: storedUsernames(objects.routeSecret),
      sightings: storedSightings(objects.routeSecret),
    };
    const secret = routeSecret(this.#writer.systemNamespace, { route: closed, mappingKey, ...kept });
    await writeSecret(objects.routeSecret, secret, this.#writer);
    for (const found of routeStory(stored, closed)) await this.#tell(found);
  }

  async #bring(access: SshAccess): Promise<void> {
    await this.#holdFinalizer();
    const objects = await readOwnObjects(this.#cached.metadata, this.#writer);
    const users = await this.#judgeUsers(access);
    const keys = keyMaterial(objects.podSecret, objects.routeSecret);
    const seen = this.#look(access, objects, users.users, keys);
    const serving = servingOf(access.spec, seen.pods, storedRoute(objects.routeSecret));
    const objectProblem = await this.#writeObjects(access, objects, { ...users, ...seen, serving, keys });
    const injection = await this.#bringTarget(access, seen.pods);
    const facts = {
      spec: access.spec,
      users: users.users.map(({ user }) => user),
      serving,
      sightings: seen.sightings,
      settingsSince: settingsSince(objects.podSecret, ceilingOf(access.spec), this.#now),
    };
    const outcome: Outcome = {
      ...users,
      ...seen,
      enabled: access.spec.enabled,
      endpoint: this.#options.config.endpoint,
      serving,
      injection,
      objectProblem: objectProblem ?? hostKeyProblem(access.spec),
      sshdConditions: sshdConditions(facts),
    };
    await this.#writeStatus(desiredStatus(this.#cached, outcome, this.#now));
  }

  /** The pods and their sshds. The prober looks at those from now on, and wakes us up. */
  #look(access: SshAccess, objects: OwnObjects, users: readonly Verdict[], { hostKey, mappingKey }: KeyMaterial): Look {
    const { world, prober } = this.#options;
    const key = keyOf(this.#cached.metadata);
    const context = {
      spec: access.spec,
      stored: storedRoute(objects.routeSecret),
      username: users.find(({ user }) => user.isPrimary)?.user.username ?? '',
      mappingKey: mappingKey.pem,
      ownHostKey: hostKey.publicLine,
      sightings: storedSightings(objects.routeSecret),
    };
    return look(world.pods(key), context, (targets) => prober.follow(key, targets));
  }

  /** Before the first route: else one could outlive its SshAccess. */
  async #holdFinalizer(): Promise<void> {
    const patch = addFinalizer(this.#cached.metadata, FINALIZER);
    if (patch === undefined) return;
    const path = pathOf(SSH_ACCESSES, this.#cached.metadata);
    await jsonPatch(this.#options.client, path, patch, {
      fieldManager: FIELD_MANAGERS.operator,
      signal: this.#signal,
    });
  }

  /** Who may log in, and what is wrong with the others. */
  async #judgeUsers(access: SshAccess) {
    const { world } = this.#options;
    const { namespace } = this.#cached.metadata;
    const { users, invalidOrganization } = requestedUsers(access, world.organizationLabel(namespace));
    const secrets = await this.#readUserSecrets(users.map(({ secretName }) => secretName));
    const verdicts: Verdict[] = [];
    const routed: RouteUser[] = [];
    const owned: string[] = [];
    const keyProblems: Finding[] = [];
    const nameProblems: Finding[] = [];
    if (invalidOrganization !== undefined) nameProblems.push(finding('InvalidOrganization', invalidOrganization));
    for (const user of users) {
      const keys = readUserKeys(user, secrets.get(user.secretName), access.spec.runtime);
      keyProblems.push(...keys.problems);
      const owner = world.otherOwner(this.#cached, user.username);
      if (owner === undefined) owned.push(user.username);
      else nameProblems.push(finding('UsernameTaken', user.username, this.#nearby(owner)));
      const expired = isExpired(user, this.#now);
      if (user.expiresAt !== undefined && !expired) this.#requeueAt(user.expiresAt);
      const isRouted = owner === undefined && !expired && keys.lines.length > 0;
      verdicts.push({ user, fingerprints: keys.fingerprints, mayLogIn: isRouted && access.spec.enabled });
      if (!isRouted) continue;
      const { username, role, uidOffset, expiresAt } = user;
      const policy = policyOf(role, access.spec);
      const expiry = expiresAt === undefined ? {} : { expiresAt };
      routed.push({ username, role, authorizedKeys: [...keys.lines], policy, uidOffset, ...expiry });
    }
    return { users: verdicts, routed, owned, keyProblems, nameProblems };
  }

  async #readUserSecrets(names: readonly string[]) {
    const { namespace } = this.#cached.metadata;
    const read = async (name: string) =>
      [name, await readSecret(this.#options.client, { namespace, name }, this.#signal)] as const;
    return new Map(await Promise.all([...new Set(names)].map((name) => read(name))));
  }

  /** The holder of a username, named only to people who may know of it. */
  #nearby(owner: string): string | undefined {
    const prefix = `${this.#cached.metadata.namespace}/`;
    return owner.startsWith(prefix) ? owner.slice(prefix.length) : undefined;
  }

  /**
   * Route first: who may no longer log in is out at once, whatever else fails.
   * @returns why the SshAccess cannot be served, if it cannot
   */
  async #writeObjects(
    access: SshAccess,
    objects: OwnObjects,
    { routed, owned, serving, sightings, keys }: Wanted,
  ): Promise<Finding | undefined> {
    const { metadata } = this.#cached;
    const stored = storedRoute(objects.routeSecret);
    const taken = nameTaken(objects, metadata.name, metadata.uid);
    // Without a host key of ours there is nothing to route to; a route that exists is still kept from growing old.
    const isPinned = !objects.isPodSecretForeign || stored !== undefined;
    if (objects.isRouteSecretForeign || !isPinned) return taken;

    const ceiling = ceilingOf(access.spec);
    const kept = storedPreviousCeiling(objects.podSecret);
    const previous = previousCeiling(storedCeiling(objects.podSecret), ceiling, kept, this.#now);
    if (previous !== undefined) this.#requeueAt(previous.until);

    const learned = sightings.map(({ hostKey }) => hostKey);
    const known = { own: keys.hostKey.publicLine, learned };
    const hostKeys = objects.isPodSecretForeign && stored ? stored.hostKeys : hostKeysOf(serving, access.spec, known);
    const users = routed.map((user) => ({
      ...user,
      upstreamUser: upstreamUserOf(serving, user.username),
      policy: heldPolicy(user.role, user.policy, previous),
    }));
    const { runtime, port } = serving;
    const { enabled, banner } = access.spec;
    const wanted = route(metadata, { enabled, runtime, port, hostKeys, banner, users });
    const { systemNamespace } = this.#writer;
    const content = { route: wanted, mappingKey: keys.mappingKey, usernames: owned, sightings };
    const secret = routeSecret(systemNamespace, content);
    await this.#writeRoute(objects.routeSecret, secret);
    for (const found of routeStory(stored, wanted)) await this.#tell(found);
    if (!objects.isPodSecretForeign) {
      const isNeeded = access.spec.runtime === 'main_container' || runtime === 'main_container';
      const initScript = isNeeded ? this.#options.initScript : undefined;
      const since = settingsSince(objects.podSecret, ceiling, this.#now);
      await writeSecret(
        objects.podSecret,
        podSecret(metadata, { ...keys, ceiling, previous, initScript, settingsSince: since }),
        this.#writer,
      );
      for (const found of keys.findings) await this.#tell(found);
    }
    if (!objects.isServiceForeign) await writeService(service(metadata, port), objects.service, this.#writer);
    return taken;
  }

  /** A route that the API server will never take, as one that is too large, may be the one that revokes somebody, too. */
  async #writeRoute(stored: OwnObjects['routeSecret'], wanted: ReturnType<typeof routeSecret>): Promise<void> {
    try {
      await writeSecret(stored, wanted, this.#writer);
    } catch (error) {
      if (error instanceof KubeError && UNPROCESSABLE.has(error.status)) await this.#closeRoute();
      throw error;
    }
  }

  /** The pod template and what its pods say. */
  async #bringTarget(access: SshAccess, pods: readonly AccessPod[]): Promise<Finding> {
    const { client, world } = this.#options;
    const { metadata } = this.#cached;
    const key = keyOf(metadata);
    const workload = world.workload(metadata.namespace, access.spec.target);
    for (const other of world.labelledWorkloads(key)) {
      const isFormer = other.uid !== workload?.uid && other.isOurs && !other.isDeleting;
      if (isFormer) await this.#tell(await releaseTemplate(client, other, this.#signal));
    }
    const decision = decideLabel(access, workload, world.olderRival(this.#cached));
    if (decision.action === 'apply' && workload !== undefined) {
      await this.#tell(await labelTemplate(client, workload, this.#labeller(access), this.#signal));
    }
    const problem = decision.action === 'none' ? decision.problem : undefined;
    const injection = injectionFinding(pods, workload, problem, access.spec);
    if (workload !== undefined && this.#areWrong(injection, access, workload)) await this.#rollAgain(access, workload);
    return injection;
  }

  /** Pods that another roll makes right; none that has been tried for the same cause. */
  #areWrong({ reason }: Finding, { spec }: SshAccess, workload: Workload): boolean {
    if (!isRolling(workload)) return false;
    if (reason === 'PodsOutdated') return !isDeepStrictEqual(workload.settings, templateSettings(spec));
    const since = this.#cached.status.conditions?.find(({ type }) => type === 'Injected')?.lastTransitionTime;
    return reason === 'PodsNotInjected' && mayRollAgain(workload, since);
  }

  #labeller({ spec }: SshAccess): Labeller {
    const { name, uid } = this.#cached.metadata;
    return { name, uid, settings: templateSettings(spec) };
  }

  async #rollAgain(access: SshAccess, workload: Workload): Promise<void> {
    const { client, config } = this.#options;
    const { enabled, rollout } = access.spec;
    const { metadata } = this.#cached;
    const isOurs = enabled && rollout === 'Automatic' && workload.isOurs && workload.label === metadata.name;
    if (!isOurs || config.webhookService === undefined) return;
    const webhook = { namespace: config.systemNamespace, name: config.webhookService };
    if (await isServiceReady(client, webhook, this.#signal)) {
      const found = await rollTemplate(client, workload, this.#labeller(access), {
        now: this.#now,
        signal: this.#signal,
      });
      await this.#tell(found);
    } else {
      this.#requeues.push(WEBHOOK_RETRY_MS);
    }
  }

  async #writeStatus(status: SshAccessStatus): Promise<void> {
    const { namespace, name, uid } = this.#cached.metadata;
    const current = this.#cached.status;
    const manifest = { metadata: { namespace, name, uid }, status };
    const isWritten = await applyStatus(this.#options.client, SSH_ACCESSES, manifest, {
      current,
      fieldManager: FIELD_MANAGERS.operator,
      signal: this.#signal,
    });
    if (!isWritten) return;
    for (const found of conditionStory(current, status)) await this.#tell(found);
  }

  /** A refusal is somebody's to cure (a quota, a policy): said where they look. It is retried all the same. */
  async #explain(error: unknown): Promise<void> {
    if (!(error instanceof KubeError) || !error.isRefused || error.isNotFound) return;
    // The message of a 403 names the quota or policy; others may quote what was sent.
    const problem = error.status === 403 ? error.message : error.code;
    try {
      await this.#writeStatus(failedStatus(this.#cached, finding('ApplyFailed', problem), this.#now));
    } catch (statusError) {
      this.#options.log.warn({ err: statusError }, 'status cannot be written');
    }
  }

  #requeueAt(time: string): void {
    // One second later: then it is over without doubt.
    this.#requeues.push(Date.parse(time) - this.#now.getTime() + 1_000);
  }
}
