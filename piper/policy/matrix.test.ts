/** Every field of the policy against every message that it has a say in: what passes, and what is answered here. */
import { expect, test } from 'vitest';
import { ASSERT_IDENTITY, END_ACCESS, ENDING_SOON, NO_ACTIVITY, type SessionPolicy } from '../../crds/index.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';
import { everything, limited, nothing, root, setUp } from '../testing/filter-rig.ts';
import * as say from '../testing/messages.ts';

const POLICIES = { root, limited, everything, nothing };
type Name = keyof typeof POLICIES;

const strings = (...values: string[]): Buffer => Buffer.concat(values.map(say.text));
const listening = (address: string, port: number): Buffer => new Writer().string(address).uint32(port).bytes();
const x11 = (single: boolean): Buffer =>
  new Writer().boolean(single).string('MIT-MAGIC-COOKIE-1').string('00').uint32(0).bytes();

/** `allowed`: which of the four policies let it pass. */
type Row = [name: string, fields: Buffer, allowed: Name[]];

const SESSION_REQUESTS: Row[] = [
  ['pty-req', Buffer.alloc(0), ['root', 'limited', 'everything']],
  ['window-change', Buffer.alloc(16), ['root', 'limited', 'everything', 'nothing']],
  ['signal', say.text('INT'), ['root', 'limited', 'everything', 'nothing']],
  ['break', Buffer.alloc(4), ['root', 'limited', 'everything', 'nothing']],
  ['eow@openssh.com', Buffer.alloc(0), ['root', 'limited', 'everything', 'nothing']],
  ['keepalive@openssh.com', Buffer.alloc(0), ['root', 'limited', 'everything', 'nothing']],
  ['shell', Buffer.alloc(0), ['root', 'limited', 'everything']],
  ['exec', say.text('id'), ['root', 'limited', 'everything']],
  ['subsystem', say.text('sftp'), ['root', 'limited', 'everything']],
  ['subsystem', say.text('netconf'), []],
  ['subsystem', say.text('sftp\0'), []],
  ['subsystem', say.text(''), []],
  ['env', strings('LANG', 'C'), ['root', 'limited', 'everything']],
  ['env', strings('LC_ALL', 'C'), ['root', 'limited', 'everything']],
  ['env', strings('GIT_PROTOCOL', 'version=2'), ['root', 'everything']],
  ['env', strings('LD_PRELOAD', 'x.so'), []],
  ['env', strings('LD_LIBRARY_PATH', '/tmp'), []],
  ['env', strings('NODE_OPTIONS', '--inspect'), []],
  ['env', strings('BASH_ENV', '/tmp/x'), []],
  ['env', strings('PATH', '/tmp'), []],
  ['env', strings('lang', 'C'), []],
  ['env', strings('SSHACCESS_CONTAINER', 'x'), []],
  ['env', strings('SSH_ORIGINAL_COMMAND', 'x'), []],
  ['x11-req', x11(false), ['everything']],
  ['x11-req', x11(true), ['everything']],
  ['auth-agent-req@openssh.com', Buffer.alloc(0), ['everything']],
  ['winadj@putty.projects.tartarus.org', Buffer.alloc(0), []],
  ['exit-status', Buffer.alloc(4), []],
  ['EXEC', say.text('id'), []],
];

