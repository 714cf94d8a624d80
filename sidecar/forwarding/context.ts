import type { Logger } from '../../lib/process/logger.ts';
import type { AppEntrance } from '../app-sockets.ts';
import type { Forwards } from './forwards.ts';
import type { Listeners } from './listeners.ts';

/** What forwarding of every kind needs of its connection. */
export type ForwardingContext = {
  forwards: Forwards;
  listeners: Listeners;
  /** The way to the user's sockets and files in the app, as it is now. */
  entrance: () => Promise<AppEntrance>;
  log: Logger;
};
