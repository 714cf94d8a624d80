import type { Link } from '../lib/ssh/connection/link.ts';
import { MSG } from '../lib/ssh/numbers.ts';

/** True of the messages that are activity: not keepalives, window adjustments or requests. */
export const isData = (payload: Uint8Array): boolean =>
  payload[0] === MSG.CHANNEL_DATA || payload[0] === MSG.CHANNEL_EXTENDED_DATA;

/** The same link, but each message with channel data that is sent through it is seen. */
export function watchData(link: Link, onData: () => void): Link {
  const { transport } = link;
  return {
    transport: {
      send: (payload) => {
        if (isData(payload)) onData();
        transport.send(payload);
      },
      unimplemented: () => transport.unimplemented(),
    },
    get blocked() {
      return link.blocked;
    },
    pause: () => link.pause(),
    resume: () => link.resume(),
  };
}