const GLOBAL_REQUESTS: Row[] = [
  ['keepalive@openssh.com', Buffer.alloc(0), ['root', 'limited', 'everything', 'nothing']],
  ['no-more-sessions@openssh.com', Buffer.alloc(0), ['root', 'limited', 'everything', 'nothing']],
  ['tcpip-forward', listening('localhost', 8080), ['everything']],
  ['tcpip-forward', listening('', 0), ['everything']],
  ['tcpip-forward', listening('::1', 65_535), ['everything']],
  ['tcpip-forward', listening('localhost', 65_536), []],
  ['tcpip-forward', listening('local\0host', 80), []],
  ['tcpip-forward', listening('a'.repeat(256), 80), []],
  ['cancel-tcpip-forward', listening('localhost', 8080), ['everything']],
  ['cancel-tcpip-forward', listening('\n', 8080), []],
  ['streamlocal-forward@openssh.com', say.text('/tmp/socket'), ['everything']],
  ['streamlocal-forward@openssh.com', say.text('\0abstract'), []],
  ['streamlocal-forward@openssh.com', say.text(''), []],
  ['streamlocal-forward@openssh.com', say.text(`/${'a'.repeat(107)}`), []],
  ['cancel-streamlocal-forward@openssh.com', say.text('/tmp/socket'), ['everything']],
  ['hostkeys-prove-00@openssh.com', say.text('key'), []],
  [ASSERT_IDENTITY, say.text('{"role":"root"}'), []],
  [END_ACCESS, say.text('revoked'), []],
  [ENDING_SOON, Buffer.alloc(4), []],
  ['made-up', Buffer.alloc(0), []],
];

const OPENS: Row[] = [
  ['session', Buffer.alloc(0), ['root', 'limited', 'everything', 'nothing']],
  ['direct-tcpip', Buffer.concat([listening('127.0.0.1', 80), listening('::1', 9)]), ['root', 'everything']],
  ['direct-streamlocal@openssh.com', strings('/run/app.sock', ''), ['everything']],
  ['direct-streamlocal@openssh.com', strings('\0abstract', ''), []],
  ['direct-streamlocal@openssh.com', strings('', ''), []],
  ['x11', listening('::1', 9), []],
  ['auth-agent@openssh.com', Buffer.alloc(0), []],
  ['forwarded-tcpip', Buffer.concat([listening('', 80), listening('::1', 9)]), []],
  ['forwarded-streamlocal@openssh.com', strings('/tmp/socket', ''), []],
  ['tun@openssh.com', Buffer.alloc(8), []],
  ['made-up', Buffer.alloc(0), []],
];

const times = (rows: Row[]) =>
  (['root', 'limited', 'everything', 'nothing'] as const).flatMap((policy) =>
    rows.map(([name, fields, allowed]) => ({ policy, name, fields, passes: allowed.includes(policy) })),
  );

test.each(times(SESSION_REQUESTS))('D1: $policy: $name on a session: $passes', ({ policy, name, fields, passes }) => {
  for (const wantReply of [true, false]) {
    const { open, fromClient, raw, refused } = setUp(POLICIES[policy]);
    open(3, 40);
    const request = say.channelRequest(40, name, wantReply, fields);
    const isReplaced = !passes && (name === 'exec' || name === 'shell');
    const got = fromClient(request);
    if (passes) expect(got).toEqual({ client: [], pod: [`CHANNEL_REQUEST 40 ${name}`] });
    else if (isReplaced) expect(got).toEqual({ client: [], pod: ['CHANNEL_REQUEST 40 exec'] });
    else expect(got).toEqual({ client: wantReply ? ['CHANNEL_FAILURE 3'] : [], pod: [] });
    expect(refused).toHaveLength(passes ? 0 : 1);
    expect(raw).toEqual({ client: [], pod: [] });
  }
});

test.each(times(GLOBAL_REQUESTS))(
  'D2: $policy: the global request $name: $passes',
  ({ policy, name, fields, passes }) => {
    const { fromClient, refused } = setUp(POLICIES[policy]);
    const got = fromClient(say.globalRequest(name, true, fields));
    expect(got).toEqual(
      passes ? { client: [], pod: [`GLOBAL_REQUEST ${name}`] } : { client: ['REQUEST_FAILURE'], pod: [] },
    );
    // Host keys are proven by the piper itself: what it cannot prove is no matter of the policy.
    expect(refused).toHaveLength(passes || name === 'hostkeys-prove-00@openssh.com' ? 0 : 1);
  },
);

