import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader } from '../../lib/ssh/wire.ts';
import type { PodLink } from './fake-pod.ts';
import { channelData, confirmation, short } from './messages.ts';

/** A pod that says yes to everything, and gives back all data. Its channels have the numbers of the client's. */
export const obliging =
  (link: PodLink) =>
  (payload: Buffer): void => {
    const answer = answerTo(payload);
    // What the client does not read is not produced.
    if (answer !== undefined && !link.socket.blocked) link.send(answer);
  };

function answerTo(payload: Buffer): Buffer | undefined {
  const reader = new Reader(payload, 1);
  switch (payload.readUInt8(0)) {
    case MSG.CHANNEL_OPEN: {
      reader.string();
      const sender = reader.uint32();
      return confirmation(sender, sender);
    }
    case MSG.CHANNEL_DATA:
      return channelData(reader.uint32(), reader.string());
    case MSG.CHANNEL_CLOSE:
      return short(MSG.CHANNEL_CLOSE, reader.uint32());
    case MSG.CHANNEL_REQUEST: {
      const channel = reader.uint32();
      reader.string();
      return reader.boolean() ? short(MSG.CHANNEL_SUCCESS, channel) : undefined;
    }
    case MSG.GLOBAL_REQUEST:
      reader.string();
      return reader.boolean() ? Buffer.of(MSG.REQUEST_SUCCESS) : undefined;
    default:
      return undefined;
  }
}
