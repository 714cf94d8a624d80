/** One SshAccess: read → desired → apply → status. */
import { FIELD_MANAGERS, type SshAccess, type SshAccessStatus } from '../crds/index.ts';
import { applyStatus, jsonPatch } from '../lib/kube/apply.ts';
import { TerminalError, type Reconcile, type Result } from '../lib/kube/controller.ts';
import { KubeError } from '../lib/kube/errors.ts';
import { keyOf } from '../lib/kube/object-key.ts';
import { pathOf } from '../lib/kube/resources.ts';
import { awaitsRollout } from './awaits-rollout.ts';
import { clearAway, finalizerPatch, finishDeletion } from './deletion.ts';
import { finding } from './findings.ts';
import type { KeyMaterial } from './key-material.ts';
import { acceptedLines } from './key-rotation.ts';
import { look, type Look } from './look.ts';
import { markOldMounts, mountsOldUntil } from './old-mounts.ts';
import {
  keysSince,
  NO_OBJECTS,
  readOwnObjects,
  settingsSince,
  storedRoute,
  storedSightings,
  type OwnObjects,
} from './own-objects.ts';
import { ceilingOf } from './policies.ts';
import { isSameStatus, withPresence } from './presence/presence-status.ts';
import { hostKeyProblem, servingOf } from './serving.ts';
import { SSH_ACCESSES } from './resources.ts';
import { sshdConditions } from './sshd-conditions.ts';
import { desiredStatus, failedStatus, type Outcome, type Verdict } from './status.ts';
import { conditionStory } from './story.ts';
import { Run, type ReconcilerOptions } from './run.ts';
import { isExpired } from './requested-users.ts';
import { judgeUsers } from './judge-users.ts';
import { closeRoute, writeObjects } from './write-objects.ts';
import { bringTarget, cureOfHoldouts } from './bring-target.ts';
import { rotationsOf, turnKeys } from './turn-keys.ts';

export function makeReconciler(options: ReconcilerOptions): Reconcile {
  return async ({ namespace, name }, signal) => {
    const { client, world, config } = options;
    await clearAway({ namespace, name }, { client, world, systemNamespace: config.systemNamespace, signal });
    const cached = world.accesses.get(namespace, name);
    if (cached !== undefined) return await reconcile(new Run(options, cached, signal));
    options.prober.follow(keyOf({ namespace, name }), []);
    return {};
  };
}

/** What became of it, and when it wants another run. */
async function reconcile(run: Run): Promise<Result> {
  const { access, metadata, problem } = run.cached;
  const isGoing = metadata.deletionTimestamp !== undefined || run.options.world.isTerminating(metadata.namespace);
  if (isGoing || access === undefined) run.options.prober.follow(keyOf(metadata), []);
  // In a namespace that ends nothing new can be made, and nobody has to wait until the SshAccess itself is deleted.
  if (isGoing) {
    const { client, world } = run.options;
    await finishDeletion(run.cached, { ...run.writer, client, world, tell: run.tell, now: run.now });
    return {};
  }
  if (access === undefined) {
    await closeRoute(run);
    await writeStatus(run, failedStatus(run.cached, finding('InvalidSpec', problem), run.now));
    throw new TerminalError(`the spec is not valid: ${problem}`);
  }
  try {
    await bring(run, access);
  } catch (error) {
    await explain(run, error);
    throw error;
  }
  return run.result;
}

