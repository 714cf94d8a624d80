/** What the filter alone enforces where the pod's sshd knows no policy. */
import { describe, expect, test } from 'vitest';
import { type IdentityAssertion, SETUP_MARK, type SessionPolicy } from '../../crds/index.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';
import { everything, limited, root, setUp } from '../testing/filter-rig.ts';
import * as say from '../testing/messages.ts';
import { describeSshd } from './sshd.ts';

const assertion: IdentityAssertion = {
  version: 1,
  username: 'acme-hello',
  role: 'limited',
  policy: limited,
  uidOffset: 0,
  fingerprint: 'SHA256:x',
  clientAddress: '2001:db8::7',
  clientPort: 4711,
  connectionId: 'abc',
};
const plain = describeSshd(2222, 'OpenSSH_9.2p1 Debian-2', assertion);
const ours = describeSshd(2222, `OpenSSH_9.2p1 Debian-2 ${SETUP_MARK}`, assertion);

test('only the whole mark says that our init script has been there', () => {
  const keeps = (software: string) => describeSshd(22, software, assertion).keepsReadOnly;
  expect([keeps('OpenSSH_9.2p1'), keeps(`x${SETUP_MARK}`), keeps(`OpenSSH_9 ${SETUP_MARK}0`)]).toEqual([
    false,
    false,
    false,
  ]);
  expect([keeps(`OpenSSH_9 ${SETUP_MARK}`), keeps(`OpenSSH_9 ${SETUP_MARK} other`)]).toEqual([true, true]);
});

test('a confirmed session is told its facts, other channels and a sidecar nothing', () => {
  const rig = setUp(root, plain);
  rig.filter.fromClient(say.channelOpen('session', 3));
  rig.forget();
  rig.filter.fromPod(say.confirmation(3, 40));
  const told = rig.raw.pod.map((payload) => {
    const fields = new Reader(payload, 1);
    return [fields.uint32(), fields.name(), fields.boolean(), fields.utf8(), fields.utf8()];
  });
  expect(told).toEqual([
    [40, 'env', false, 'SSHACCESS_USER', 'acme-hello'],
    [40, 'env', false, 'SSHACCESS_ROLE', 'limited'],
    [40, 'env', false, 'SSHACCESS_CLIENT', '2001:db8::7 4711'],
    [40, 'env', false, 'SSHACCESS_SESSION', 'abc'],
    [40, 'env', false, 'SSHACCESS_SFTP', 'read-only'],
  ]);
  rig.forget();
  rig.filter.fromClient(say.directTcpip(4, '127.0.0.1', 80));
  expect(rig.pod()).toHaveLength(1);
  expect(rig.fromPod(say.confirmation(4, 41)).pod).toEqual([]);
  const beside = setUp(root);
  beside.filter.fromClient(say.channelOpen('session', 3));
  beside.forget();
  expect(beside.fromPod(say.confirmation(3, 40)).pod).toEqual([]);
});

test.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['::1', true],
  ['', false],
  ['*', false],
  ['0.0.0.0', false],
  ['::', false],
  ['127.0.0.2', false],
  ['10.0.0.1', false],
  ['LOCALHOST', false],
  ['localhost.', false],
])('-R at the address %j: %s', (address, passes) => {
  const at = new Writer().string(address).uint32(8080).bytes();
  for (const name of ['tcpip-forward', 'cancel-tcpip-forward']) {
    const rig = setUp(everything, ours);
    const { pod, client } = rig.fromClient(say.globalRequest(name, true, at));
    expect({ pod, client }).toEqual(
      passes ? { pod: [`GLOBAL_REQUEST ${name}`], client: [] } : { pod: [], client: ['REQUEST_FAILURE'] },
    );
    expect(rig.refused).toEqual(passes ? [] : [`${name}: bind-address`]);
  }
});

test('D5: no client chooses what programs of the image load, whatever the policy names', () => {
  const clientEnvironment = ['A', 'B', 'E', 'L', 'N', 'P', 'S', '_'].map((letter) => `${letter}*`);
  const rig = setUp({ ...root, clientEnvironment }, ours);
  rig.open(3, 40);
  const set = (name: string) => say.channelRequest(40, 'env', true, new Writer().string(name).string('x').bytes());
  const names =
    'LD_PRELOAD BASH_ENV BASH_FUNC_ls%% ENV PATH NODE_OPTIONS PS4 SSH_CLIENT SSH_ORIGINAL_COMMAND PYTHONPATH L=';
  for (const name of [...names.split(' '), '', 'LC A', 'LC\nA'])
    expect([name, rig.fromClient(set(name))]).toEqual([name, { client: ['CHANNEL_FAILURE 3'], pod: [] }]);
  expect(rig.fromClient(set('LC_ALL')).pod).toEqual(['CHANNEL_REQUEST 40 env']);
});

