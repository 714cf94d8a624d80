import { asSshError } from '../errors.ts';
import { KEY_TYPES, MIN_RSA_BITS } from './key-types.ts';
import { type LineOptions, NO_OPTIONS, parseLineOptions } from './line-options.ts';
import { PublicKey } from './public-key.ts';

export type AuthorizedKey = {
  /** Of its line, counted from 1. */
  number: number;
  key: PublicKey;
  comment: string;
  options: LineOptions;
  /** "[options] type base64", with single spaces and the options as they were written. */
  bare: string;
  /** The same with the comment. */
  line: string;
};

export type KeyProblem = {
  /** Counted from 1. */
  line: number;
  code: 'private-key' | 'options' | 'certificate' | 'unsupported' | 'weak' | 'malformed' | 'duplicate';
  /** What to do about it; never holds key material. */
  message: string;
};

const MESSAGES = {
  'private-key':
    'this is a private key: delete it here, treat it as disclosed, make a new pair, and give only the line of its .pub file',
  options: 'the options in front of the key have control characters in them',
  certificate:
    'this is a certificate: give the public key itself (the .pub file without -cert), or with cert-authority in front the key that signed it',
  'ssh2-format': 'this is not the OpenSSH format: convert it with `ssh-keygen -i -f FILE`, and give the line it prints',
  unsupported: 'this key type is not supported: make an ed25519 key with `ssh-keygen -t ed25519`',
  weak: `this RSA key is too short: use at least ${MIN_RSA_BITS} bits, or make an ed25519 key with \`ssh-keygen -t ed25519\``,
  malformed: 'this is not a whole public key line: copy the one line of the .pub file again, unbroken',
  'byte-order-mark': 'the text begins with a byte order mark: save it as plain UTF-8 without one',
  'too-long': 'the line is too long for a public key',
  'too-many': 'there are too many lines: the rest, from this one on, is not read',
  duplicate: 'the same key stands in an earlier line, with the same options: delete one of the two',
  'verify-required':
    'verify-required is for security keys (sk-…): no other key knows who has used it; delete the option',
} as const;

