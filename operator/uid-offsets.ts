import { createHash } from 'node:crypto';
import { LIMITED_UIDS } from '../crds/index.ts';

/** Offset 0 is nobody's: in the toolbox it is the group of role root. */
const FIRST = 1;
const COUNT = LIMITED_UIDS - FIRST;

/**
 * For each limited user an offset of their own among {@link LIMITED_UIDS}, by the hash of the username: whoever comes
 * or goes, the others keep theirs, and with it their files. Where two hashes meet, the later name in order moves on.
 */
export function uidOffsets(usernames: readonly string[]): ReadonlyMap<string, number> {
  const taken = new Map<number, string>();
  for (const username of usernames.toSorted()) {
    let place = createHash('sha256').update(username).digest().readUInt32BE() % COUNT;
    while (taken.has(place)) place = (place + 1) % COUNT;
    taken.set(place, username);
  }
  return new Map([...taken].map(([place, username]) => [username, FIRST + place]));
}
