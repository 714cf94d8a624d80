/** The workload's pod template: its label, and the rolls that make pods right. */
import { isDeepStrictEqual } from 'node:util';
import type { SshAccess } from '../crds/index.ts';
import { keyOf } from '../lib/kube/object-key.ts';
import type { AccessPod } from './access-pod.ts';
import { finding, type Finding } from './findings.ts';
import { cureOf, injectionFinding, mayRollAgain } from './injection.ts';
import { isServiceReady, labelTemplate, releaseTemplate, rollTemplate } from './target.ts';
import { decideLabel, type Labeller } from './template-label.ts';
import { templateSettings } from './template-settings.ts';
import { describeWorkload, type Workload } from './workload.ts';
import type { Run } from './run.ts';
import type { HeldUp } from './turn-keys.ts';

const WEBHOOK_RETRY_MS = 30_000;

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
  if (workload !== undefined && (areWrong(run, injection, access, workload) || areHoldouts(heldUp, workload)))
    await rollAgain(run, access, workload);
  return injection;
}

/** @returns who has the label away again, whenever we put it there */
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
  await run.tell(await labelTemplate(client, workload, labeller(run, access), run.signal));
  labellings.labelled(attempt, run.now.getTime());
  return undefined;
}

/** Pods that another roll makes right; none that has been tried for the same cause. */
function areWrong(run: Run, { reason }: Finding, { spec }: SshAccess, workload: Workload): boolean {
  if (workload.rollout !== 'rolling') return false;
  if (reason === 'PodsOutdated') return !isDeepStrictEqual(workload.settings, templateSettings(spec));
  const since = run.cached.status.conditions?.find(({ type }) => type === 'Injected')?.lastTransitionTime;
  return reason === 'PodsNotInjected' && mayRollAgain(workload, since);
}

/** Pods that hold up the rotation of a key, and were not rolled for that yet. */
function areHoldouts(heldUp: readonly HeldUp[], workload: Workload): boolean {
  const rolledAt = workload.rolledAt === undefined ? -Infinity : Date.parse(workload.rolledAt);
  return workload.rollout === 'rolling' && heldUp.some(({ since }) => rolledAt < Date.parse(since));
}

/** What becomes of them, or what is to be done. */
export function cureOfHoldouts(run: Run, access: SshAccess, workload: Workload | undefined): string {
  const isRolled = workload?.rollout === 'rolling' && isOursToRoll(run, access, workload);
  return isRolled ? 'they are restarted now' : cureOf(workload);
}

function isOursToRoll(run: Run, { spec }: SshAccess, workload: Workload): boolean {
  const isAllowed = spec.enabled && spec.rollout === 'Automatic' && run.options.config.webhookService !== undefined;
  return isAllowed && workload.isOurs && workload.label === run.cached.metadata.name;
}

function labeller(run: Run, { spec }: SshAccess): Labeller {
  const { name, uid } = run.cached.metadata;
  return { name, uid, settings: templateSettings(spec) };
}

async function rollAgain(run: Run, access: SshAccess, workload: Workload): Promise<void> {
  const { client, config } = run.options;
  if (!isOursToRoll(run, access, workload) || config.webhookService === undefined) return;
  const webhook = { namespace: config.systemNamespace, name: config.webhookService };
  if (await isServiceReady(client, webhook, run.signal)) {
    const found = await rollTemplate(client, workload, labeller(run, access), {
      now: run.now,
      signal: run.signal,
    });
    await run.tell(found);
  } else {
    run.requeueIn(WEBHOOK_RETRY_MS);
  }
}
