import { connectInApp, listenInApp } from '../app-sockets.ts';
import type { ChannelOpen } from '../../lib/ssh/connection/channel-open.ts';
import { OPEN_FAILURE } from '../../lib/ssh/numbers.ts';
import { type Reader, Writer } from '../../lib/ssh/wire.ts';
import { programText } from '../environment.ts';
import type { ForwardingContext } from './context.ts';
import { acceptSocket } from './local.ts';

// unix(7): sun_path holds 108 bytes, the last of which is NUL.
const LONGEST_PATH = 107;

/** `direct-streamlocal@openssh.com` (OpenSSH, PROTOCOL section 2.4): a Unix socket of the app, connected as the user. */
export function forwardToSocket(open: ChannelOpen, { forwards, entrance, log }: ForwardingContext): void {
  const path = readPath(open.fields);
  open.fields.string();
  open.fields.uint32();
  open.fields.end();
  if (path === undefined) return open.refuse(OPEN_FAILURE.CONNECT_FAILED, 'no socket can have that path');
  if (!forwards.take()) return open.refuse(OPEN_FAILURE.RESOURCE_SHORTAGE, 'too many forwarded connections');
  const connect = async (): Promise<void> => {
    const socket = await connectInApp(await entrance(), path);
    acceptSocket(open, socket, () => forwards.release());
  };
  connect().catch((error: unknown) => {
    forwards.release();
    log.info({ err: error, path }, 'cannot connect to a socket of the app');
    open.refuse(OPEN_FAILURE.CONNECT_FAILED, error instanceof Error ? error.message : 'the socket cannot be reached');
  });
}

/** `streamlocal-forward@openssh.com`: listens at a path of the app that does not exist yet. */
export function listenAtSocket(
  fields: Reader,
  { forwards, listeners, entrance, log }: ForwardingContext,
): Promise<boolean> {
  const path = readPath(fields);
  fields.end();
  if (path === undefined) return Promise.resolve(false);
  const opening = new Writer().string(path).string('').bytes();
  const listen = async () => {
    const file = await listenInApp(await entrance(), { path }, (socket) =>
      forwards.offer(socket, 'forwarded-streamlocal@openssh.com', opening),
    );
    return { close: file.close, name: path };
  };
  return listeners.add(listen).then(
    (listener) => listener !== undefined,
    (error: unknown) => {
      log.info({ err: error, path }, 'cannot listen at a socket of the app');
      return false;
    },
  );
}

/** `cancel-streamlocal-forward@openssh.com`: only what this connection has asked for. */
export function stopListeningAtSocket(fields: Reader, { listeners }: ForwardingContext): Promise<boolean> {
  const path = readPath(fields);
  fields.end();
  return path === undefined ? Promise.resolve(false) : listeners.remove(path);
}

/** An absolute path; a relative one would mean something else with each restart of the app. */
function readPath(fields: Reader): string | undefined {
  const bytes = fields.string();
  return bytes.length > LONGEST_PATH || bytes[0] !== '/'.charCodeAt(0) ? undefined : programText(bytes);
}
