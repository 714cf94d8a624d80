/** The Events that `kubectl describe` shows of an SshAccess. */
import type { Route, SshAccessStatus } from '../crds/index.ts';
import type { EventRecorder } from '../lib/kube/event-recorder.ts';
import type { Metadata } from './cached-access.ts';
import { eventType, finding, SENTENCES, type Finding, type Reason } from './findings.ts';
import { SSH_ACCESSES } from './resources.ts';
import { SSHD_REASONS } from './sshd-sentences.ts';

export type Tell = (found: Finding) => Promise<void>;

export function storyteller(events: EventRecorder, metadata: Metadata, signal: AbortSignal): Tell {
  const { namespace, name, uid } = metadata;
  const regarding = { apiVersion: SSH_ACCESSES.apiVersion, kind: SSH_ACCESSES.kind, namespace, name, uid };
  return async ({ reason, message }) => {
    await events.record(regarding, { type: eventType(reason), reason, action: 'Reconcile', note: message }, signal);
  };
}

/** Their messages name pods, and change with each. */
const TOLD_ONCE: ReadonlySet<Reason> = new Set<Reason>([
  'PodsNotInjected',
  'PodsSkipped',
  'PodsOutdated',
  'SshdVulnerable',
  'SshdSettingsOutdated',
  ...SSHD_REASONS,
]);
/** Good news only after bad. */
const UNTOLD: ReadonlySet<Reason> = new Set<Reason>([
  'AllKeysValid',
  'AllUsernamesOwned',
  'PolicyEnforceable',
  'NoKnownHoles',
  'BootstrapSucceeded',
]);

/** What changed in the conditions and is worth telling. */
export function conditionStory(before: SshAccessStatus, after: SshAccessStatus): readonly Finding[] {
  const told = new Set<string>();
  return (after.conditions ?? []).flatMap(({ type, reason, message }) => {
    const previous = before.conditions?.find((condition) => condition.type === type);
    if (!isReason(reason) || told.has(reason)) return [];
    const mayChange = eventType(reason) === 'Warning' && !TOLD_ONCE.has(reason);
    const isNews = previous?.reason !== reason || (mayChange && previous.message !== message);
    if (!isNews || (UNTOLD.has(reason) && previous === undefined)) return [];
    told.add(reason);
    return [{ reason, message }];
  });
}

/** Who may log in now and could not before, and the other way round. */
export function routeStory(before: Route | undefined, after: Route): readonly Finding[] {
  const users = (route: Route | undefined) =>
    new Map((route?.enabled === true ? route.users : []).map((user) => [user.username, user]));
  const [old, current] = [users(before), users(after)];
  const added = [...current.keys()].filter((username) => !old.has(username));
  const removed = [...old.keys()].filter((username) => !current.has(username));
  const changed = [...current].filter(
    ([username, user]) => old.has(username) && JSON.stringify(old.get(username)) !== JSON.stringify(user),
  );
  const parts = [
    ...(added.length > 0 ? [`may log in now: ${added.join(', ')}`] : []),
    ...(removed.length > 0 ? [`may no longer log in: ${removed.join(', ')}`] : []),
    ...(changed.length > 0
      ? [`keys, role, policy or expiry changed: ${changed.map(([name]) => name).join(', ')}`]
      : []),
  ];
  return parts.length === 0 ? [] : [finding('RouteUpdated', parts.join('; '))];
}

const isReason = (reason: string): reason is Reason => Object.hasOwn(SENTENCES, reason);
