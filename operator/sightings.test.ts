import { expect, test } from 'vitest';
import type { SshdSetup } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';
import type { Outcome } from './probe/outcome.ts';
import { asSeen, probeTargets, remember, Sightings, type Sighting } from './sightings.ts';
import { access, mainPod, mainRecord, pod, publicLine } from './testing/samples.ts';

const web1 = mainPod('web-1', { isReady: false });
const again = mainPod('web-1', { isReady: false }, { id: 'containerd://second' });
const seen: Sighting = { pod: web1.uid, container: 'containerd://web-1', hostKey: 'k1', ident: 'OpenSSH_10.0' };
const outcomes = (outcome?: Outcome) => new Map(outcome === undefined ? [] : [[web1.uid, outcome]]);
const reached: Outcome = { result: 'reached', ident: 'OpenSSH_10.2', hostKey: 'k2' };
const refused: Outcome = { result: 'refused' };

test.each([
  ['nothing is known', [], web1, undefined, []],
  ['a probe got in', [], web1, reached, [{ ...seen, hostKey: 'k2', ident: 'OpenSSH_10.2' }]],
  ['it was seen before', [seen], web1, undefined, [seen]],
  ['it was seen before, and nobody listens now', [seen], web1, refused, [seen]],
  ['its container was started again', [seen], again, undefined, [seen]],
  [
    'it has another key now, and is another container',
    [seen],
    again,
    reached,
    [{ ...seen, container: 'containerd://second', hostKey: 'k2', ident: 'OpenSSH_10.2' }],
  ],
  ['it is gone', [seen], mainPod('web-2'), undefined, []],
  ['it has a sidecar', [{ ...seen, pod: 'uid-of-web-1' }], pod('web-1'), undefined, []],
] as const)('what is remembered of a pod: %s', (...[, stored, subject, outcome, expected]) => {
  expect(remember(stored, [subject], outcomes(outcome))).toEqual(expected);
});

test('no more is remembered than a route takes, and always of the same pods', () => {
  const many = Array.from({ length: 200 }, (_, index) => mainPod(`web-${index}`));
  const all = new Map(many.map(({ uid }) => [uid, reached]));
  expect(remember([], many, all)).toHaveLength(128);
  expect(remember([], many.toReversed(), all)).toEqual(remember([], many, all));
  expect(Sightings.safeParse(remember([], many, all)).success).toBe(true);
});

const stopped = mainPod('web-1', { isReady: false }, { isRunning: false });
test.each([
  ['nothing is known', [], web1, undefined, false],
  ['a probe got in', [], web1, reached, true],
  ['a probe did not get in', [], web1, refused, false],
  ['an operator before us got in', [seen], web1, undefined, true],
  ['an operator before us got in, and we do not', [seen], web1, refused, false],
  ['an operator before us got into another container', [seen], again, undefined, false],
  ['it does not run', [seen], stopped, reached, false],
] as const)('whether a pod takes connections: %s', (...[, stored, subject, outcome, expected]) => {
  expect(asSeen([subject], stored, outcomes(outcome))[0]?.isReady).toBe(expected);
});

test('of a sidecar the kubelet’s word stands', () => {
  expect(asSeen([pod('a'), pod('b', { isReady: false })], [], new Map()).map(({ isReady }) => isReady)).toEqual([
    true,
    false,
  ]);
});

const [ownHostKey, given] = [publicLine(''), publicLine('')];
const own = { managed: false, port: 2022, user: 'deploy', authorizedKeysPath: '/keys' };
const targets = (subject: AccessPod, spec: object = {}, sightings: readonly Sighting[] = []) =>
  probeTargets([subject], {
    spec: access({ runtime: 'main_container', ...spec }).spec,
    stored: undefined,
    username: 'acme-web',
    mappingKey: 'pem',
    ownHostKeys: [ownHostKey],
    sightings,
  });
const of = (setup: SshdSetup) =>
  mainPod('web-1', { record: mainRecord(setup, { usernames: ['acme-first'], port: 22 }) });

test.each([
  [
    'our init script: our key, and it must be ours',
    of('init-script'),
    {},
    { port: 2222, username: 'acme-first', hostKeys: [ownHostKey], isLearning: false },
  ],
  [
    'the image: whatever key it has',
    of('image'),
    {},
    { port: 2222, username: 'acme-first', hostKeys: [], isLearning: true },
  ],
  [
    'unmanaged: the port and the account of the spec',
    of('unmanaged'),
    { mainContainer: own },
    { port: 2022, username: 'deploy', hostKeys: [], isLearning: true },
  ],
  [
    'unmanaged, with host keys',
    of('unmanaged'),
    { mainContainer: { ...own, hostKeys: [given] } },
    { hostKeys: [given], isLearning: false },
  ],
] as const)('where to look, and for what: %s', (_, subject, spec, expected) => {
  expect(targets(subject, spec)).toEqual([
    expect.objectContaining({ pod: 'uid-of-web-1', container: 'containerd://web-1', address: '10.0.0.1', ...expected }),
  ]);
});

test('a container is held to the key that it has shown; another one of the pod is not', () => {
  expect(targets(of('image'), {}, [seen])).toMatchObject([{ hostKeys: ['k1'], isLearning: true }]);
  expect(targets(of('image'), {}, [{ ...seen, container: 'before' }])).toMatchObject([{ hostKeys: [] }]);
});

test.each([
  ['it has a sidecar', pod('web-1'), {}],
  ['it has no ssh', pod('web-1', { record: undefined }), {}],
  ['it has no address yet', mainPod('web-1', { address: undefined }), {}],
  ['its address is a name', mainPod('web-1', { address: 'localhost' }), {}],
  ['its container does not run', stopped, {}],
  ['nobody knows the account any more', of('unmanaged'), {}],
  // Else any key would be taken for it.
  [
    'of the host keys in the spec none can be used',
    of('unmanaged'),
    { mainContainer: { ...own, hostKeys: ['nonsense'] } },
  ],
] as const)('a pod that is not looked at: %s', (_, subject, spec) => {
  expect(targets(subject, spec)).toEqual([]);
});
