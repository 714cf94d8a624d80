import { expect, test } from 'vitest';
import { DEFAULT_POLICIES, isWithin } from '../crds/index.ts';
import { ceilingOf, heldPolicy, policyOf, previousCeiling } from './policies.ts';
import { access } from './testing/samples.ts';

const spec = (changes: object) => access(changes).spec;
const now = new Date('2026-01-01T00:00:00Z');
const at = (seconds: number) => ({ now: new Date(now.getTime() + seconds * 1000), secretDelayMs: 120_000 });

test('a role has its defaults, and what the spec changes', () => {
  expect(policyOf('root', spec({}))).toEqual(DEFAULT_POLICIES.root);
  expect(policyOf('limited', spec({ policy: { limited: { maxSessions: 5 } } }))).toEqual({
    ...DEFAULT_POLICIES.limited,
    maxSessions: 5,
  });
});

test('with a list of commands there is no other way in but what is asked for', () => {
  const { root } = DEFAULT_POLICIES;
  expect(policyOf('root', spec({ policy: { root: { commands: ['date'] } } }))).toMatchObject({
    commands: ['date'],
    sftp: { access: 'none', paths: null },
    localForwarding: 'none',
  });
  const asked = { commands: [], sftp: { paths: ['/data'] }, localForwarding: 'loopback' };
  expect(policyOf('root', spec({ policy: { root: asked } }))).toEqual({
    ...root,
    commands: [],
    sftp: { access: 'read-write', paths: ['/data'] },
  });
});

test('the ceiling has limited always, root only where somebody is root', () => {
  expect(Object.keys(ceilingOf(spec({})).roles)).toEqual(['root', 'limited']);
  const onlyLimited = { users: [{ access: 'limited', secretRef: { name: 'k' } }], audit: { logging: false } };
  expect(ceilingOf(spec(onlyLimited))).toMatchObject({ roles: { limited: {} }, auditLogging: false });
  expect(ceilingOf(spec(onlyLimited)).roles.root).toBeUndefined();
});

test('a wider policy is held back until kubelets have brought the ceiling; a narrower one is not', () => {
  const before = ceilingOf(spec({}));
  const wide = spec({ policy: { limited: { maxSessions: 9, localForwarding: 'loopback' }, root: { maxSessions: 1 } } });
  const previous = previousCeiling(before, ceilingOf(wide), undefined, at(0));
  expect(previous?.until).toBe('2026-01-01T00:02:00.000Z');
  expect(heldPolicy('limited', policyOf('limited', wide), previous)).toEqual(DEFAULT_POLICIES.limited);
  expect(heldPolicy('root', policyOf('root', wide), previous).maxSessions).toBe(1);
  // Nothing changes meanwhile, then it is over.
  const after = ceilingOf(wide);
  expect(previousCeiling(after, after, previous, at(60))).toEqual(previous);
  expect(previousCeiling(after, after, previous, at(121))).toBeUndefined();
});

test('of several changes in a row, no pod is asked for more than any of its ceilings allows', () => {
  const ceilings = [2, 9, 4].map((maxSessions) => ceilingOf(spec({ policy: { limited: { maxSessions } } })));
  const [first, second, third] = ceilings;
  if (first === undefined || second === undefined || third === undefined) throw new Error('three');
  const one = previousCeiling(first, second, undefined, at(0));
  const two = previousCeiling(second, third, one, at(10));
  const held = heldPolicy('limited', policyOf('limited', spec({ policy: { limited: { maxSessions: 4 } } })), two);
  for (const { roles } of ceilings) expect(roles.limited && isWithin(held, roles.limited)).toBe(true);
});

test('a first ceiling has nothing to wait for', () => {
  expect(previousCeiling(undefined, ceilingOf(spec({})), undefined, at(0))).toBeUndefined();
});
