import { expect, test } from 'vitest';
import { ASSERT_IDENTITY } from '../crds/identity-assertion.ts';
import { DEFAULT_POLICIES, POLICY_LIMITS } from '../crds/session-policy.ts';
import { MSG } from '../lib/ssh/numbers.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { ceilingProblem, readAssertion } from './assertion.ts';
import { loopbackTargets } from './forwarding/loopback.ts';
import { bothRoles } from './testing/sidecar-fixture.ts';
import { limitedAssertion, rootAssertion } from './testing/user-client.ts';

const { root, limited } = DEFAULT_POLICIES;

test('D3: forwarding leads to the three spellings of loopback and nowhere else', () => {
  const targets = (host: string, port = 80) => loopbackTargets(root, { host, port }, 2222);
  expect(targets('127.0.0.1')).toEqual(['127.0.0.1']);
  expect(targets('::1')).toEqual(['::1']);
  expect(targets('localhost')).toEqual(['127.0.0.1', '::1']);
  const elsewhere =
    '169.254.169.254 10.0.0.1 kubernetes.default.svc kubernetes 0.0.0.0 :: 127.0.0.2 127.1 2130706433 0x7f000001 017700000001 ::ffff:127.0.0.1 ::ffff:169.254.169.254 0:0:0:0:0:0:0:1 [::1] ::1%lo LOCALHOST localhost. localhost.evil.example 127.0.0.1.nip.io';
  for (const host of ['', ' 127.0.0.1', '127.0.0.1\0', ...elsewhere.split(' ')])
    expect([host, targets(host)]).toEqual([host, undefined]);
});

test("forwarding never leads to the sidecar's own port, to port 0, or past 65535", () => {
  for (const port of [0, 2222, 65_536, 4_294_967_295])
    expect(loopbackTargets(root, { host: '127.0.0.1', port }, 2222)).toBeUndefined();
});

test('a policy without forwarding has none', () => {
  expect(loopbackTargets(limited, { host: '127.0.0.1', port: 80 }, 2222)).toBeUndefined();
});

const request = (json: string, name: string = ASSERT_IDENTITY, wantReply = true) =>
  new Writer().byte(MSG.GLOBAL_REQUEST).string(name).boolean(wantReply).string(json).bytes();

test('an assertion is read strictly', () => {
  expect(readAssertion(request(JSON.stringify(rootAssertion)))).toEqual(rootAssertion);
  const refused = [
    request(JSON.stringify({ ...rootAssertion, more: 1 })),
    request(JSON.stringify({ ...rootAssertion, role: 'admin' })),
    request(JSON.stringify({ ...rootAssertion, version: 2 })),
    request('{'),
    request('null'),
    request(JSON.stringify(rootAssertion) + ' '.repeat(200_000)),
    request(JSON.stringify(rootAssertion), 'tcpip-forward'),
    request(JSON.stringify(rootAssertion), ASSERT_IDENTITY, false),
    Buffer.of(MSG.CHANNEL_OPEN, 0),
  ];
  for (const payload of refused) expect(readAssertion(payload)).toBeUndefined();
});

test('no path of an assertion leads out of a directory that the ceiling names', () => {
  const asserted = (path: string) => {
    const policy = { ...limited, sftp: { access: 'read-only' as const, paths: [path] } };
    return readAssertion(request(JSON.stringify({ ...limitedAssertion, policy })));
  };
  for (const path of ['/data', '/data/..a/.b', '/data/...', '/']) expect(asserted(path)).toBeDefined();
  for (const path of ['/data/../etc', '/data/..', '/..', '/.', '/data/./x', '/data/\n/../..', 'data', '/a\0'])
    expect([path, asserted(path)]).toEqual([path, undefined]);
});

test('the largest policy there can be fits into an assertion', () => {
  const { paths, pathLength, commands, commandLength } = POLICY_LIMITS;
  const policy = {
    ...root,
    commands: Array.from({ length: commands }, () => '\x01'.repeat(commandLength)),
    sftp: { ...root.sftp, paths: Array.from({ length: paths }, () => `/${'\x01'.repeat(pathLength - 1)}`) },
    localPorts: Array.from({ length: 64 }, () => 65_535),
    clientEnvironment: Array.from({ length: 64 }, () => `${'A'.repeat(128)}*`),
  };
  const largest = { ...rootAssertion, policy };
  expect(readAssertion(request(JSON.stringify(largest)))).toEqual(largest);
});

test('D1: an assertion never exceeds the ceiling', () => {
  const onlyLimited = { ...bothRoles, roles: { limited } };
  expect(ceilingProblem(rootAssertion, bothRoles)).toBeUndefined();
  expect(ceilingProblem(rootAssertion, onlyLimited)).toEqual(expect.stringContaining('role'));
  expect(ceilingProblem(limitedAssertion, onlyLimited)).toBeUndefined();
  const wider = [{ maxSessions: 3 }, { localForwarding: 'loopback' as const }, { clientEnvironment: ['*'] }];
  for (const change of wider) {
    const assertion = { ...limitedAssertion, policy: { ...limited, ...change } };
    expect(ceilingProblem(assertion, onlyLimited)).toEqual(expect.stringContaining('policy'));
  }
});
