/** How keys are rotated: the steps by themselves, and the whole operator against an API server on loopback. */
import { describe, expect, test } from 'vitest';
import { ANNOTATION_ROTATE_HOST_KEY, ANNOTATION_ROTATE_MAPPING_KEY } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { acceptedLines, asked, generateKeyPair, turn, type Circumstances, type KeyRing } from './key-rotation.ts';
import { textOf } from './secret.ts';
import { at, deploymentAt, podAt, secretAt, soon, useOperator } from './testing/rig.ts';
import { publicLine } from './testing/samples.ts';

const start = new Date('2026-01-01T00:00:00.200Z');
const after = (seconds: number): Date => new Date(start.getTime() + seconds * 1_000);
const calm: Circumstances = {
  wanted: 'b',
  isPublished: true,
  isHeldUp: () => false,
  delays: { verifiersMs: 100_000, usersMs: 10_000 },
  now: start,
};

describe('the steps', () => {
  const first: KeyRing = { current: generateKeyPair(), handled: 'a' };
  const begun = turn(first, calm);
  const spreading = turn(begun, calm);
  const used = turn(spreading, { ...calm, now: after(101) });

  test('the next key is made, is known to all who verify before it is used, and takes the old one’s place for good', () => {
    expect(begun).toMatchObject({ current: first.current, handled: 'b', next: { pem: expect.any(String) } });
    expect(begun.until).toBeUndefined();
    expect(turn(begun, { ...calm, isPublished: false })).toBe(begun);
    expect(spreading).toEqual({ ...begun, until: '2026-01-01T00:01:41.000Z' });
    expect(turn(spreading, { ...calm, now: after(99) })).toBe(spreading);
    expect(used).toMatchObject({ current: begun.next, old: first.current.publicLine });
    expect(turn(used, { ...calm, now: after(110) })).toBe(used);
    expect(turn(used, { ...calm, now: after(112) })).toEqual({ current: begun.next, handled: 'b' });
  });

  test('as long as it lasts two keys are accepted, the one in use first', () => {
    const [old, next] = [first.current.publicLine, begun.next?.publicLine];
    expect([first, spreading, used].map((ring) => acceptedLines(ring))).toEqual([[old], [old, next], [next, old]]);
  });

  test('pods that know nothing of it hold it up, and no new wish hurries it', () => {
    const heldUp = { ...calm, wanted: 'c', now: after(1_000), isHeldUp: () => true };
    expect(turn(spreading, heldUp)).toBe(spreading);
    expect(turn(used, heldUp)).toBe(used);
    expect(turn(used, { ...heldUp, isHeldUp: () => false }).handled).toBe('b');
    expect(turn({ current: first.current, handled: 'b' }, heldUp)).toMatchObject({ handled: 'c' });
  });

  test('nothing happens that nobody asked for, or that was done', () => {
    for (const wanted of [undefined, 'a']) expect(turn(first, { ...calm, wanted })).toBe(first);
    expect([asked(undefined), asked('')]).toEqual([undefined, undefined]);
    expect(asked('x'.repeat(200_000))).toHaveLength(22);
  });
});

const rig = useOperator();

/** The keys of both Secrets, by their fingerprints. */
function keysOf(uid: string) {
  const [pod, route] = [rig.secretOf(secretAt('web-sshaccess')), rig.secretOf(secretAt(`route-${uid}`, 'sys'))];
  const privateKey = (pem: string | undefined) => pem && PrivateKey.parse(pem).publicKey.toLine();
  return {
    hostKey: privateKey(textOf(pod, 'host-key')),
    nextHostKey: privateKey(textOf(pod, 'next-host-key')),
    pinned: rig.routeOf(uid)?.hostKeys,
    mappingKey: privateKey(textOf(route, 'mapping-key')),
    nextMappingKey: privateKey(textOf(route, 'next-mapping-key')),
    accepted: textOf(pod, 'mapping-key.pub')?.trim().split('\n'),
  };
}

function annotate(annotation: string, value: string): void {
  const stored = rig.server.get(at('web'));
  rig.server.put(at('web'), { ...stored, metadata: { ...stored?.metadata, annotations: { [annotation]: value } } });
}

/** Time passes, and something wakes the operator up, as its own alarm would. */
function pass(seconds: number): void {
  const now = rig.clock().getTime() + seconds * 1_000;
  rig.clock = () => new Date(now);
  rig.putKey('alice-key', { 'ssh-publickey': publicLine() });
}

async function running(spec: object = {}): Promise<string> {
  const now = Date.now();
  rig.clock = () => new Date(now);
  const uid = rig.putAccess('web', spec);
  await rig.startOperator();
  await soon(() => expect(rig.reason('web', 'Ready')).toBeDefined());
  await rig.quiet();
  return uid;
}