test('nobody is forwarded to the port of the sshd itself', () => {
  const rig = setUp(everything, ours);
  for (const host of ['localhost', '127.0.0.1', '::1', '127.9.9.9'])
    expect(rig.fromClient(say.directTcpip(7, host, 2222))).toEqual({ client: ['CHANNEL_OPEN_FAILURE 7 1'], pod: [] });
  expect(rig.refused).toEqual(['direct-tcpip: sshd-port']);
  expect(rig.fromClient(say.directTcpip(7, 'localhost', 2223)).pod).toHaveLength(1);
});

const sftp = (access: SessionPolicy['sftp']['access'], paths: string[] | null = null): SessionPolicy => ({
  ...root,
  sftp: { access, paths },
});
const FORCED = { commands: [], forceCommand: true };

test.each([
  ['read-write', sftp('read-write'), plain, undefined],
  ['read-write', sftp('read-write'), ours, undefined],
  ['read-only', sftp('read-only'), plain, 'sftp.access'],
  ['read-only', sftp('read-only'), ours, undefined],
  ['none', sftp('none'), plain, 'sftp'],
  ['none', sftp('none'), ours, 'sftp'],
  ['confined', sftp('read-write', ['/data']), plain, 'sftp.paths'],
  ['confined', sftp('read-write', ['/data']), ours, 'sftp.paths'],
  ['confined and read-only', sftp('read-only', ['/data']), ours, 'sftp.paths'],
  ['forced and read-write', { ...sftp('read-write'), ...FORCED }, plain, undefined],
  ['forced and read-only', { ...sftp('read-only'), ...FORCED }, plain, 'sftp.access'],
  ['forced and confined', { ...sftp('read-only', ['/data']), ...FORCED }, ours, 'sftp.paths'],
] as const)('sftp that is to be %s', (_which, policy, sshd, objection) => {
  const rig = setUp(policy, sshd);
  rig.open(3, 40);
  const { pod } = rig.fromClient(say.channelRequest(40, 'subsystem', true, say.text('sftp')));
  expect(pod).toEqual(objection === undefined ? ['CHANNEL_REQUEST 40 subsystem'] : []);
  expect(rig.refused).toEqual(objection === undefined ? [] : [`subsystem: ${objection}`]);
});

