import type { EventRecorder, Regarding } from '../../lib/kube/event-recorder.ts';
import { type Clock, systemClock } from '../../lib/ssh/clock.ts';
import type { Ban } from './failures.ts';

/** Bans that come together are told together: an attack from everywhere must not become one on the API server. */
const GATHER_MS = 30_000;

/** Tells of bans in Events about `regarding`, our own pod. */
export class BanEvents {
  readonly #events: EventRecorder;
  readonly #regarding: Regarding;
  readonly #clock: Clock;
  #first: Ban | undefined;
  #others = 0;

  constructor(events: EventRecorder, regarding: Regarding, clock: Clock = systemClock) {
    this.#events = events;
    this.#clock = clock;
    this.#regarding = regarding;
  }

  banned(ban: Ban): void {
    if (this.#first !== undefined) {
      this.#others++;
      return;
    }
    this.#first = ban;
    this.#clock.after(GATHER_MS, () => void this.#tell(ban));
  }

  async #tell(ban: Ban): Promise<void> {
    const others = this.#others === 0 ? '' : `, and ${this.#others} others`;
    this.#first = undefined;
    this.#others = 0;
    const note = `${describeBan(ban)}${others}; GET /bans on the admin port of this pod lists them`;
    await this.#events.record(this.#regarding, { type: 'Warning', reason: 'SourceBanned', action: 'Serve', note });
  }
}

/** One sentence for the log and the Event. */
export function describeBan({ source, username, failures, until }: Ban): string {
  const what = username === undefined ? 'all logins' : `logins as ${JSON.stringify(username)}`;
  return `${source} is banned from ${what} until ${new Date(until).toISOString()}, after ${failures} that failed`;
}