/** The whole of it, for one that is there to stay: what is, what has to be, and what its users are told. */
async function bring(run: Run, access: SshAccess): Promise<void> {
  const { world, config } = run.options;
  const { metadata } = run.cached;

  const isFirst = await holdFinalizer(run);
  const objects = isFirst && world.hasNothingOf(metadata) ? NO_OBJECTS : await readOwnObjects(metadata, run.writer);
  const users = await judgeUsers(run, access);
  const keys = turnKeys(run, objects);
  const seen = lookAtPods(run, access, objects, { ...users, keys });
  const serving = servingOf(access.spec, seen.pods, storedRoute(objects.routeSecret));
  const workload = world.workload(metadata.namespace, access.spec.target);
  const cure = cureOfHoldouts(run, access, workload);
  const rotations = rotationsOf(keys, { pods: seen.pods, config, now: run.now, cure });

  const awaits = { awaitsRollout: awaitsRollout(seen.pods, workload) };
  const objectProblem = await writeObjects(run, access, objects, { ...users, ...seen, ...awaits, serving, keys });
  const injection = await bringTarget(run, access, seen.pods, rotations.heldUp);

  const facts = {
    spec: access.spec,
    users: users.users.map(({ user }) => user),
    serving,
    sightings: seen.sightings,
    settingsSince: settingsSince(objects.podSecret, ceilingOf(access.spec), run.now),
  };
  const outcome: Outcome = {
    ...users,
    ...seen,
    enabled: access.spec.enabled,
    expiredAt: isExpired(access.spec, run.now) ? access.spec.expiresAt : undefined,
    endpoint: config.endpoint,
    serving,
    injection,
    objectProblem: objectProblem ?? hostKeyProblem(access.spec),
    sshdConditions: sshdConditions(facts),
    rotations: rotations.findings,
  };
  await writeStatus(run, desiredStatus(run.cached, outcome, run.now));
}

/** The pods and their sshds. The prober looks at those from now on, and wakes us up. */
function lookAtPods(
  run: Run,
  access: SshAccess,
  objects: OwnObjects,
  { users, keys: { hostKey, mappingKey } }: { users: readonly Verdict[]; keys: KeyMaterial },
): Look {
  const { world, prober } = run.options;
  const key = keyOf(run.cached.metadata);
  const context = {
    spec: access.spec,
    stored: storedRoute(objects.routeSecret),
    username: users.find(({ user }) => user.isPrimary)?.user.username ?? '',
    mappingKey: mappingKey.current.pem,
    ownHostKeys: acceptedLines(hostKey),
    sightings: storedSightings(objects.routeSecret),
  };
  const { config } = run.options;
  const oldUntil = mountsOldUntil(keysSince(objects.podSecret, run.now), config.secretDelayMs, run.now);
  const pods = markOldMounts(world.pods(key), run.cached.metadata, oldUntil);
  if (oldUntil !== undefined && pods.length > 0) run.requeueAt(oldUntil.toISOString());
  return look(pods, context, (targets) => prober.follow(key, targets));
}

/** @returns whether it has got one now: nobody has done anything for it before */
async function holdFinalizer(run: Run): Promise<boolean> {
  const patch = finalizerPatch(run.cached.metadata, run.options.config.namespaces);
  if (patch === undefined) return false;
  const path = pathOf(SSH_ACCESSES, run.cached.metadata);
  await jsonPatch(run.options.client, path, patch, {
    fieldManager: FIELD_MANAGERS.operator,
    signal: run.signal,
  });
  return run.options.config.namespaces === undefined;
}

async function writeStatus(run: Run, desired: SshAccessStatus): Promise<void> {
  const { namespace, name, uid } = run.cached.metadata;
  const { presence } = run.options;
  const current = run.cached.status;
  const status = withPresence(desired, current, presence.of(uid), run.now.getTime());
  // That alone is no reason to write: it has a pace of its own.
  if (isSameStatus(status, current)) return presence.touch(keyOf({ namespace, name }));
  const manifest = { metadata: { namespace, name, uid }, status };
  const isWritten = await applyStatus(run.options.client, SSH_ACCESSES, manifest, {
    current,
    fieldManager: FIELD_MANAGERS.operator,
    signal: run.signal,
  });
  if (!isWritten) return;
  for (const found of conditionStory(current, status)) await run.tell(found);
}

/** A refusal is somebody's to cure (a quota, a policy): said where they look. It is retried all the same. */
async function explain(run: Run, error: unknown): Promise<void> {
  if (!(error instanceof KubeError) || !error.isRefused || error.isNotFound) return;
  // The message of a 403 names the quota or policy; others may quote what was sent.
  const problem = error.status === 403 ? error.message : error.code;
  try {
    await writeStatus(run, failedStatus(run.cached, finding('ApplyFailed', problem), run.now));
  } catch (statusError) {
    run.options.log.warn({ err: statusError }, 'status cannot be written');
  }
}
