/** Pods that were started without ssh, and what is done so that there are none. */
import { describe, expect, test } from 'vitest';
import { CALM_MS, nextRoll, ROLL_AFTER_MS } from './missed-pods.ts';
import { skipSettings } from '../crds/index.ts';
import { parseAccess } from './cached-access.ts';
import { at as accessAt, deploymentAt, podAt, soon, useOperator } from './testing/rig.ts';
import { pod } from './testing/samples.ts';

const BEGIN = Date.parse('2026-01-01T10:00:00Z');
const after = (ms: number): string => new Date(BEGIN + ms).toISOString();
const missedAt = (ms: number) => [pod('a', { record: undefined, createdAt: after(ms) })];

describe('when they are rolled', () => {
  const rolled = (rollAttempt: number) => ({ rolledAt: after(0), rollAttempt });

  test('the first time a second after they were made, so that they can be told from those that come', () => {
    const first = nextRoll({ rolledAt: undefined, rollAttempt: 0 }, missedAt(0), undefined);
    expect(first).toEqual({ step: 'roll', at: BEGIN + 1_000, attempt: 1 });
  });

  test('those from before the last roll are replaced by it already', () => {
    expect(nextRoll(rolled(1), missedAt(-1_000), after(-5_000))).toEqual({ step: 'under-way' });
  });

  test('again with growing delays, so many times for one cause, and no more', () => {
    const steps = ROLL_AFTER_MS.map((_, made) => nextRoll(rolled(made + 1), missedAt(2_000), after(-5_000)));
    const { length } = ROLL_AFTER_MS;
    expect(steps.slice(0, -1)).toEqual(
      ROLL_AFTER_MS.slice(1).map((delayMs, index) => ({ step: 'roll', at: BEGIN + delayMs, attempt: index + 2 })),
    );
    expect(steps.at(-1)).toEqual({ step: 'given-up' });
    expect(length).toBe(4);
  });

  test('a webhook that misses one again and again makes no more than as many rolls in that time, either', () => {
    const since = after(5_000);
    const last = ROLL_AFTER_MS.length;
    expect(nextRoll(rolled(last), missedAt(6_000), since)).toEqual({ step: 'roll', at: BEGIN + CALM_MS, attempt: 1 });
    expect(nextRoll(rolled(last), missedAt(CALM_MS), since)).toMatchObject({ at: BEGIN + CALM_MS + 1_000, attempt: 1 });
    expect(nextRoll(rolled(1), missedAt(6_000), since)).toMatchObject({ attempt: 2 });
  });

  test('a roll for another cause counts for none', () => {
    expect(nextRoll(rolled(0), missedAt(2_000), after(-5_000))).toEqual({
      step: 'roll',
      at: BEGIN + 3_000,
      attempt: 1,
    });
  });
});

const rig = useOperator();
const templateText = () => JSON.stringify(rig.server.get(deploymentAt('web')));
const rolledAt = () => /"sshaccess.dev\/rolled-at":"([^"]+)"/.exec(templateText())?.[1];
const attempt = () => /"sshaccess.dev\/roll-attempt":"([^"]+)"/.exec(templateText())?.[1];
const sentence = () => rig.condition('web', 'Injected')?.message;

test('a template is not labelled before the API server reaches the webhook, and the condition says so', async () => {
  rig.isWebhookServing = false;
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('WebhookNotServing'));
  expect(rig.reason('web', 'Ready')).toBe('WebhookNotServing');
  expect(sentence()).toMatch(/^deployment\/web is left alone until the webhook serves.*: the API server got no answer/);
  expect(rig.labelOf('web')).toBe(false);
  rig.isWebhookServing = true;
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('WaitingForPods'));
  // Nothing is left of the question.
  expect(rig.server.list('/apis/coordination.k8s.io/v1/namespaces/sys/leases')).toEqual([]);
});

test('an API server that refuses to ask is quoted', async () => {
  rig.server.fail(1_000, 403, /POST .*leases/);
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(sentence()).toContain('the API server did not ask it: Injected'));
  expect(rig.labelOf('web')).toBe(false);
});

