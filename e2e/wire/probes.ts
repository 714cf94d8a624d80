/** Single questions to a server, each on a fresh connection: does it do this for me? */
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader, Writer } from '../../lib/ssh/wire.ts';
import {
  channelData,
  channelOpen,
  channelRequest,
  directTcpip,
  globalRequest,
  text,
} from '../../piper/testing/messages.ts';
import type { RawClient } from '../../piper/testing/raw-client.ts';
import { exec, messageOf, openSession } from './ways.ts';

export type Probe = (client: RawClient) => Promise<boolean>;

const OUR_NUMBER = 40;

/** Is a channel of this type opened? */
async function isOpened(client: RawClient, open: Buffer): Promise<boolean> {
  client.send(open);
  const answer = await messageOf(client, MSG.CHANNEL_OPEN_CONFIRMATION, MSG.CHANNEL_OPEN_FAILURE);
  return answer[0] === MSG.CHANNEL_OPEN_CONFIRMATION;
}

export const opensChannel =
  (type: string, rest?: Buffer): Probe =>
  (client) =>
    isOpened(client, channelOpen(type, OUR_NUMBER, rest));

export const forwardsTo =
  (host: string, port: () => number): Probe =>
  (client) =>
    isOpened(client, directTcpip(OUR_NUMBER, host, port()));

export const forwardsToSocket =
  (path: () => string): Probe =>
  (client) =>
    isOpened(client, channelOpen('direct-streamlocal@openssh.com', OUR_NUMBER, socketFields(path())));

// OpenSSH's PROTOCOL, 2.4: the path, and two fields for later.
const socketFields = (path: string): Buffer => new Writer().string(path).string('').uint32(0).bytes();

/** Is a global request granted? */
export const asks =
  (name: string, rest?: () => Buffer): Probe =>
  async (client) => {
    client.send(globalRequest(name, true, rest?.()));
    const [type] = await messageOf(client, MSG.REQUEST_SUCCESS, MSG.REQUEST_FAILURE);
    return type === MSG.REQUEST_SUCCESS;
  };

export const listensOn = (address: string, port: number): Probe =>
  asks('tcpip-forward', () => new Writer().string(address).uint32(port).bytes());

/** Is a request on a session channel granted, before a program runs? */
export const asksSession =
  (name: string, rest?: Buffer): Probe =>
  async (client) => {
    client.send(channelRequest(await openSession(client), name, true, rest));
    const [type] = await messageOf(client, MSG.CHANNEL_SUCCESS, MSG.CHANNEL_FAILURE);
    return type === MSG.CHANNEL_SUCCESS;
  };

export const sets = (name: string): Probe => asksSession('env', new Writer().string(name).string('value').bytes());

/** RFC 4254 §6.2: its name, its size in characters and in pixels, and no modes. */
export const terminalRequest: Probe = asksSession(
  'pty-req',
  new Writer().string('xterm').uint32(80).uint32(24).uint32(0).uint32(0).string('\0').bytes(),
);
export const agentRequest: Probe = asksSession('auth-agent-req@openssh.com');
export const x11Request: Probe = asksSession(
  'x11-req',
  new Writer().boolean(false).string('MIT-MAGIC-COOKIE-1').string('ab'.repeat(16)).uint32(0).bytes(),
);

/** Does the command print 42? The shell's own arithmetic, so no echo and no error message can look like it. */
export const runs =
  (command: string): Probe =>
  async (client) => {
    exec(client, await openSession(client), command);
    return prints(client, '42');
  };

export const runsShell: Probe = async (client) => {
  const channel = await openSession(client);
  client.send(channelRequest(channel, 'shell', true));
  client.send(channelData(channel, 'echo $((40 + 2)); exit\n'));
  return prints(client, '42');
};

async function prints(client: RawClient, wanted: string): Promise<boolean> {
  let output = '';
  for (;;) {
    const message = await messageOf(client, MSG.CHANNEL_DATA, MSG.CHANNEL_CLOSE, MSG.CHANNEL_FAILURE);
    if (message[0] !== MSG.CHANNEL_DATA) return output.includes(wanted);
    const data = new Reader(message, 1);
    data.uint32();
    output += data.utf8();
  }
}

const SFTP = { INIT: 1, OPEN: 3, VERSION: 2, STATUS: 101, HANDLE: 102, WRITE: 0x02, CREATE: 0x08 } as const;
const sftpPacket = (body: Buffer): Buffer => new Writer().string(body).bytes();

/** Does sftp answer our version? */
export const servesSftp: Probe = async (client) => (await sftpTypes(client, [])).includes(SFTP.VERSION);

/** Does sftp open this file for writing? */
export const writesBySftp =
  (path: () => string): Probe =>
  async (client) => {
    const flags = SFTP.WRITE | SFTP.CREATE;
    const open = new Writer().byte(SFTP.OPEN).uint32(1).string(path()).uint32(flags).uint32(0).bytes();
    return (await sftpTypes(client, [open])).includes(SFTP.HANDLE);
  };

/** The types of the answers to INIT and these requests. */
async function sftpTypes(client: RawClient, requests: readonly Buffer[]): Promise<number[]> {
  const channel = await openSession(client);
  client.send(channelRequest(channel, 'subsystem', true, text('sftp')));
  const init = new Writer().byte(SFTP.INIT).uint32(3).bytes();
  for (const body of [init, ...requests]) client.send(channelData(channel, sftpPacket(body)));
  let stream = Buffer.alloc(0);
  const types: number[] = [];
  while (types.length <= requests.length) {
    const message = await messageOf(client, MSG.CHANNEL_DATA, MSG.CHANNEL_CLOSE, MSG.CHANNEL_FAILURE);
    if (message[0] !== MSG.CHANNEL_DATA) break;
    const data = new Reader(message, 1);
    data.uint32();
    stream = Buffer.concat([stream, data.string()]);
    while (stream.length > 4 && stream.length >= 4 + stream.readUInt32BE()) {
      types.push(stream[4] ?? 0);
      stream = stream.subarray(4 + stream.readUInt32BE());
    }
  }
  return types;
}

/** Are `count` sessions open at once on one connection? */
export const opensSessions =
  (count: number): Probe =>
  async (client) => {
    for (let number = 0; number < count; number++)
      if (!(await isOpened(client, channelOpen('session', number)))) return false;
    return true;
  };

/** Reads on until the program has printed this. */
export async function says(client: RawClient, wanted: string): Promise<void> {
  let output = '';
  while (!output.includes(wanted)) {
    const data = new Reader(await messageOf(client, MSG.CHANNEL_DATA), 1);
    data.uint32();
    output = `${output}${data.utf8()}`.slice(-4096);
  }
}
