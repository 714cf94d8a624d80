/** Pure: known holes of an sshd, by what it calls itself. */

/** A hole of OpenSSH's portable releases from `first` on, closed by `fixed`. */
type Hole = {
  readonly cve: string;
  readonly what: string;
  readonly first: Release;
  readonly fixed: Release;
  /** Package revisions of the same release in which a distribution has closed it. */
  readonly backports: readonly {
    readonly release: Release;
    readonly distribution: string;
    readonly revision: string;
  }[];
};
/** 9.8p1 is [9, 8, 1]. */
type Release = readonly [number, number, number];

const HOLES: readonly Hole[] = [
  {
    cve: 'CVE-2024-6387',
    what: 'code from anybody who can connect (regreSSHion)',
    first: [8, 5, 1],
    fixed: [9, 8, 1],
    backports: [
      { release: [9, 2, 1], distribution: 'Debian', revision: '2+deb12u3' },
      { release: [9, 7, 1], distribution: 'Debian', revision: '7' },
      { release: [8, 9, 1], distribution: 'Ubuntu', revision: '3ubuntu0.10' },
      { release: [9, 3, 1], distribution: 'Ubuntu', revision: '1ubuntu3.6' },
      { release: [9, 6, 1], distribution: 'Ubuntu', revision: '3ubuntu13.3' },
      { release: [9, 7, 1], distribution: 'Ubuntu', revision: '7ubuntu1' },
    ],
  },
  {
    cve: 'CVE-2025-26466',
    what: 'memory and time spent on pings before any login',
    first: [9, 5, 1],
    fixed: [9, 9, 2],
    backports: [
      { release: [9, 6, 1], distribution: 'Ubuntu', revision: '3ubuntu13.8' },
      { release: [9, 7, 1], distribution: 'Ubuntu', revision: '7ubuntu4.2' },
    ],
  },
];

/** `isSure`: its distribution is known, and has not closed it in this revision. Else it may have, and not say so. */
export type KnownHole = { readonly cve: string; readonly what: string; readonly isSure: boolean };

/** The whole of an ident is at most 255 characters (RFC 4253 section 4.2); of hostile ones we look at no more. */
const MOST_OF_AN_IDENT = 255;
/**
 * OpenSSH's own ident has no `p1`; Debian's and Ubuntu's have it, and their package revision after a space. Of numbers we
 * read three digits: no release of OpenSSH needs more.
 */
const OPENSSH =
  /^OpenSSH_([0-9]{1,3})\.([0-9]{1,3})(?:p([0-9]{1,3}))?(?: (Debian|Ubuntu)-([0-9A-Za-z.+~]{1,64}))?(?: |$)/;

/** @param ident what a server calls itself after `SSH-2.0-` */
export function knownHoles(ident: string): readonly KnownHole[] {
  const match = OPENSSH.exec(ident.slice(0, MOST_OF_AN_IDENT));
  if (match === null) return [];
  const [, major = '', minor = '', patch, distribution, revision] = match;
  // Without it the last patch of the release is as likely as the first, which is not sure then.
  const release: Release = [Number(major), Number(minor), Number(patch ?? 1)];
  return HOLES.filter(
    (hole) =>
      compare(release, hole.first) >= 0 &&
      compare(release, hole.fixed) < 0 &&
      !isBackported(hole, release, distribution, revision),
  ).map(({ cve, what, backports }) => {
    const isSure = backports.some(
      (known) => known.distribution === distribution && compare(known.release, release) === 0,
    );
    return { cve, what, isSure };
  });
}

function isBackported({ backports }: Hole, release: Release, distribution?: string, revision = ''): boolean {
  return backports.some(
    (known) =>
      known.distribution === distribution &&
      compare(known.release, release) === 0 &&
      compareRevisions(revision, known.revision) >= 0,
  );
}

function compare(left: Release, right: Release): number {
  const index = left.findIndex((number, place) => number !== right[place]);
  return index === -1 ? 0 : (left[index] ?? 0) - (right[index] ?? 0);
}

/** deb-version(7), for revisions without a tilde: words and numbers in turn, numbers by their value. */
function compareRevisions(left: string, right: string): number {
  // A tilde is before everything, even the end: a backport or a rebuild, of which we know nothing.
  if (left.includes('~')) return -1;
  const [ours, theirs] = [partsOf(left), partsOf(right)];
  for (let place = 0; place < Math.max(ours.length, theirs.length); place++) {
    const [a = '', b = ''] = [ours[place], theirs[place]];
    const isNumber = place % 2 === 1;
    const difference = isNumber ? Number(a) - Number(b) : rank(a, b);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** A word, a number, a word, …; words may be empty. */
const partsOf = (revision: string): readonly string[] => revision.split(/([0-9]+)/);

/** Letters before all other characters (deb-version(7)). */
function rank(left: string, right: string): number {
  const key = (word: string) => word.replaceAll(/[^A-Za-z]/g, (character) => `{${character}`);
  if (key(left) === key(right)) return 0;
  return key(left) < key(right) ? -1 : 1;
}