describe('a session that the policy lets begin nothing ends as a program would, and the pod knows nothing of it', () => {
  const listed: SessionPolicy = { ...root, commands: ['uptime'] };
  const OVER = [
    'CHANNEL_SUCCESS 3',
    'CHANNEL_EXTENDED_DATA 3',
    'CHANNEL_EOF 3',
    'CHANNEL_REQUEST 3 exit-status',
    'CHANNEL_CLOSE 3',
  ];
  const shell = say.channelRequest(40, 'shell', true);
  const close = (recipient: number) => say.short(MSG.CHANNEL_CLOSE, recipient);
  const opened = (policy = listed, sshd = ours) => {
    const rig = setUp(policy, sshd);
    rig.open(3, 40);
    return rig;
  };

  test.each<[string, SessionPolicy, Buffer, RegExp]>([
    ['a shell', listed, shell, /names the commands/],
    ['a command', listed, say.channelRequest(40, 'exec', true, say.text("id 'evil\n")), /names the commands/],
    [
      'read-only sftp',
      sftp('read-only'),
      say.channelRequest(40, 'subsystem', true, say.text('sftp')),
      /sftp\.access to read-write/,
    ],
  ])('%s: it says why, in its own words', (_what, policy, request, sentence) => {
    const rig = opened(policy, plain);
    rig.filter.fromClient(request);
    const [, stderr, , status] = rig.raw.client;
    const text = new Reader(stderr ?? Buffer.alloc(0), 9).utf8();
    expect(text).toMatch(sentence);
    expect(text).toMatch(/^sshaccess: [^\r\n]+\r\n$/);
    expect(text).not.toContain('evil');
    expect(status?.readUInt32BE(status.length - 4)).toBe(126);
    expect([rig.client(), rig.pod()]).toEqual([OVER, []]);
    expect(rig.begun).toEqual(['session']);
  });

  test('who asked for no reply gets none', () => {
    const rig = opened();
    expect(rig.fromClient(say.channelRequest(40, 'shell', false)).client).toEqual(OVER.slice(1));
  });

  test('not before the answers to earlier requests', () => {
    const rig = opened();
    rig.filter.fromClient(say.channelRequest(40, 'pty-req', true, Buffer.alloc(30)));
    rig.forget();
    expect(rig.fromClient(shell)).toEqual({ client: [], pod: [] });
    expect(rig.fromPod(say.short(MSG.CHANNEL_SUCCESS, 3)).client).toEqual(['CHANNEL_SUCCESS 3', ...OVER]);
  });

  test.each([
    ['window', 40, 32_768],
    ['packets', 2_097_152, 40],
  ])('without the words where the %s of the client have no room for them', (_what, window, packet) => {
    const rig = setUp(listed, ours);
    const open = say.channelOpen('session', 3, undefined, packet);
    open.writeUInt32BE(window, open.length - 8);
    rig.open(3, 40, open);
    expect(rig.fromClient(shell).client).toEqual(OVER.filter((message) => !message.includes('EXTENDED')));
  });

  test('each end closes its own, whoever is first, and the numbers are free again', () => {
    for (const isClientFirst of [true, false]) {
      const rig = opened();
      rig.filter.fromClient(shell);
      rig.forget();
      const ofClient = () => expect(rig.fromClient(close(40))).toEqual({ client: [], pod: ['CHANNEL_CLOSE 40'] });
      const ofPod = () => expect(rig.fromPod(close(3))).toEqual({ client: [], pod: [] });
      for (const closes of isClientFirst ? [ofClient, ofPod] : [ofPod, ofClient]) closes();
      expect(rig.filter.sessions).toBe(0);
      rig.open(3, 40);
      expect(rig.fromPod(close(3)).client).toEqual(['CHANNEL_CLOSE 3']);
    }
  });

  test('the client may use its number again at once: what the pod says until its close is of the old channel', () => {
    const rig = opened();
    for (const payload of [shell, close(40), say.channelOpen('session', 3)]) rig.filter.fromClient(payload);
    rig.forget();
    expect(rig.fromPod(say.channelRequest(3, 'keepalive@openssh.com', true))).toEqual({ client: [], pod: [] });
    expect(rig.fromPod(close(3))).toEqual({ client: [], pod: [] });
    expect(rig.fromPod(say.confirmation(3, 41)).client).toEqual(['CHANNEL_OPEN_CONFIRMATION 3 41']);
    expect(rig.fromClient(say.channelRequest(41, 'exec', true, say.text('uptime'))).pod).toEqual([
      'CHANNEL_REQUEST 41 exec',
    ]);
  });

  test('what follows leads to nothing', () => {
    const rig = opened({ ...listed, agentForwarding: true, x11Forwarding: true });
    for (const request of [shell, shell, say.channelRequest(40, 'exec', true, say.text('uptime'))])
      rig.filter.fromClient(request);
    expect([rig.client(), rig.pod()]).toEqual([OVER, []]);
    for (const name of ['exit-status', 'eow@openssh.com'])
      expect(rig.fromPod(say.channelRequest(3, name, false, Buffer.alloc(4)))).toEqual({ client: [], pod: [] });
    expect(rig.fromPod(say.short(MSG.CHANNEL_SUCCESS, 3)).client).toEqual([]);
  });

  test('never while a program runs on it, which would go on uncounted', () => {
    const exec = (command: string) => say.channelRequest(40, 'exec', true, say.text(command));
    const rig = opened();
    rig.filter.fromClient(exec('uptime'));
    rig.filter.fromPod(say.short(MSG.CHANNEL_SUCCESS, 3));
    rig.forget();
    expect(rig.fromClient(exec('evil'))).toEqual({ client: ['CHANNEL_FAILURE 3'], pod: [] });
    rig.filter.fromClient(close(40));
    expect(rig.filter.sessions).toBe(1);
    // Nor where what is refused waits for its turn meanwhile.
    const late = opened();
    for (const payload of [say.channelRequest(40, 'pty-req', true, Buffer.alloc(30)), exec('evil'), exec('uptime')])
      late.filter.fromClient(payload);
    late.forget();
    expect(late.fromPod(say.short(MSG.CHANNEL_SUCCESS, 3)).client).toEqual(['CHANNEL_SUCCESS 3', 'CHANNEL_FAILURE 3']);
    late.filter.fromClient(close(40));
    expect(late.filter.sessions).toBe(1);
  });

  test('a display that was granted on it is none any more', () => {
    const rig = opened({ ...listed, x11Forwarding: true });
    const x11 = new Writer().boolean(false).string('MIT-MAGIC-COOKIE-1').string('00').uint32(0).bytes();
    rig.filter.fromClient(say.channelRequest(40, 'x11-req', false, x11));
    rig.filter.fromClient(shell);
    rig.forget();
    expect(rig.fromPod(say.channelOpen('x11', 5, Buffer.alloc(8))).pod).toEqual(['CHANNEL_OPEN_FAILURE 5 1']);
  });

  test('a client that closes before its turn gets the close of the pod', () => {
    const rig = opened();
    for (const payload of [say.channelRequest(40, 'pty-req', true, Buffer.alloc(30)), shell, close(40)])
      rig.filter.fromClient(payload);
    rig.forget();
    expect(rig.fromPod(say.short(MSG.CHANNEL_SUCCESS, 3)).client).toEqual(['CHANNEL_SUCCESS 3']);
    expect(rig.fromPod(close(3)).client).toEqual(['CHANNEL_CLOSE 3']);
    expect(rig.filter.sessions).toBe(0);
  });

  test('a pod that never closes them does not fill our memory', () => {
    const rig = setUp(listed, ours);
    let number = 0;
    for (; number < 1_000; number++) {
      rig.filter.fromClient(say.channelOpen('session', number));
      if (rig.client().some((message) => message.startsWith('CHANNEL_OPEN_FAILURE'))) break;
      rig.filter.fromPod(say.confirmation(number, number));
      rig.filter.fromClient(say.channelRequest(number, 'shell', true));
      rig.filter.fromClient(close(number));
      rig.forget();
    }
    expect(number).toBe(256);
  });
});
