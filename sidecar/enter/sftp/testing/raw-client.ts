import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { buildServer } from './build-server.ts';
import { testFolder, unprivileged } from './folder.ts';
import { repliesIn, type Reply } from './replies.ts';
import { initPacket, type requests, requestPacket, string } from './wire.ts';

const sanitized = await buildServer('sanitized');

export type ServerOptions = {
  readOnly?: boolean;
  /** What the server is confined to: absolute, or beneath the folder. `before` makes them. */
  directories?: readonly string[];
  unprivileged?: boolean;
  environment?: NodeJS.ProcessEnv;
  /** What the shell does first, in the folder, such as `ulimit -f 8`. */
  before?: string;
  program?: readonly string[];
};

/** How a server ended. */
export type End = { code: number | null; signal: string | null; complaint: string };

/** A server in an empty folder, its home, and a client that sends it any bytes. */
export async function startRaw(options: ServerOptions = {}) {
  const folder = await testFolder();
  const confinement = (options.directories ?? []).flatMap((name) => ['--directory', resolve(folder, name)]);
  const command = [...(options.program ?? [sanitized]), ...(options.readOnly ? ['--read-only'] : []), ...confinement];
  const server = spawn('sh', ['-c', `${options.before ?? 'true'} && exec "$@"`, 'sh', ...command], {
    cwd: folder,
    env: { HOME: folder, ...options.environment },
    ...(options.unprivileged ? unprivileged : {}),
  });
  const complaint = text(server.stderr);
  const closed = once(server, 'close');
  const replies = repliesIn(server.stdout);
  // A server that ends at a malformed packet does not take the rest; its end is what tests look at.
  server.stdin.on('error', () => undefined);

  const send = (...packets: Buffer[]): void => void server.stdin.write(Buffer.concat(packets));
  const next = async (): Promise<Reply | undefined> => (await replies.next()).value;

  /** Ends the input, passes over further answers, and waits for the server's end. */
  const end = async (): Promise<End> => {
    server.stdin.end();
    if (!server.stdout.destroyed) while ((await next()) !== undefined);
    await closed;
    return { code: server.exitCode, signal: server.signalCode, complaint: await complaint };
  };
  /** Reads no further answers, as a client whose connection is lost. */
  const hangUp = (): void => void server.stdout.destroy();

  return { folder, send, next, end, hangUp };
}

export type RawServer = Awaited<ReturnType<typeof startRaw>>;

/** The same after INIT, with requests that wait for their answers. */
export async function startClient(options: ServerOptions = {}) {
  const server = await startRaw(options);
  let lastId = 0;
  server.send(initPacket());
  const version = await server.next();

  const request = async (type: keyof typeof requests, ...fields: Buffer[]): Promise<Reply> => {
    lastId += 1;
    server.send(requestPacket(type, lastId, ...fields));
    const reply = await server.next();
    if (reply === undefined) throw new Error(`no answer to ${type}: ${(await server.end()).complaint}`);
    if (reply.type === 'version' || reply.id !== lastId) throw new Error(`a foreign answer: ${JSON.stringify(reply)}`);
    return reply;
  };
  const extended = (name: string, ...fields: Buffer[]): Promise<Reply> => request('extended', string(name), ...fields);

  /** The handle of an answer that must be one. */
  const handle = async (type: keyof typeof requests, ...fields: Buffer[]): Promise<Buffer> => {
    const reply = await request(type, ...fields);
    if (reply.type !== 'handle') throw new Error(`no handle: ${JSON.stringify(reply)}`);
    return string(reply.handle);
  };
  return { ...server, version, request, extended, handle };
}
