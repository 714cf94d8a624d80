/** What a client may ask for once it is logged in, right as it stands; and what only a pod would say. */
import { MSG } from '../../../lib/ssh/numbers.ts';
import type { Random } from '../../../lib/ssh/testing/random.ts';
import { Writer } from '../../../lib/ssh/wire.ts';
import {
  channelData,
  channelOpen,
  channelRequest,
  confirmation,
  directTcpip,
  globalRequest,
  short,
  text,
} from '../messages.ts';

const terminal = new Writer().string('xterm').uint32(80).uint32(24).uint32(0).uint32(0).string('').bytes();
const size = new Writer().uint32(100).uint32(40).uint32(0).uint32(0).bytes();
const forward = new Writer().string('127.0.0.1').uint32(8080).bytes();
const unix = new Writer().string('/run/app.sock').string('').uint32(0).bytes();
const x11 = new Writer().boolean(false).string('MIT-MAGIC-COOKIE-1').string('00').uint32(0).bytes();

/** Channel 0 is the session that `hello` opens, on both sides. */
const REQUESTS: readonly ((random: Random) => Buffer)[] = [
  () => channelOpen('session', 1),
  () => channelOpen('session', 0),
  () => directTcpip(2, '127.0.0.1', 8080),
  () => directTcpip(3, '169.254.169.254', 80),
  () => channelOpen('direct-streamlocal@openssh.com', 4, unix),
  () => channelOpen('x11', 5, Buffer.concat([text('127.0.0.1'), Buffer.alloc(4)])),
  () => channelRequest(0, 'env', true, Buffer.concat([text('LANG'), text('C')])),
  () => channelRequest(0, 'pty-req', true, terminal),
  () => channelRequest(0, 'shell', true),
  () => channelRequest(0, 'exec', true, text('id')),
  () => channelRequest(0, 'subsystem', true, text('sftp')),
  () => channelRequest(0, 'window-change', false, size),
  () => channelRequest(0, 'signal', false, text('TERM')),
  () => channelRequest(0, 'break', true, Buffer.alloc(4)),
  () => channelRequest(0, 'auth-agent-req@openssh.com', true),
  () => channelRequest(0, 'x11-req', true, x11),
  () => channelRequest(0, 'exit-status', false, Buffer.alloc(4)),
  () => channelRequest(0, 'eow@openssh.com', false),
  () => globalRequest('keepalive@openssh.com', true),
  () => globalRequest('no-more-sessions@openssh.com', false),
  () => globalRequest('tcpip-forward', true, forward),
  () => globalRequest('cancel-tcpip-forward', true, forward),
  () => globalRequest('streamlocal-forward@openssh.com', true, text('/tmp/x.sock')),
  (random) => channelData(random.below(3), random.bytes(random.below(500))),
  () => channelData(0, Buffer.alloc(32_768)),
  () => new Writer().byte(MSG.CHANNEL_EXTENDED_DATA).uint32(0).uint32(1).string('x').bytes(),
  () => new Writer().byte(MSG.CHANNEL_WINDOW_ADJUST).uint32(0).uint32(0xffff_ffff).bytes(),
  () => short(MSG.CHANNEL_EOF, 0),
  () => short(MSG.CHANNEL_CLOSE, 0),
  () => short(MSG.CHANNEL_SUCCESS, 0),
  () => short(MSG.CHANNEL_FAILURE, 0),
  () => confirmation(0, 0),
  () => new Writer().byte(MSG.CHANNEL_OPEN_FAILURE).uint32(0).uint32(1).string('').string('').bytes(),
  () => Buffer.of(MSG.REQUEST_SUCCESS),
  () => Buffer.of(MSG.REQUEST_FAILURE),
  () => Buffer.of(MSG.USERAUTH_SUCCESS),
  () => new Writer().byte(MSG.IGNORE).string('x').bytes(),
  () => new Writer().byte(MSG.UNIMPLEMENTED).uint32(7).bytes(),
  () => new Writer().byte(MSG.EXT_INFO).uint32(0).bytes(),
  (random) => Buffer.concat([Buffer.of(192), random.bytes(8)]),
];

const KEEPALIVE = globalRequest('keepalive@openssh.com', true);

export const anyRequest = (random: Random): Buffer =>
  (REQUESTS[random.below(REQUESTS.length)] ?? (() => KEEPALIVE))(random);
