import type { Authorization, RefusedAttempt, VerifiedUser } from '../lib/ssh/authentication/server.ts';
import type { Offer } from '../lib/ssh/keys/authorization.ts';
import type { Failures } from './abuse/failures.ts';
import { type Admission, type Grant, readDestination } from './admission.ts';
import type { Destination } from './directory/destination.ts';
import type { Directory } from './directory/directory.ts';

type AttemptsOptions = {
  admission: Admission;
  directory: Directory;
  failures: Failures;
  /** Milliseconds since the epoch. */
  now: () => number;
};

/** What one client tries until it is let in: each key is judged, what fails is counted, and what tells most is kept for the record. */
export class Attempts {
  readonly #options: AttemptsOptions;
  readonly #address: string;
  #telling: RefusedAttempt | undefined;

  constructor(options: AttemptsOptions, address: string) {
    this.#options = options;
    this.#address = address;
  }

  /** As it was given, where it is fit to be shown. */
  get username(): string | undefined {
    return this.#telling?.username;
  }

  /** Why nobody was let in, for the record; undefined: nothing was tried. */
  get failure(): string | undefined {
    if (this.#telling === undefined) return undefined;
    const { reason, why, fingerprint = '' } = this.#telling;
    return `${reason}${why === undefined ? '' : ` (${why})`} ${fingerprint}`.trimEnd();
  }

  /** Whoever is banned hears what a stranger hears, and it takes as long. */
  authorize(user: VerifiedUser): Authorization {
    const { admission, failures, now } = this.#options;
    const offer = this.#offerOf(user, this.#destinationOf(user));
    const isBanned = failures.isBannedFrom(this.#address, offer.username);
    const answer = admission.authorize(offer, now());
    return isBanned ? { granted: false, why: 'banned' } : answer;
  }

  refused(attempt: RefusedAttempt): void {
    // A client goes on to its other keys: what was nearly let in tells more than they.
    if (attempt.why !== undefined || this.#telling?.why === undefined) this.#telling = attempt;
    if (attempt.counted) this.#options.failures.failed(this.#address, this.#destinationOf(attempt).username);
  }

  /** Of a signature that was verified; undefined where the directory has changed its mind. */
  grant(user: VerifiedUser): Grant | undefined {
    const { admission, failures, now } = this.#options;
    const destination = this.#destinationOf(user);
    failures.succeeded(this.#address, destination.username);
    // By the key that has signed, whatever others were asked about before (GHSA-pchf-49fh-w34r).
    return admission.grant(this.#offerOf(user, destination), destination, now());
  }

  #destinationOf({ username }: { username: string }): Destination {
    return readDestination(this.#options.directory, username);
  }

  #offerOf({ key, certificate }: VerifiedUser, { username }: Destination): Offer {
    return { username, key, certificate, address: this.#address };
  }
}
