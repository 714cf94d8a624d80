import { randomBytes } from 'node:crypto';
import type { Logger } from '../process/logger.ts';
import { create } from './apply.ts';
import type { KubeClient } from './client.ts';
import { microTime } from './micro-time.ts';
import { EVENTS } from './resources.ts';

const TABLE_SIZE = 2_000;
/** The API server forgets Events after an hour; until then the same one is not written twice. */
const REPEAT_AFTER_MS = 3_600_000;
/** The API refuses longer notes. */
const MAX_NOTE_BYTES = 1_024;

/** The object that an Event is about. */
export type Regarding = { apiVersion: string; kind: string; namespace: string; name: string; uid: string };

export type EventDetails = {
  type: 'Normal' | 'Warning';
  /** CamelCase, from the program's reasons table. */
  reason: string;
  /** What we were doing, CamelCase; required by the API. */
  action: string;
  /** One sentence for a person; never key material. */
  note: string;
  /** Which of many this is, put behind the note: another one is the same Event, and is not written again. */
  example?: string;
};

export type RecorderOptions = {
  client: KubeClient;
  /** `sshaccess.dev/operator`: who reports. */
  controller: string;
  /** Which replica of it. */
  instance: string;
  log: Logger;
  /** Whether there is room for one more Event like this; asked only about what is not a repetition. */
  hasRoom?: (regarding: Regarding, details: EventDetails) => boolean;
};

/** Writes Events (events.k8s.io/v1) for `kubectl describe`: best effort, without repeating itself. */
export class EventRecorder {
  readonly #options: RecorderOptions;
  readonly #recorded = new Map<string, number>();

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  /** Never throws: an Event that is lost is no reason to fail what it reports. */
  async record(regarding: Regarding, details: EventDetails, signal?: AbortSignal): Promise<void> {
    const now = new Date();
    const { client, controller, instance, log, hasRoom } = this.#options;
    const { example, ...told } = details;
    const key = `${regarding.uid} ${details.reason} ${details.note}`;
    if (this.#isRepeated(key, now.getTime()) || hasRoom?.(regarding, details) === false) return;
    this.#remember(key, now.getTime());
    const manifest = {
      metadata: {
        namespace: regarding.namespace,
        name: `${regarding.name}.${randomBytes(8).toString('hex')}`,
      },
      eventTime: microTime(now),
      reportingController: controller,
      reportingInstance: instance,
      regarding,
      ...told,
      note: shorten(example === undefined ? told.note : `${told.note} (${example})`),
    };
    try {
      await create(client, EVENTS, manifest, { fieldManager: controller, signal });
    } catch (error) {
      // The reporter of a namespace that is being deleted is refused; that is how it should be.
      log.debug({ err: error, reason: details.reason }, 'event was not written');
    }
  }

  #isRepeated(key: string, now: number): boolean {
    const last = this.#recorded.get(key);
    return last !== undefined && now - last < REPEAT_AFTER_MS;
  }

  #remember(key: string, now: number): void {
    this.#recorded.delete(key);
    this.#recorded.set(key, now);
    // A Map keeps the order of insertion: the first is the oldest.
    const oldest = this.#recorded.keys().next();
    if (this.#recorded.size > TABLE_SIZE && oldest.done !== true) this.#recorded.delete(oldest.value);
  }
}

function shorten(note: string): string {
  if (Buffer.byteLength(note) <= MAX_NOTE_BYTES) return note;
  return `${Buffer.from(note)
    .subarray(0, MAX_NOTE_BYTES - 8)
    .toString('utf8')
    .replace(/\uFFFD+$/, '')}…`;
}