test.each(times(GLOBAL_REQUESTS))('$policy: $name that wants no reply', ({ policy, name, fields, passes }) => {
  const { fromClient } = setUp(POLICIES[policy]);
  // A forward that nobody confirms would be one that nobody knows of.
  const isForward = name === 'tcpip-forward' || name === 'streamlocal-forward@openssh.com';
  const pod = passes && !isForward ? [`GLOBAL_REQUEST ${name}`] : [];
  expect(fromClient(say.globalRequest(name, false, fields))).toEqual({ client: [], pod });
});

test.each(times(OPENS))('D2: $policy: a client opens $name: $passes', ({ policy, name, fields, passes }) => {
  const { fromClient } = setUp(POLICIES[policy]);
  const got = fromClient(say.channelOpen(name, 7, fields));
  expect(got).toEqual(
    passes ? { client: [], pod: [`CHANNEL_OPEN ${name} 7`] } : { client: ['CHANNEL_OPEN_FAILURE 7 1'], pod: [] },
  );
});

test.each([
  ['127.0.0.1', 8080, root, true],
  ['127.9.9.9', 1, root, true],
  ['localhost', 65_535, root, true],
  ['::1', 80, root, true],
  ['127.0.0.1', 8080, limited, false],
  ['localhost', 8080, limited, false],
  ['127.0.0.1', 0, root, false],
  ['127.0.0.1', 65_536, root, false],
  ['169.254.169.254', 80, root, false],
  ['10.96.0.1', 443, root, false],
  ['10.244.1.7', 80, root, false],
  ['0.0.0.0', 80, root, false],
  ['::', 80, root, false],
  ['::ffff:127.0.0.1', 80, root, false],
  ['::ffff:169.254.169.254', 80, root, false],
  ['127.1', 80, root, false],
  ['0x7f000001', 80, root, false],
  ['2130706433', 80, root, false],
  ['127.0.0.1.evil.example', 80, root, false],
  ['localhost.', 80, root, false],
  ['LOCALHOST', 80, root, false],
  ['127.0.0.1\0', 80, root, false],
  ['kubernetes.default.svc', 443, root, false],
  ['', 80, root, false],
])('D3: a client forwards to %j port %i', (host, port, policy, allowed) => {
  const { filter, client, pod } = setUp(policy);
  filter.fromClient(say.directTcpip(7, host, port));
  if (allowed) expect([client(), pod()]).toEqual([[], ['CHANNEL_OPEN direct-tcpip 7']]);
  else expect([client(), pod()]).toEqual([['CHANNEL_OPEN_FAILURE 7 1'], []]);
});

test.each([
  [8080, true],
  [9090, true],
  [80, false],
  [0, false],
  [65_616, false],
])('a policy that names ports: %i', (port, allowed) => {
  const { fromClient, refused } = setUp({ ...root, localPorts: [8080, 9090] });
  const { pod } = fromClient(say.directTcpip(7, '127.0.0.1', port));
  expect(pod).toHaveLength(allowed ? 1 : 0);
  expect(refused).toEqual(allowed ? [] : ['direct-tcpip: localPorts']);
});

const listed: SessionPolicy = { ...limited, commands: ['backup --all', 'uptime', 'grüße'] };

test.each([
  ['backup --all', true],
  ['uptime', true],
  ['grüße', true],
  ['backup  --all', false],
  ['backup --all ', false],
  ['backup --all; id', false],
  ['backup --all\n', false],
  ['backup --all\0', false],
  ['backup', false],
  ['UPTIME', false],
  ['', false],
  ['gru\u0308ße', false],
  [Buffer.from('gr\xfc\xdfe', 'latin1'), false],
])('D1: of a list of commands, byte for byte: %j', (command, allowed) => {
  const { open, filter, raw, begun } = setUp(listed);
  open(3, 40);
  const request = say.channelRequest(40, 'exec', true, new Writer().string(command).bytes());
  filter.fromClient(request);
  expect(raw.pod).toHaveLength(1);
  expect(raw.pod[0]?.equals(request)).toBe(allowed);
  expect(begun).toEqual(allowed ? ['session', 'exec'] : ['session']);
});

