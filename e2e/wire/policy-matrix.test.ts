/**
 * D1: what each policy allows and refuses, asked by a raw client: directly at the sidecar, through the piper to it, and
 * through the piper to an sshd that knows no policy.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ASSERT_IDENTITY, DEFAULT_POLICIES, type Role, type SessionPolicy } from '../../crds/index.ts';
import { text } from '../../piper/testing/messages.ts';
import {
  agentRequest,
  asks,
  asksSession,
  forwardsTo,
  forwardsToSocket,
  listensOn,
  opensChannel,
  opensSessions,
  type Probe,
  runs,
  runsShell,
  servesSftp,
  sets,
  terminalRequest,
  writesBySftp,
  x11Request,
} from './probes.ts';
import { eventually } from '../support/eventually.ts';
import { startSidecar } from './sidecar-pod.ts';
import { sshdPod } from './sshd-pod.ts';
import { startStack, type Stack, type StartPod } from './stack.ts';
import { connectAs, type Way, WAYS } from './ways.ts';

const { root, limited } = DEFAULT_POLICIES;
const ARITHMETIC = 'echo $((40 + 2))';

const everything: SessionPolicy = {
  ...root,
  remoteForwarding: 'loopback',
  socketForwarding: true,
  agentForwarding: true,
  x11Forwarding: true,
};
const nothing: SessionPolicy = {
  ...limited,
  maxSessions: 1,
  sftp: { access: 'none', paths: null },
  pty: false,
  commands: [],
  clientEnvironment: [],
};

const policies = {
  root: { role: 'root', policy: root },
  limited: { role: 'limited', policy: limited },
  everything: { role: 'root', policy: everything },
  nothing: { role: 'limited', policy: nothing },
  'one command': { role: 'limited', policy: { ...nothing, commands: [ARITHMETIC] } },
  'one port': { role: 'limited', policy: { ...limited, localForwarding: 'loopback', localPorts: [1] } },
} as const satisfies Record<string, { role: Role; policy: SessionPolicy }>;
type Name = keyof typeof policies;
const NAMES: readonly Name[] = ['root', 'limited', 'everything', 'nothing', 'one command', 'one port'];
const usernameOf = (name: Name): string => `acme-hello-${name.replace(' ', '-')}`;

let stack: Stack;
let socketServer: Server | undefined;
const server = createServer((socket) => socket.end());
const port = (): number => z.object({ port: z.number() }).parse(server.address()).port;
const socketPath = (): string => join(stack.remote, 'app.sock');

async function setUp(startPod: StartPod): Promise<void> {
  const ceiling = { root: everything, limited: { ...limited, localForwarding: 'loopback' as const } };
  stack = await startStack({}, ceiling, startPod);
  await stack.setRoute({
    users: NAMES.map((name) => ({
      ...policies[name],
      policy: structuredClone<SessionPolicy>(policies[name].policy),
      username: usernameOf(name),
      authorizedKeys: [stack.keys[policies[name].role].publicKey.toLine()],
      uidOffset: 0,
    })),
  });
  socketServer = createServer((socket) => socket.end()).listen(socketPath());
  await once(socketServer, 'listening');
  await chmod(socketPath(), 0o777);
  const first = { username: usernameOf('root'), ...policies.root };
  // Who is refused now has no route yet.
  await eventually(async () => (await connectAs(stack, 'through the piper', first)).close(), 10_000);
}

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => server.close());

const socketField = (name: string) => () => text(join(stack.remote, name));

/** For each question the policies under which the answer is yes. */
const matrix: readonly (readonly [string, Probe, readonly Name[]])[] = [
  ['a command', runs(ARITHMETIC), ['root', 'limited', 'everything', 'one command', 'one port']],
  ['another command', runs(`${ARITHMETIC} `), ['root', 'limited', 'everything', 'one port']],
  ['a command with more behind it', runs(`${ARITHMETIC}; true`), ['root', 'limited', 'everything', 'one port']],
  ['a shell', runsShell, ['root', 'limited', 'everything', 'one port']],
  ['a terminal', terminalRequest, ['root', 'limited', 'everything', 'one port']],
  ['sftp', servesSftp, ['root', 'limited', 'everything', 'one port']],
  ['writing by sftp', writesBySftp(() => join(stack.remote, `written-${randomUUID()}`)), ['root', 'everything']],
  ['another subsystem', asksSession('subsystem', text('netconf')), []],
  ['a second session', opensSessions(2), ['root', 'limited', 'everything', 'one port']],
  ['a third session', opensSessions(3), ['root', 'everything']],
  ['an eleventh session', opensSessions(11), []],
  ['LC_ALL', sets('LC_ALL'), ['root', 'limited', 'everything', 'one port']],
  ['GIT_AUTHOR_NAME', sets('GIT_AUTHOR_NAME'), ['root', 'everything']],
  ...['LD_PRELOAD', 'PATH', 'BASH_ENV', 'NODE_OPTIONS', 'SSH_AUTH_SOCK', 'SSH_ORIGINAL_COMMAND', 'SSHACCESS_ROLE'].map(
    (name) => [name, sets(name), []] as const,
  ),
  ['-L to 127.0.0.1', forwardsTo('127.0.0.1', port), ['root', 'everything']],
  ['-L to localhost', forwardsTo('localhost', port), ['root', 'everything']],
  ...['169.254.169.254', '0.0.0.0', '127.1', '2130706433', '::ffff:127.0.0.1', 'kubernetes.default.svc'].map(
    (host) => [`-L to ${host}`, forwardsTo(host, port), []] as const,
  ),
  ['-L to port 2222 of the pod', forwardsTo('127.0.0.1', () => stack.podPort), []],
  ['-L to a socket', forwardsToSocket(socketPath), ['everything']],
  ['-R', listensOn('localhost', 0), ['everything']],
  ['-R on every address', listensOn('', 0), ['everything']],
  [
    'cancelling a forward that is not there',
    asks('cancel-tcpip-forward', () => Buffer.concat([text('localhost'), Buffer.alloc(4, 1)])),
    [],
  ],
  ['-R on a socket', asks('streamlocal-forward@openssh.com', socketField('remote.sock')), ['everything']],
  ['cancelling a socket that is not there', asks('cancel-streamlocal-forward@openssh.com', socketField('none')), []],
  ['the agent', agentRequest, ['everything']],
  ['X11', x11Request, ['everything']],
  ['a tunnel device', opensChannel('tun@openssh.com', Buffer.alloc(8)), []],
  ['a channel of the other side: x11', opensChannel('x11', Buffer.concat([text('127.0.0.1'), Buffer.alloc(4)])), []],
  ['a channel of the other side: agent', opensChannel('auth-agent@openssh.com'), []],
  ['no more sessions', asks('no-more-sessions@openssh.com'), NAMES],
  ["proof of the pod's host keys", asks('hostkeys-prove-00@openssh.com'), []],
  ['to be somebody else', asks(ASSERT_IDENTITY, () => text('{}')), []],
];

/** A sidecar listens on its loopback all the same; where an sshd does depends on its GatewayPorts. */
const NEVER_BY_SSHD = ['-R on every address'];

const servers: readonly (readonly [string, StartPod, readonly Way[]])[] = [
  ['a sidecar', startSidecar, WAYS],
  ['an sshd', sshdPod({ as: 'app' }), ['through the piper']],
];

describe.each(servers)('%s', (what, startPod, ways) => {
  beforeAll(() => setUp(startPod), 180_000);
  afterAll(async () => {
    socketServer?.close();
    await stack?.stop();
  });

  describe.each(ways)('%s', (way) => {
    describe.each(NAMES)('%s', (name) => {
      test.each(matrix)('%s', async (question, probe, allowed) => {
        const client = await connectAs(stack, way, { username: usernameOf(name), ...policies[name] });
        expect(await probe(client)).toBe(
          allowed.includes(name) && !(what === 'an sshd' && NEVER_BY_SSHD.includes(question)),
        );
        client.close();
      });
    });
  });
});
