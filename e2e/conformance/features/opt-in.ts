/** What only a policy that asks for it allows; role limited is never asked. Tried with that policy, and without it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.ts';
import { scratch } from '../../support/openssh.ts';
import { run, succeed } from '../../support/process.ts';
import { type Feature, type Obstacle, saw, see, type Subject } from '../feature.ts';
import { fetchThrough, firstLine, localSocket } from './forwarding.ts';

const GREETING = 'hello from the app\n';
const ANSWER = 'hello from the user\n';
const REMOTE_PORT = 9022;
/** Of display 0. */
const X11_PORT = 6000;
let count = 0;

const unless =
  (isAllowed: (subject: Subject) => boolean, field: string, seen: RegExp) =>
  (subject: Subject): Obstacle | undefined => {
    if (isAllowed(subject)) return undefined;
    const policy =
      subject.role === 'limited' ? `role \`limited\` never has ${field}` : `\`policy.root.${field}\` is not set`;
    return { policy, seen };
  };

const ASK =
  'const s = require("net").connect(process.argv[1]); process.stdin.on("data", (d) => s.write(d)); s.on("data", (d) => process.stdout.write(d, () => s.destroy()))';

/** In the session: connects to a port or a Unix socket, with what the image has. */
const connectTo = ({ column }: Subject, target: string): string =>
  column.place === 'app' ? `/probe connect ${target}` : `node -e '${ASK}' ${target}`;

/** In the session: the first message of an X client, whose cookie is the end of its file. */
const greetDisplay = (subject: Subject): string =>
  [
    '[ -n "$DISPLAY" ] || { echo no display; exit 1; }',
    'd=${DISPLAY##*:}; d=${d%.*}',
    `{ printf 'l\\0\\13\\0\\0\\0\\22\\0\\20\\0\\0\\0MIT-MAGIC-COOKIE-1\\0\\0'; tail -c 16 "$XAUTHORITY"; } | ${connectTo(subject, `"$((${X11_PORT} + d))"`)}`,
  ].join('\n');

/** A server on this side, at a Unix socket, while `work` runs. */
async function serving(greeting: string, work: (path: string) => Promise<void>): Promise<void> {
  const path = localSocket();
  const server = net.createServer((socket) => void socket.on('error', () => undefined).end(greeting)).listen(path);
  await once(server, 'listening');
  try {
    await work(path);
  } finally {
    server.close();
  }
}

/** Runs a command over a connection that forwards from there to here; a forwarding that is refused ends it. */
const withForwarding = (subject: Subject, forwarding: string, command: string) =>
  subject.client.alone(command, { ssh: ['-o', 'ExitOnForwardFailure=yes', '-o', 'LogLevel=INFO', '-R', forwarding] });

export const OPT_INS: readonly Feature[] = [
  {
    title: '`-R`: a port of the pod leads to the user',
    obstacle: unless(
      ({ policy }) => policy.remoteForwarding === 'loopback',
      'remoteForwarding',
      /remote port forwarding failed/,
    ),
    attempt: (subject) =>
      serving(ANSWER, async (path) => {
        const forwarding = `127.0.0.1:${REMOTE_PORT}:${path}`;
        const finished = await withForwarding(subject, forwarding, connectTo(subject, String(REMOTE_PORT)));
        see(finished.stdout === ANSWER, finished);
      }),
  },
  {
    title: 'Unix sockets, `-L`: of the app',
    obstacle: (subject) =>
      unless(
        ({ policy }) => policy.socketForwarding,
        'socketForwarding',
        /administratively prohibited|open failed/,
      )(subject) ?? outOfReach(subject),
    attempt: async (subject) => {
      const path = localSocket();
      const forwarding = ['-L', `${path}:/data/app.sock`];
      const got = await fetchThrough(subject, forwarding, () => firstLine(net.connect(path)));
      see(got === GREETING, got);
    },
  },
  {
    title: 'Unix sockets, `-R`: in the app, lead to the user',
    obstacle: unless(({ policy }) => policy.socketForwarding, 'socketForwarding', /remote port forwarding failed/),
    attempt: (subject) =>
      serving(ANSWER, async (path) => {
        const there = `${subject.column.place === 'app' ? '/data' : '/tmp'}/user-${count++}.sock`;
        const finished = await withForwarding(subject, `${there}:${path}`, connectTo(subject, there));
        see(finished.stdout === ANSWER, finished);
      }),
  },
  {
    title: '`-A`: the agent of the user, at SSH_AUTH_SOCK',
    obstacle: unless(({ policy }) => policy.agentForwarding, 'agentForwarding', /no agent/),
    attempt: async (subject) => {
      const agent = await startAgent();
      try {
        // SSH_AGENTC_REQUEST_IDENTITIES; its answer holds the comment of the key.
        const ask = `printf '\\0\\0\\0\\1\\13' | ${connectTo(subject, '"$SSH_AUTH_SOCK"')}`;
        const command = `[ -n "$SSH_AUTH_SOCK" ] || { echo no agent; exit 1; }; ${ask}`;
        const env = { ...process.env, SSH_AUTH_SOCK: agent.socket };
        const finished = await subject.client.alone(command, { ssh: ['-A'], env });
        see(finished.stdout.includes(agent.comment), finished);
      } finally {
        agent.stop();
      }
    },
  },
  {
    title: '`-X`: the display of the user',
    obstacle: unless(({ policy }) => policy.x11Forwarding, 'x11Forwarding', /no display/),
    attempt: async (subject) => {
      const server = net.createServer((socket) => {
        socket.on('error', () => undefined).once('data', () => socket.end(ANSWER));
      });
      await once(server.listen(await freePort(), '127.0.0.1'), 'listening');
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('no port');
      try {
        const env = { ...process.env, DISPLAY: `127.0.0.1:${address.port - X11_PORT}` };
        const finished = await subject.client.alone(greetDisplay(subject), { ssh: ['-Y'], env });
        saw(finished, ANSWER);
      } finally {
        server.close();
      }
    },
  },
];

const outOfReach = ({ column }: Subject): Obstacle | undefined =>
  column.place === 'app'
    ? undefined
    : { why: 'the socket is a file of the app, and sessions are in the toolbox', seen: /open failed|connect failed/ };

async function startAgent() {
  const [socket, key] = [localSocket(), join(scratch, `agent-key-${count}`)];
  const comment = `agent-key-${count++}`;
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  await succeed(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', key]);
  const env = { ...process.env, SSH_AUTH_SOCK: socket };
  while ((await run(['ssh-add', '-q', key], { env })).code !== 0) {
    if (agent.exitCode !== null) throw new Error(`ssh-agent ended with ${agent.exitCode}`);
  }
  return { socket, comment, stop: () => void agent.kill() };
}
