/** The workload's pod template: its label, and the rolls that make pods right. */
import { isDeepStrictEqual } from 'node:util';
import { templateSettings, type SshAccess } from '../crds/index.ts';
import { keyOf } from '../lib/kube/object-key.ts';
import type { AccessPod } from './access-pod.ts';
import { finding, type Finding } from './findings.ts';
import { cureOf, injectionFinding, missedAmong, notInjected } from './injection.ts';
import { nextRoll } from './missed-pods.ts';
import { labelTemplate, releaseTemplate, rollTemplate } from './target.ts';
import { decideLabel, type Labeller } from './template-label.ts';
import { describeWorkload, type Workload } from './workload.ts';
import type { Run } from './run.ts';
import type { HeldUp } from './turn-keys.ts';

/** The pod template and what its pods say. */
export async function bringTarget(
  run: Run,
  access: SshAccess,
  pods: readonly AccessPod[],
  heldUp: readonly HeldUp[],
): Promise<Finding> {
  const { client, world } = run.options;
  const { metadata } = run.cached;
  const key = keyOf(metadata);
  const workload = world.workload(metadata.namespace, access.spec.target);
  for (const other of world.labelledWorkloads(key)) {
    const isFormer = other.uid !== workload?.uid && other.isOurs && !other.isDeleting;
    if (isFormer) await run.tell(await releaseTemplate(client, other, run.signal));
  }
  const decision = decideLabel(access, workload, world.olderRival(run.cached));
  const problem =
    decision.action === 'none' || workload === undefined ? decision.problem : await label(run, access, workload);
  const injection = injectionFinding(pods, workload, problem, access.spec);
  if (workload?.rollout !== 'rolling' || !isOursToRoll(run, access, workload)) return injection;
  // A pod that somebody has made by hand would stay as it is, however often the workload is rolled.
  const made = pods.filter(({ isControlled }) => isControlled);
  const { reason } = injectionFinding(made, workload, problem, access.spec);
  if (reason === 'PodsNotInjected') return await rollMissed(run, access, workload, made);
  const isOutdated = reason === 'PodsOutdated' && areSettingsOutdated(access, workload);
  if (isOutdated || areHoldouts(heldUp, workload)) await roll(run, access, workload);
  return injection;
}

/** @returns why it is not labelled now: the webhook would miss its pods, or somebody takes the label away, whenever we put it there */
async function label(run: Run, access: SshAccess, workload: Workload): Promise<Finding | undefined> {
  const { client, labellings } = run.options;
  const attempt = {
    key: keyOf(run.cached.metadata),
    generation: run.cached.metadata.generation,
    workload: workload.uid,
  };
  const waitMs = labellings.waitMs(attempt, run.now.getTime());
  if (waitMs > 0) {
    run.requeueIn(waitMs);
    const { lastWriter = 'somebody' } = workload;
    return finding('LabelContested', describeWorkload(workload), lastWriter, run.cached.metadata.name);
  }
  const why = await whyNotNow(run);
  if (why !== undefined) return finding('WebhookNotServing', describeWorkload(workload), why);
  await run.tell(await labelTemplate(client, workload, labeller(run, access), run.signal));
  labellings.labelled(attempt, run.now.getTime());
  return undefined;
}

/** Pods are made with what the template says, and that is not what the spec says. */
const areSettingsOutdated = ({ spec }: SshAccess, { settings }: Workload): boolean =>
  !isDeepStrictEqual(settings, templateSettings(spec));

/** Pods that hold up the rotation of a key, and were not rolled for that yet. */
function areHoldouts(heldUp: readonly HeldUp[], workload: Workload): boolean {
  const rolledAt = workload.rolledAt === undefined ? -Infinity : Date.parse(workload.rolledAt);
  return heldUp.some(({ since }) => rolledAt < Date.parse(since));
}

/** What becomes of them, or what is to be done. */
export function cureOfHoldouts(run: Run, access: SshAccess, workload: Workload | undefined): string {
  const isRolled = workload?.rollout === 'rolling' && isOursToRoll(run, access, workload);
  return isRolled ? 'they are restarted now' : cureOf(workload);
}

function isOursToRoll(run: Run, { spec }: SshAccess, workload: Workload): boolean {
  return spec.enabled && spec.rollout === 'Automatic' && workload.isOurs && workload.label === run.cached.metadata.name;
}

function labeller(run: Run, { spec }: SshAccess): Labeller {
  const { name, uid } = run.cached.metadata;
  return { name, uid, settings: templateSettings(spec) };
}

/** Pods that were started without ssh: rolled when it is time, and the webhook would see to those that come. */
async function rollMissed(
  run: Run,
  access: SshAccess,
  workload: Workload,
  pods: readonly AccessPod[],
): Promise<Finding> {
  const missed = missedAmong(pods, access.spec);
  const injected = run.cached.status.conditions?.find(({ type }) => type === 'Injected');
  const next = nextRoll(workload, missed, injected?.lastTransitionTime);
  if (next.step === 'given-up') return notInjected(missed, workload, 'again');
  if (next.step === 'under-way') return notInjected(missed, workload, 'under-way');
  const waitMs = next.at - run.now.getTime();
  if (waitMs > 0) {
    run.requeueIn(waitMs);
    return notInjected(missed, workload, { at: new Date(next.at).toISOString() });
  }
  const webhook = await roll(run, access, workload, next.attempt);
  return notInjected(missed, workload, webhook === undefined ? 'under-way' : { webhook });
}

/** @returns why it did not: the webhook would miss the new pods as well */
async function roll(run: Run, access: SshAccess, workload: Workload, rollAttempt = 0): Promise<string | undefined> {
  const why = await whyNotNow(run);
  if (why !== undefined) return why;
  const now = { rolledAt: run.now.toISOString(), rollAttempt, signal: run.signal };
  await run.tell(await rollTemplate(run.options.client, workload, labeller(run, access), now));
  return undefined;
}

/** Pods that were made now would be without ssh; it is asked again. */
async function whyNotNow(run: Run): Promise<string | undefined> {
  const hindrance = await run.options.webhook.hindrance(run.signal);
  if (hindrance !== undefined) run.requeueIn(hindrance.waitMs);
  return hindrance?.why;
}
