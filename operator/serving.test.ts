import { expect, test } from 'vitest';
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

const newPod = (name: string, isReady = true) => mainPod(name, { isReady });
const oldPod = (name: string, isReady = true) => pod(name, { isReady });

test.each([
  ['no pod yet: what the spec says', main, [], 'init-script 2222'],
  ['an unmanaged sshd has a port of its own', own, [], 'unmanaged 2022'],
  [
    'the port that it has by default',
    { ...own, mainContainer: { ...own.mainContainer, managed: false, port: undefined } },
    [],
    'unmanaged 22',
  ],
  ['nobody has rolled the pods: the old ones', main, [oldPod('a')], 'sidecar 2222'],
  ['the new one is not up yet: the old ones', main, [oldPod('a'), newPod('b', false)], 'sidecar 2222'],
  ['as many new as old: the new ones', main, [oldPod('a'), newPod('b')], 'init-script 2222'],
  ['fewer new than old: the old ones', main, [oldPod('a'), oldPod('b'), newPod('c')], 'sidecar 2222'],
  ['none takes connections: what the spec says', main, [oldPod('a', false), newPod('b', false)], 'init-script 2222'],
  ['and back', sidecar, [oldPod('a', false), newPod('b')], 'init-script 2222'],
  [
    'back, at the port that the old pods have',
    sidecar,
    [mainPod('a', { record: mainRecord('unmanaged', { port: 22 }) })],
    'unmanaged 22',
  ],
  ['another set-up is another kind', image, [newPod('a')], 'init-script 2222'],
  ['pods without ssh count for nothing', main, [pod('a', { record: undefined })], 'init-script 2222'],
] as const)('a route speaks to one kind of pod: %s', (_, spec, pods, expected) => {
  const serving = servingOf(spec, pods, undefined);
  const { server, port, runtime } = serving;
  expect(`${server} ${port}`).toBe(expected);
  expect(runtime).toBe(server === 'sidecar' ? 'sidecar' : 'main_container');
  expect(serving.pods.every(({ record }) => (record?.mainContainer?.setup ?? 'sidecar') === server)).toBe(true);
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
  const known = { own: mine, learned: [seen] };
  const keys = (spec: typeof main) => hostKeysOf(servingOf(spec, [], undefined), spec, known);
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
