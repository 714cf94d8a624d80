import { expect, test } from 'vitest';
import type { AppProcess } from './app-process.ts';
import { roleProblem, sessionIdentity, type Situation } from './identity.ts';

const app = (uid: number, gid = uid, groups = [2000]): AppProcess => ({
  pid: 17,
  start: 1,
  uid,
  gid,
  groups,
  noNewPrivs: uid !== 0,
  capabilityBound: 'a80425fb',
  cwd: '/',
  environ: Buffer.alloc(0),
  passwd: Buffer.alloc(0),
  group: Buffer.alloc(0),
});

type Row = [
  situation: string,
  Partial<Situation>,
  uid: number,
  gid: number,
  groups: number[] | undefined,
  nnp: boolean,
  caps: string | undefined,
];

// The truth table. Unless a row says otherwise: role root, chroot, app uid 1000, uid 0 not allowed, sidecar as uid 0.
const table: Row[] = [
  ['root is the app itself', {}, 1000, 1000, [2000], true, 'a80425fb'],
  ['root is uid 0 where allowed, without SYS_CHROOT', { rootUid: 0 }, 0, 0, [], true, 'a80025fb'],
  ['root in an app of uid 0', { app: app(0), rootUid: 0 }, 0, 0, [2000], false, 'a80425fb'],
  ['root with a fixed uid', { rootUid: 1234 }, 1234, 1234, [], true, 'a80025fb'],
  ['root with gid 0 of the app', { app: app(1000, 0) }, 1000, 0, [2000], true, 'a80425fb'],
  ['limited is nobody', { role: 'limited' }, 61_000, 61_000, [], true, '0'],
  ['limited is not the app', { role: 'limited', app: app(61_000) }, 62_000, 62_000, [], true, '0'],
  ['nor its group', { role: 'limited', app: app(1000, 61_999, [62_001]) }, 63_000, 63_000, [], true, '0'],
  ['limited in an app of uid 0', { role: 'limited', app: app(0), rootUid: 0 }, 61_000, 61_000, [], true, '0'],
  ['limited as the webhook says', { role: 'limited', limitedUid: 62_000 }, 62_000, 62_000, [], true, '0'],
  ['limited is no other limited user', { role: 'limited', uidOffset: 9 }, 61_009, 61_009, [], true, '0'],
  ['toolbox root without an app', { entry: 'toolbox', app: undefined }, 65_532, 61_000, [], true, '0'],
  ['toolbox root is never uid 0', { entry: 'toolbox', app: undefined, rootUid: 0 }, 65_532, 61_000, [], true, '0'],
  ["nor in a group of the app's", { entry: 'toolbox', app: undefined, rootUid: 99 }, 99, 61_000, [], true, '0'],
  ['toolbox limited', { entry: 'toolbox', role: 'limited', app: undefined }, 61_000, 61_000, [], true, '0'],
  ['unprivileged sidecar', { sidecar: { uid: 1000, gid: 1 } }, 1000, 1, undefined, true, undefined],
];

for (const [name, situation, uid, gid, groups, noNewPrivs, capabilityBound] of table) {
  test(`identity: ${name}`, () => {
    const complete: Situation = {
      role: 'root',
      entry: 'chroot',
      app: app(1000),
      rootUid: undefined,
      limitedUid: 61_000,
      uidOffset: 0,
      sidecar: { uid: 0, gid: 0 },
      ...situation,
    };
    const umask = complete.role === 'limited' ? '077' : '022';
    expect(sessionIdentity(complete)).toEqual({ uid, gid, groups, noNewPrivs, capabilityBound, umask });
  });
}

test('role limited is refused where the webhook has no uid for it, and by a sidecar that can become nobody', () => {
  const [root, user] = [
    { uid: 0, gid: 0 },
    { uid: 1000, gid: 1000 },
  ];
  expect(roleProblem('limited', { limitedUid: 61_000, sidecar: root })).toBeUndefined();
  expect(roleProblem('root', { limitedUid: undefined, sidecar: user })).toBeUndefined();
  for (const pod of [
    { limitedUid: undefined, sidecar: root },
    { limitedUid: 61_000, sidecar: user },
  ]) {
    expect(roleProblem('limited', pod)).toMatch(/no role limited/);
    const situation = {
      ...pod,
      role: 'limited',
      entry: 'toolbox',
      app: undefined,
      rootUid: undefined,
      uidOffset: 1,
    } as const;
    expect(() => sessionIdentity(situation)).toThrow(/no role limited/);
  }
});