const MAX_LINE = 16_384;
// Whoever writes the text chooses how much work we do for it.
const MAX_LINES = 1_000;
const PRIVATE_BEGIN = /-----\s*BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File/;
const PRIVATE_END = /-----\s*END [A-Z0-9 ]*PRIVATE KEY|^Private-MAC:/;
const SSH2_BEGIN = /^---- BEGIN SSH2 PUBLIC KEY ----/;
const SSH2_END = /^---- END SSH2 PUBLIC KEY ----/;
const CERTIFICATE = /^\S+-cert-v0\d@openssh\.com$/;
// A key type and the base64 of a length: the shape of a key that something stands in front of.
const KEY_INSIDE = /[ \t,"](?:ssh|ecdsa|sk)-[a-z0-9@.-]+[ \t]+AAAA/;
const TYPE_LIKE = /^(?:ssh|ecdsa|sk|webauthn)-[A-Za-z0-9@.-]+$/;

const PROBLEM_BY_ERROR: ReadonlyMap<string, KeyProblem['code']> = new Map<string, KeyProblem['code']>([
  ['key', 'malformed'],
  ['weak-key', 'weak'],
  ['unsupported-key', 'unsupported'],
]);

type Block = { end: RegExp };

/**
 * Reads lines of OpenSSH public keys, strictly: a line is a key as a whole, or a problem as a whole. A restriction
 * that we do not honour must not be stripped, and half of a file must not look like all of it.
 */
export function parseAuthorizedKeys(text: string): { keys: AuthorizedKey[]; problems: KeyProblem[] } {
  const keys: AuthorizedKey[] = [];
  const problems: KeyProblem[] = [];
  const known = new Set<string>();
  let block: Block | undefined;
  for (const [index, raw] of text.split(/\r?\n/, MAX_LINES + 1).entries()) {
    if (index === MAX_LINES) {
      problems.push({ line: index + 1, code: 'malformed', message: MESSAGES['too-many'] });
      break;
    }
    const line = withoutBlanks(raw);
    if (block !== undefined) {
      if (block.end.test(line)) block = undefined;
      continue;
    }
    if (line === '' || line.startsWith('#')) continue;
    const report = (code: KeyProblem['code'], message: string = MESSAGES[code]): void => {
      problems.push({ line: index + 1, code, message });
    };
    block = blockBegunBy(line);
    if (block !== undefined) {
      if (block.end === PRIVATE_END) report('private-key');
      else report('malformed', MESSAGES['ssh2-format']);
      // Both marks on one line: line breaks were lost on the way.
      if (block.end.test(line)) block = undefined;
      continue;
    }
    const parsed = parseLine(line);
    if ('code' in parsed) {
      report(parsed.code, parsed.message);
      continue;
    }
    // As in sshd, a key may stand in several lines, each of which lets it in under other conditions.
    if (known.has(parsed.bare)) report('duplicate');
    else keys.push({ number: index + 1, ...parsed });
    known.add(parsed.bare);
  }
  return { keys, problems };
}

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';

/** Not by a regular expression: `[ \t]+$` takes quadratic time, minutes for one long line of blanks. */
function withoutBlanks(line: string): string {
  let start = 0;
  let end = line.length;
  while (start < end && isBlank(line[start])) start++;
  while (end > start && isBlank(line[end - 1])) end--;
  return line.slice(start, end);
}

function blockBegunBy(line: string): Block | undefined {
  if (PRIVATE_BEGIN.test(line)) return { end: PRIVATE_END };
  return SSH2_BEGIN.test(line) ? { end: SSH2_END } : undefined;
}

function problem(code: KeyProblem['code'], message: string = MESSAGES[code]): Omit<KeyProblem, 'line'> {
  return { code, message };
}

type ReadLine = Omit<AuthorizedKey, 'number'>;

function parseLine(line: string): ReadLine | Omit<KeyProblem, 'line'> {
  if (line.startsWith('\uFEFF')) return problem('malformed', MESSAGES['byte-order-mark']);
  if (line.length > MAX_LINE) return problem('malformed', MESSAGES['too-long']);
  const type = firstWord(line);
  if (KEY_TYPES.has(type)) return parseKey(line, NO_OPTIONS, '');
  if (CERTIFICATE.test(type)) return problem('certificate');
  // What looks like a key is one that we do not know; options are in front of what is one.
  if (TYPE_LIKE.test(type)) return problem('unsupported');
  if (!KEY_INSIDE.test(line)) return problem('malformed');
  const parsed = parseLineOptions(line);
  if ('problem' in parsed) return problem('options', parsed.problem);
  const { options, end } = parsed;
  const text = line.slice(0, end);
  if (/\p{C}/u.test(text)) return problem('options');
  return parseKey(withoutBlanks(line.slice(end)), options, `${text} `);
}

const firstWord = (line: string): string => /^[^ \t]*/.exec(line)?.[0] ?? '';

/** A line from its key type on, and what stood in front of it. */
function parseKey(line: string, options: LineOptions, prefix: string): ReadLine | Omit<KeyProblem, 'line'> {
  const [type = '', base64 = '', ...words] = line.split(/[ \t]+/);
  if (CERTIFICATE.test(type)) return problem('certificate');
  if (!KEY_TYPES.has(type)) return problem(TYPE_LIKE.test(type) ? 'unsupported' : 'malformed');
  const comment = words.join(' ');
  // Comments are shown in status and logs: no control characters, nothing that turns a line round.
  // And no second key, whose line break was lost: reading only the first would be reading half.
  if (/\p{C}/u.test(comment) || KEY_INSIDE.test(` ${comment}`)) return problem('malformed');
  try {
    const key = PublicKey.fromLine(`${type} ${base64}`);
    if (options.verifyRequired && !options.isAuthority && !key.isSecurityKey)
      return problem('options', MESSAGES['verify-required']);
    return { key, comment, options, bare: `${prefix}${key.toLine()}`, line: `${prefix}${key.toLine(comment)}` };
  } catch (thrown) {
    const code = PROBLEM_BY_ERROR.get(asSshError(thrown).code);
    if (code === undefined) throw thrown;
    return problem(code);
  }
}
