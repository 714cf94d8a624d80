import type net from 'node:net';
import { hostname } from 'node:os';
import { type Reader, Writer } from '../../lib/ssh/wire.ts';
import { leaseInApp } from '../app-sockets.ts';
import type { MakeResource, SessionResource } from '../session.ts';
import type { ForwardingContext } from './context.ts';
import { type Listener, listenOnLoopback } from './loopback-listener.ts';
import { xauthority, type XCookie } from './xauthority.ts';

export const X11_REQUEST = 'x11-req';

type X11Request = XCookie & { singleConnection: boolean; screen: number };

// X servers listen on 6000 + display; as with sshd, the first ten are left to real ones.
const X11_PORT = 6000;
const FIRST_DISPLAY = 10;
const LAST_DISPLAY = 110;
const PROTOCOL = /^[A-Za-z0-9-]{1,64}$/;
const COOKIE = /^(?:[0-9a-fA-F]{2}){1,128}$/;
const HIGHEST_SCREEN = 255;

/**
 * X11 forwarding (RFC 4254 §6.3): a display on the pod's loopback, and its cookie in a file of the session's own. TCP,
 * because a Unix socket would have to be /tmp/.X11-unix/X<n>, which is root's to make, and an abstract one would be the
 * whole pod's too. As with sshd, everybody in the pod can connect; only who has the cookie gets further.
 */
export const x11Maker =
  (context: ForwardingContext): MakeResource =>
  (fields) => {
    const request = readX11Request(fields);
    return request === undefined ? Promise.resolve(undefined) : makeDisplay(request, context);
  };

/** The fields of `x11-req`; undefined where no X server takes them. The cookie is the client's own, and no real one. */
function readX11Request(fields: Reader): X11Request | undefined {
  const singleConnection = fields.boolean();
  const protocol = fields.string().toString('latin1');
  const cookie = fields.string().toString('latin1');
  const screen = fields.uint32();
  fields.end();
  if (!PROTOCOL.test(protocol) || !COOKIE.test(cookie) || screen > HIGHEST_SCREEN) return undefined;
  return { singleConnection, protocol, cookie: Buffer.from(cookie, 'hex'), screen };
}

async function makeDisplay(request: X11Request, { forwards, entrance }: ForwardingContext): Promise<SessionResource> {
  let served = false;
  const { display, close } = await listenOnDisplay((socket) => {
    if (request.singleConnection && served) return socket.destroy();
    served = true;
    const { remoteAddress = '', remotePort = 0 } = socket;
    return forwards.offer(socket, 'x11', new Writer().string(remoteAddress).uint32(remotePort).bytes());
  });
  try {
    const file = await leaseInApp(await entrance(), 'xauthority', xauthority(hostname(), display, request));
    return {
      variables: { DISPLAY: `localhost:${display}.${request.screen}`, XAUTHORITY: file.path },
      close: () => {
        close();
        file.close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** The first display that nobody in the pod has. */
async function listenOnDisplay(onConnection: (socket: net.Socket) => void): Promise<Listener & { display: number }> {
  for (let display = FIRST_DISPLAY; ; display++) {
    try {
      const { close } = await listenOnLoopback(X11_PORT + display, onConnection);
      return { display, close };
    } catch (error) {
      if (display === LAST_DISPLAY) throw error;
    }
  }
}
