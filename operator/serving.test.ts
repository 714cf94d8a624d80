import { expect, test } from 'vitest';
import { DEFAULT_POLICIES, Route } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { hostKeysOf, readHostKeys, servingOf, upstreamUserOf } from './serving.ts';
import { access, mainPod, mainRecord, pod, publicLine } from './testing/samples.ts';

const unmanaged = {
  managed: false,
  port: 2022,
  user: 'deploy',
  authorizedKeysPath: '/home/deploy/.ssh/authorized_keys',
};
const sidecar = access().spec;
const main = access({ runtime: 'main_container' }).spec;
const image = access({ runtime: 'main_container', mainContainer: { setup: 'Image' } }).spec;
const own = access({ runtime: 'main_container', mainContainer: unmanaged }).spec;

const usual = access({ runtime: 'main_container', mainContainer: { ...unmanaged, port: undefined } }).spec;

const newPod = (name: string, isReady = true) => mainPod(name, { isReady });
const oldPod = (name: string, isReady = true) => pod(name, { isReady });

const unmanagedPod = (name: string, isReady = true) =>
  mainPod(name, { isReady, record: mainRecord('unmanaged', { port: 2022 }) });
const imagePod = (name: string) => mainPod(name, { record: mainRecord('image') });

test.each([
  ['no pod yet: what the spec says', main, [], 'main_container 2222'],
  ['an unmanaged sshd has a port of its own', own, [], 'main_container 2022'],
  ['the port that it has by default', usual, [], 'main_container 22'],
  ['to main_container, nobody has rolled the pods', main, [oldPod('a')], 'main_container 2222 a'],
  ['to main_container, both are there', main, [oldPod('a'), newPod('b')], 'main_container 2222 a b'],
  ['back, and no sidecar is there', sidecar, [newPod('a')], 'main_container 2222 a'],
  ['back, and no sidecar is ready', sidecar, [newPod('a'), oldPod('b', false)], 'main_container 2222 a b'],
  ['back, and a sidecar is ready', sidecar, [newPod('a'), newPod('b'), oldPod('c')], 'sidecar 2222 c'],
  ['a sidecar that is not ready', sidecar, [oldPod('a', false)], 'sidecar 2222 a'],
  ['pods without ssh count for nothing', sidecar, [pod('a', { record: undefined })], 'sidecar 2222'],
  ['two set-ups share the port', image, [newPod('a'), imagePod('b')], 'main_container 2222 a b'],
  ['to another port, not rolled', own, [oldPod('a')], 'main_container 2222 a'],
  ['to another port, the new pod is not up', own, [oldPod('a'), unmanagedPod('b', false)], 'main_container 2222 a'],
  [
    'to another port, fewer new than old',
    own,
    [oldPod('a'), newPod('b'), unmanagedPod('c')],
    'main_container 2222 a b',
  ],
  ['to another port, as many new as old', own, [oldPod('a'), unmanagedPod('b')], 'main_container 2022 b'],
  ['back from it, not rolled', sidecar, [unmanagedPod('a')], 'main_container 2022 a'],
  ['back from it, as many new as old', sidecar, [unmanagedPod('a'), oldPod('b')], 'sidecar 2222 b'],
] as const)('a route has one port and one runtime: %s', (_, spec, pods, expected) => {
  const { runtime, port, pods: reached } = servingOf(spec, pods, undefined);
  expect([runtime, port, ...reached.map(({ name }) => name)].join(' ')).toBe(expected);
});

test('the account of an unmanaged sshd outlives the spec that named it, as its pods do', () => {
  const user = {
    username: 'acme-web',
    role: 'root',
    authorizedKeys: [],
    policy: DEFAULT_POLICIES.root,
    uidOffset: 0,
  } as const;
  const stored = Route.parse({
    version: 1,
    namespace: 'acme',
    name: 'web',
    uid: 'u1',
    enabled: true,
    service: 's',
    port: 2022,
    runtime: 'main_container',
    hostKeys: [],
    users: [{ ...user, upstreamUser: 'deploy' }],
  });
  expect(servingOf(sidecar, [unmanagedPod('a')], stored)).toMatchObject({ port: 2022, account: 'deploy' });
});

const told = (name: string, usernames: string[]) => mainPod(name, { record: mainRecord('init-script', { usernames }) });

test.each([
  ['with a sidecar there is nothing to translate', sidecar, [], undefined],
  ['no pod has been told anything', main, [], undefined],
  ['every pod was told', main, [told('a', ['acme-web', 'acme-web-dev'])], undefined],
  ['one was not', main, [told('a', ['acme-web', 'acme-web-dev']), told('b', ['acme-web'])], 'acme-web'],
  ['the primary has another name now', main, [told('a', ['acme-old', 'acme-old-dev'])], 'acme-old'],
  ['the pods were told different names', main, [told('a', ['acme-a']), told('b', ['acme-b'])], undefined],
  ['a name that nobody can have', main, [told('a', ['../../etc', 'acme-web'])], 'acme-web'],
  ['an unmanaged sshd knows one account', own, [], 'deploy'],
] as const)('the name to log in with: %s', (_, spec, pods, expected) => {
  expect(upstreamUserOf(servingOf(spec, pods, undefined), 'acme-web-dev')).toBe(expected);
});

test('host keys: our own wherever we bring it, else what the spec says, else what was seen', () => {
  const [mine, seen, given] = [publicLine(''), publicLine(''), publicLine('')];
  const known = { own: [mine], learned: [seen] };
  const keys = (spec: typeof main) => hostKeysOf(servingOf(spec, [], undefined), spec, known);
  const both = hostKeysOf(servingOf(image, [newPod('a'), imagePod('b')], undefined), image, known);
  expect(both).toEqual([mine, seen]);
  const many = Array.from({ length: 200 }, () => publicLine(''));
  const full = hostKeysOf(servingOf(image, [newPod('a')], undefined), image, { own: [mine], learned: many });
  expect(full).toHaveLength(128);
  expect(full).toContain(mine);
  expect(keys(sidecar)).toEqual([mine]);
  expect(keys(main)).toEqual([mine]);
  expect(keys(image)).toEqual([seen]);
  expect(keys(own)).toEqual([seen]);
  expect(keys({ ...own, mainContainer: { ...unmanaged, managed: false, hostKeys: [`${given} root@image`] } })).toEqual([
    given,
  ]);
});

test('of several host keys the one that clients prefer is first, each is there once, and no more than a route takes', () => {
  const ecdsa =
    'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHeHT0NxZX4Zs6dnQAe7L8jqpS9Qlf3JCiAJJ3X4mUB2xyr5upcFKWMuWaM3uzJrT8BrmPtCsajHBqzMe7v9VbI=';
  const ed25519 = publicLine('');
  const { keys, bad } = readHostKeys(['nonsense', ecdsa, `${ed25519} comment`, ed25519, '']);
  expect(keys).toEqual([ed25519, ecdsa]);
  expect(bad).toEqual([1, 5]);
  const many = Array.from({ length: 200 }, () => PrivateKey.generateEd25519().publicKey.toLine());
  expect(readHostKeys(many).keys).toHaveLength(128);
  expect(readHostKeys(many.toReversed()).keys).toEqual(readHostKeys(many).keys);
});