test.each(['shell', 'exec'])('%s outside the list: what reaches the pod is ours, and says so', (name) => {
  const { open, filter, raw, refused, explained, client, fromPod } = setUp(listed);
  open(3, 40);
  const mine = name === 'exec' ? say.text("rm -rf / # 'evil") : Buffer.alloc(0);
  filter.fromClient(say.channelRequest(40, name, true, mine));
  const reader = new Reader(raw.pod[0] ?? Buffer.alloc(0), 5);
  expect([reader.name(), reader.boolean()]).toEqual(['exec', true]);
  const command = reader.utf8();
  expect(command).toMatch(/^echo 'sshaccess: [^']+' >&2; exit 126$/);
  expect(command).not.toContain('evil');
  expect(reader.remaining).toBe(0);
  expect(refused).toEqual([`${name}: commands`]);
  expect(explained).toHaveLength(1);
  expect(client()).toEqual([]);
  expect(fromPod(say.short(MSG.CHANNEL_SUCCESS, 3)).client).toEqual(['CHANNEL_SUCCESS 3']);
});

const forced: SessionPolicy = { ...root, commands: ['rrsync /data'], forceCommand: true };
const asked: [string, string, Buffer, string | undefined][] = [
  ['a shell', 'shell', Buffer.alloc(0), undefined],
  ['a command', 'exec', say.text("rm -rf / # 'evil"), "rm -rf / # 'evil"],
  ['the forced command itself', 'exec', say.text('rrsync /data'), 'rrsync /data'],
  ['sftp', 'subsystem', say.text('sftp'), 'internal-sftp'],
  ['another subsystem', 'subsystem', say.text('netconf'), 'netconf'],
];

test.each(asked)(
  'a forced command runs in place of %s, and is told what was asked',
  (_what, name, fields, original) => {
    const { open, filter, raw, begun, client, fromPod } = setUp(forced);
    open(3, 40);
    filter.fromClient(say.channelRequest(40, name, true, fields));
    const expected = [say.channelRequest(40, 'exec', true, say.text('rrsync /data'))];
    if (original !== undefined)
      expected.unshift(say.channelRequest(40, 'env', false, strings('SSH_ORIGINAL_COMMAND', original)));
    expect(raw.pod).toEqual(expected);
    expect(begun).toEqual(['session', 'forced-command']);
    expect(client()).toEqual([]);
    expect(fromPod(say.short(MSG.CHANNEL_SUCCESS, 3)).client).toEqual(['CHANNEL_SUCCESS 3']);
  },
);

test.each([
  ['what cannot be told', say.text('a\0b'), forced],
  ['what is too long to be told', say.text('x'.repeat(8193)), forced],
  ['with nothing that may run', say.text('id'), { ...forced, commands: [], sftp: { access: 'none', paths: null } }],
  ['with several that might', say.text('id'), { ...forced, commands: ['a', 'b'] }],
] satisfies [string, Buffer, SessionPolicy][])('a forced command: %s runs nothing', (_what, fields, changed) => {
  const { open, filter, raw, begun, refused } = setUp(changed);
  open(3, 40);
  filter.fromClient(say.channelRequest(40, 'exec', true, fields));
  expect(raw.pod.map((payload) => payload.toString('latin1'))).toEqual([expect.stringContaining('exit 126')]);
  expect(begun).toEqual(['session']);
  expect(refused).toEqual(['exec: commands']);
});

test.each(asked)('forced sftp is served in place of %s', (_what, name, fields) => {
  const { open, filter, raw, begun } = setUp({ ...root, commands: [], forceCommand: true });
  open(3, 40);
  filter.fromClient(say.channelRequest(40, name, false, fields));
  expect(raw.pod).toEqual([say.channelRequest(40, 'subsystem', false, say.text('sftp'))]);
  expect(begun).toEqual(['session', 'subsystem:sftp']);
});