test('the mapping key: pods accept both, then the route uses the new one, then the old one is forgotten', async () => {
  const uid = await running();
  const { mappingKey: old, hostKey } = keysOf(uid);
  expect(rig.condition('web', 'KeysRotated')).toBeUndefined();
  annotate(ANNOTATION_ROTATE_MAPPING_KEY, '1');
  await soon(() => expect(rig.reason('web', 'KeysRotated')).toBe('KeysRotating'));
  await rig.quiet();
  const { nextMappingKey: next } = keysOf(uid);
  expect(keysOf(uid)).toMatchObject({ mappingKey: old, nextMappingKey: expect.any(String), accepted: [old, next] });
  pass(119);
  await rig.quiet();
  expect(keysOf(uid).mappingKey).toBe(old);
  pass(3);
  await soon(() => expect(keysOf(uid)).toMatchObject({ mappingKey: next, accepted: [next, old] }));
  expect(keysOf(uid).nextMappingKey).toBeUndefined();
  pass(902);
  await soon(() => expect(keysOf(uid)).toMatchObject({ mappingKey: next, accepted: [next], hostKey }));
  await soon(() =>
    expect(rig.condition('web', 'KeysRotated')).toMatchObject({ status: 'True', reason: 'KeysRotated' }),
  );
  await soon(() => expect(rig.events('KeysRotated')).toHaveLength(1));
  expect(rig.events('KeysRotating')).toHaveLength(1);
  await rig.quiet();
  const before = rig.writes().length;
  annotate('example.com/other', 'x');
  await rig.quiet();
  expect(rig.writes().slice(before)).toEqual([]);
});

test('the host key: the route pins both, then pods show the new one, then the old one is pinned no more', async () => {
  const uid = await running();
  const { hostKey: old, mappingKey } = keysOf(uid);
  annotate(ANNOTATION_ROTATE_HOST_KEY, '1');
  await soon(() => expect(keysOf(uid).pinned).toHaveLength(2));
  await rig.quiet();
  const { nextHostKey: next } = keysOf(uid);
  expect(keysOf(uid)).toMatchObject({ hostKey: old, pinned: [old, next] });
  pass(902);
  await soon(() => expect(keysOf(uid)).toMatchObject({ hostKey: next, pinned: [next, old] }));
  pass(122);
  await soon(() => expect(keysOf(uid)).toMatchObject({ hostKey: next, pinned: [next], mappingKey }));
  await soon(() => expect(rig.reason('web', 'KeysRotated')).toBe('KeysRotated'));
});

test('a rotation outlives the operator, a spec that does not parse, and other changes', async () => {
  const uid = await running();
  annotate(ANNOTATION_ROTATE_MAPPING_KEY, '1');
  await soon(() => expect(keysOf(uid).accepted).toHaveLength(2));
  await rig.quiet();
  const { nextMappingKey: next } = keysOf(uid);
  await rig.stopOperator();
  const valid = rig.server.get(at('web'));
  rig.server.put(at('web'), { ...valid, spec: { users: 'x' } });
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uid)).toEqual([]));
  expect(keysOf(uid).nextMappingKey).toBe(next);
  rig.putAccess('web', { enabled: false });
  pass(125);
  await soon(() => expect(keysOf(uid).mappingKey).toBe(next));
});

test('a key that is made under an annotation answers it', async () => {
  const uid = await running();
  annotate(ANNOTATION_ROTATE_MAPPING_KEY, '1');
  await soon(() => expect(keysOf(uid).accepted).toHaveLength(2));
  await rig.quiet();
  rig.server.remove(secretAt(`route-${uid}`, 'sys'));
  await soon(() => expect(keysOf(uid).accepted).toHaveLength(1));
  await rig.quiet();
  expect(keysOf(uid).accepted).toEqual([keysOf(uid).mappingKey]);
});

describe('an sshd of the image reads its keys at its start only', () => {
  const rolls = () => JSON.stringify(rig.server.get(deploymentAt('web'))).match(/rolled-at":"[^"]+/g) ?? [];

  test('its pods are rolled once, and the key is not used before they are', async () => {
    const uid = await running({ runtime: 'main_container' });
    rig.putMainPod('web-1', 'web');
    const { mappingKey: old } = keysOf(uid);
    annotate(ANNOTATION_ROTATE_MAPPING_KEY, '1');
    await soon(() => expect(keysOf(uid).accepted).toHaveLength(2));
    await rig.quiet();
    const { nextMappingKey: next } = keysOf(uid);
    const before = rolls();
    pass(125);
    await soon(() => expect(rig.condition('web', 'KeysRotated')?.message).toMatch(/web-1; they are restarted now$/));
    await soon(() => expect(rolls()).not.toEqual(before));
    const rolled = rolls();
    pass(60);
    await rig.quiet();
    expect([rolls(), keysOf(uid).mappingKey]).toEqual([rolled, old]);
    rig.server.remove(podAt('web-1'));
    await soon(() => expect(keysOf(uid)).toMatchObject({ mappingKey: next, accepted: [next, old] }));
  });

  test('with rollout Manual it says what to restart', async () => {
    const uid = await running({ runtime: 'main_container', rollout: 'Manual' });
    rig.putMainPod('web-1', 'web');
    annotate(ANNOTATION_ROTATE_HOST_KEY, '1');
    await soon(() => expect(keysOf(uid).pinned).toHaveLength(2));
    await rig.quiet();
    const { nextHostKey: next } = keysOf(uid);
    pass(905);
    await soon(() => expect(keysOf(uid).hostKey).toBe(next));
    pass(125);
    const cure = /web-1; restart them \(kubectl rollout restart -n acme deployment\/web\)$/;
    await soon(() => expect(rig.condition('web', 'KeysRotated')?.message).toMatch(cure));
    expect(keysOf(uid).pinned).toHaveLength(2);
    rig.server.remove(podAt('web-1'));
    await soon(() => expect(keysOf(uid).pinned).toEqual([next]));
  });
});
