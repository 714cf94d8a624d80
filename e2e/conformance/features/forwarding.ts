/** -L, -D and -W: to what listens on the loopback of the pod. */
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { scratch, sshCommand } from '../../support/openssh.ts';
import { run } from '../../support/process.ts';
import { type Feature, type Obstacle, saw, see, type Subject } from '../feature.ts';

const APP_PORT = 7070;
const GREETING = 'hello from the app\n';
let count = 0;

const forbidden = ({ policy, role }: Subject): Obstacle | undefined =>
  policy.localForwarding === 'none'
    ? { policy: `\`policy.${role}.localForwarding\` is none`, seen: /administratively prohibited/ }
    : undefined;

/** What a socket is told, to its first line. */
export async function firstLine(socket: net.Socket): Promise<string> {
  const said: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => {
    said.push(chunk);
    if (chunk.includes('\n')) socket.end();
  });
  socket.on('error', () => undefined);
  await once(socket, 'close');
  return Buffer.concat(said).toString('latin1');
}

/** SOCKS 5 (RFC 1928), no authentication, CONNECT to 127.0.0.1. */
async function throughSocks(proxyPort: number, port: number): Promise<string> {
  const socket = net.connect(proxyPort, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(Buffer.of(5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, port >> 8, port & 0xff));
  const answer = await firstLine(socket);
  // Two bytes on the method, ten on the connection.
  return answer.slice(12);
}

/** Starts `ssh -N` with a forwarding; fetches through it until something comes, or ssh has said why not. */
export async function fetchThrough(
  { client }: Pick<Subject, 'client'>,
  forwarding: readonly string[],
  fetch: () => Promise<string>,
): Promise<string> {
  const child = client.spawn(['-N', '-o', 'ExitOnForwardFailure=yes', ...forwarding]);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  try {
    return await eventually(
      async () => {
        const got = await fetch().catch(() => '');
        see(got !== '' || /failed|prohibited|restricted/.test(stderr), `nothing yet; ssh says: ${stderr}`);
        return got === '' ? stderr : got;
      },
      20_000,
      50,
    );
  } finally {
    child.kill();
  }
}

export const localSocket = (): string => join(scratch, `socket-${count++}`);

export const FORWARDING: readonly Feature[] = [
  {
    title: '`-L` to the loopback of the pod',
    obstacle: forbidden,
    attempt: async (subject) => {
      const path = localSocket();
      const forwarding = ['-L', `${path}:127.0.0.1:${APP_PORT}`];
      const got = await fetchThrough(subject, forwarding, () => firstLine(net.connect(path)));
      see(got === GREETING, got);
    },
  },
  {
    title: '`-D` (SOCKS) to the loopback of the pod',
    obstacle: forbidden,
    attempt: async (subject) => {
      const port = await freePort();
      const got = await fetchThrough(subject, ['-D', `127.0.0.1:${port}`], () => throughSocks(port, APP_PORT));
      see(got === GREETING, got);
    },
  },
  {
    title: '`-W` to the loopback of the pod',
    obstacle: forbidden,
    attempt: async ({ client }) => {
      saw(await run(sshCommand(client.login, ['-o', 'LogLevel=INFO', '-W', `127.0.0.1:${APP_PORT}`])), GREETING);
    },
  },
];