test('a list of commands says nothing of sftp, which has a field of its own', () => {
  const { open, fromClient } = setUp(listed);
  open(3, 40);
  expect(fromClient(say.channelRequest(40, 'subsystem', true, say.text('sftp'))).pod).toHaveLength(1);
});

test.each([
  ['exit-status', true],
  ['exit-signal', true],
  ['xon-xoff', true],
  ['eow@openssh.com', true],
  ['keepalive@openssh.com', true],
  ['exec', false],
  ['env', false],
  ['auth-agent-req@openssh.com', false],
  ['x11-req', false],
  ['window-change', false],
  ['made-up', false],
])('a pod makes the request %s on a session', (name, passes) => {
  for (const wantReply of [true, false]) {
    const { open, fromPod, fromClient } = setUp(everything);
    open(3, 40);
    const got = fromPod(say.channelRequest(3, name, wantReply, Buffer.alloc(8)));
    if (!passes) expect(got).toEqual({ client: [], pod: wantReply ? ['CHANNEL_FAILURE 40'] : [] });
    else expect(got).toEqual({ client: [`CHANNEL_REQUEST 3 ${name}`], pod: [] });
    if (!passes || !wantReply) continue;
    expect(fromClient(say.short(MSG.CHANNEL_FAILURE, 40)).pod).toEqual(['CHANNEL_FAILURE 40']);
  }
});

test('a pod that announces a warning is understood, and the announcement goes no further', () => {
  const { open, fromPod, quiet } = setUp();
  open(3, 40);
  expect(fromPod(say.channelRequest(3, NO_ACTIVITY, false))).toEqual({ client: [], pod: [] });
  expect(quiet).toEqual([3]);
});

test.each([
  ['keepalive@openssh.com', true],
  ['hostkeys-00@openssh.com', false],
  ['tcpip-forward', false],
  ['no-more-sessions@openssh.com', false],
  [ASSERT_IDENTITY, false],
  ['made-up', false],
])('a pod makes the global request %s', (name, passes) => {
  for (const wantReply of [true, false]) {
    const { fromPod, fromClient } = setUp(everything);
    const got = fromPod(say.globalRequest(name, wantReply, listening('', 80)));
    if (!passes) expect(got).toEqual({ client: [], pod: wantReply ? ['REQUEST_FAILURE'] : [] });
    else expect(got).toEqual({ client: [`GLOBAL_REQUEST ${name}`], pod: [] });
    if (passes && wantReply) expect(fromClient(Buffer.of(MSG.REQUEST_FAILURE)).pod).toEqual(['REQUEST_FAILURE']);
  }
});

test.each(['direct-tcpip', 'direct-streamlocal@openssh.com'])('D4: on %s nothing of a session is served', (type) => {
  const fields =
    type === 'direct-tcpip' ? Buffer.concat([listening('::1', 80), listening('::1', 9)]) : strings('/s', '');
  for (const [name, fieldsOfRequest] of SESSION_REQUESTS) {
    const { open, fromClient } = setUp(everything);
    open(3, 40, say.channelOpen(type, 3, fields));
    const passes = name === 'eow@openssh.com' || name === 'keepalive@openssh.com';
    const { pod } = fromClient(say.channelRequest(40, name, true, fieldsOfRequest));
    expect(pod).toHaveLength(passes ? 1 : 0);
  }
});

test('each kind of refusal is recorded and explained once, and only so many of them', () => {
  const { open, filter, refused, explained } = setUp();
  open(3, 40);
  for (let round = 0; round < 3; round++) filter.fromClient(say.channelRequest(40, 'x11-req', true, x11(false)));
  expect(refused).toEqual(['x11-req: x11Forwarding']);
  expect(explained).toEqual(['x11-req is refused: your policy has no X11 forwarding']);
  for (let count = 0; count < 100; count++) filter.fromClient(say.channelRequest(40, `made-up-${count}`, false));
  expect([refused.length, explained.length]).toEqual([16, 16]);
});
