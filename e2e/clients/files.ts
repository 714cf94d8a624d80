import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';

export const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** A file of random bytes; answers its SHA-256. */
export function randomFile(path: string, bytes: number): string {
  writeFileSync(path, randomBytes(bytes));
  return sha256(path);
}

/** A folder with what transfers get wrong: an empty file, a long one, a script, an old time, a link, names to quote. */
export async function sampleFolder(path: string): Promise<void> {
  await mkdir(join(path, 'deep/er'), { recursive: true });
  writeFileSync(join(path, 'empty'), '');
  randomFile(join(path, 'three-mib'), 3 << 20);
  randomFile(join(path, "deep/er/naïve $name's"), 70_001);
  writeFileSync(join(path, 'deep/script.sh'), '#!/bin/sh\necho ran\n', { mode: 0o750 });
  await symlink('script.sh', join(path, 'deep/link'));
  await utimes(join(path, 'empty'), 1_000_000_000, 1_000_000_000);
}

/**
 * Shell that prints what a folder holds, in an order of its own, so that two machines can be compared: kind, mode, time
 * (`withTimes`) and content of each.
 */
export const listing = (folder: string, { withTimes = true, withLinks = true } = {}): string =>
  [
    `cd '${folder}'`,
    `find . -type f -printf '%P %m ${withTimes ? '%T@ ' : ''}%s\\n' | sed 's/\\.[0-9]* / /' | LC_ALL=C sort`,
    `find . -type f -exec sha256sum {} + | LC_ALL=C sort`,
    ...(withLinks ? [`find . -type l -printf '%P -> %l\\n' | LC_ALL=C sort`] : []),
  ].join(' && ');