test('pods that were missed are rolled when the webhook is back, again if that did not help, and not for ever', async () => {
  let pastMs = 0;
  const pass = (ms: number): void => {
    pastMs += ms;
    rig.clock = () => new Date(Date.now() + pastMs);
  };
  const put = (name: string, isInjected = false): void => {
    rig.putPod(name, 'web', isInjected);
    const stored = rig.server.get(podAt(name));
    const creationTimestamp = rig.clock().toISOString();
    rig.server.put(podAt(name), { ...stored, metadata: { ...stored?.metadata, creationTimestamp } });
  };
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  rig.isWebhookServing = false;
  pass(60_000);
  put('web-1');
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('PodsNotInjected'));
  // What was heard a moment ago is believed.
  await soon(() => expect(sentence()).toMatch(/restarted (now|when the webhook serves again)/));
  rig.isWebhookServing = true;
  await soon(() => expect(attempt()).toBe('1'));
  const first = rolledAt();
  rig.server.remove(podAt('web-1'));
  pass(2_000);
  put('web-2');
  await soon(() => expect(sentence()).toMatch(/web-2; they are restarted at /));
  expect(rolledAt()).toBe(first);
  for (const [index, delayMs] of ROLL_AFTER_MS.slice(1).entries()) {
    pass(delayMs);
    put('web-2');
    await soon(() => expect(attempt()).toBe(String(index + 2)));
    rig.server.remove(podAt('web-2'));
    pass(2_000);
    put('web-2');
  }
  const last = rolledAt();
  await soon(() => expect(sentence()).toMatch(/without ssh, though they were restarted for it before: web-2/));
  pass(CALM_MS);
  put('web-3');
  await rig.quiet();
  expect(rolledAt()).toBe(last);
  // It was seen to, and then the webhook missed another: a cause of its own.
  for (const name of ['web-2', 'web-3']) rig.server.remove(podAt(name));
  put('web-4', true);
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('PodsInjected'));
  pass(2_000);
  put('web-5');
  await soon(() => expect(attempt()).toBe('1'));
  expect(rolledAt()).not.toBe(last);
});

/** As the webhook leaves a pod alone, for the SshAccess as it is now. */
function putSkipped(name: string, reason = 'host-pid'): void {
  rig.putPod(name, 'web', false);
  const stored = rig.server.get(podAt(name));
  const { access: current } = parseAccess(rig.server.get(accessAt('web')));
  if (current === undefined) throw new Error('put an SshAccess first');
  const record = { version: 1, reason, settings: skipSettings(current.spec) };
  const creationTimestamp = rig.clock().toISOString();
  const annotations = { 'sshaccess.dev/skipped': JSON.stringify(record) };
  rig.server.put(podAt(name), { ...stored, metadata: { ...stored?.metadata, creationTimestamp, annotations } });
}

test('pods that the webhook leaves alone on purpose are not rolled, and the condition says why', async () => {
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  rig.clock = () => new Date(Date.now() + 60_000);
  putSkipped('web-1');
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('PodsSkipped'));
  expect(sentence()).toMatch(
    /^these pods are left without ssh, .*: web-1: the pod sees its node's processes, .*; when/,
  );
  await soon(() => expect(rig.reason('web', 'Ready')).toBe('PodsSkipped'));
  rig.clock = () => new Date(Date.now() + CALM_MS);
  await rig.quiet();
  expect(rolledAt()).toBeUndefined();
  // Another spec may take them: those of the old one are made anew.
  rig.putAccess('web', { target: { name: 'web', container: 'app' } });
  await soon(() => expect(attempt()).toBe('1'));
});

test('whoever writes that onto a pod of their own keeps no other pod from its roll', async () => {
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  rig.clock = () => new Date(Date.now() + 60_000);
  putSkipped('a-forged', 'x'.repeat(64));
  await soon(() => expect(sentence()).toMatch(/a-forged: x{64}; when/));
  rig.putPod('web-1', 'web', false);
  await soon(() => expect(rig.reason('web', 'Injected')).toBe('PodsNotInjected'));
  expect(sentence()).not.toContain('a-forged');
  await soon(() => expect(attempt()).toBe('1'));
});

test('a pod that somebody has made by hand, with our label on it, rolls nobody else’s', async () => {
  rig.putAccess('web');
  await rig.startOperator();
  await soon(() => expect(rig.labelOf('web')).toBe(true));
  rig.clock = () => new Date(Date.now() + 60_000);
  rig.putPod('by-hand', 'web', false);
  const stored = rig.server.get(podAt('by-hand'));
  rig.server.put(podAt('by-hand'), { ...stored, metadata: { ...stored?.metadata, ownerReferences: [] } });
  await soon(() => expect(sentence()).toMatch(/started without ssh: by-hand/));
  rig.clock = () => new Date(Date.now() + CALM_MS);
  await rig.quiet();
  expect(rolledAt()).toBeUndefined();
  rig.putPod('web-1', 'web', false);
  await soon(() => expect(attempt()).toBe('1'));
});
