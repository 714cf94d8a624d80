const ESCAPES: Readonly<Record<number, string>> = {
  0x07: '\\a',
  0x08: '\\b',
  0x09: '\\t',
  0x0a: '\\n',
  0x0b: '\\v',
  0x0c: '\\f',
  0x0d: '\\r',
  0x1b: '\\E',
  0x27: "\\'",
  0x5c: '\\\\',
};
const SPECIAL = new Set(Buffer.from(' !"$&\'()*,;<>?[\\]^`{|}'));
const HASH = 0x23;
const TILDE = 0x7e;
const COLON = 0x3a;
const EQUALS = 0x3d;

const isPrintable = (byte: number): boolean => byte >= 0x20 && byte < 0x7f;

/**
 * Quotes bytes exactly as bash's `printf %q` does in the C locale: the result is one line of printable ASCII whatever
 * comes in, so nothing that a client sends can forge a line or move a terminal's cursor. Pasted into bash it is the
 * same bytes again.
 */
export function shellQuote(bytes: Uint8Array): string {
  if (bytes.length === 0) return "''";
  return bytes.every(isPrintable) ? backslashQuote(bytes) : ansiQuote(bytes);
}

function backslashQuote(bytes: Uint8Array): string {
  let quoted = '';
  for (const [index, byte] of bytes.entries()) {
    if (SPECIAL.has(byte) || isSpecialHere(byte, bytes[index - 1])) quoted += '\\';
    quoted += String.fromCharCode(byte);
  }
  return quoted;
}

/** A comment starts only at the start of a word; a tilde expands there and after `:` or `=`. */
function isSpecialHere(byte: number, previous: number | undefined): boolean {
  if (byte === HASH) return previous === undefined;
  return byte === TILDE && (previous === undefined || previous === COLON || previous === EQUALS);
}

function ansiQuote(bytes: Uint8Array): string {
  let quoted = '';
  for (const byte of bytes) {
    const octal = `\\${byte.toString(8).padStart(3, '0')}`;
    quoted += ESCAPES[byte] ?? (isPrintable(byte) ? String.fromCharCode(byte) : octal);
  }
  return `$'${quoted}'`;
}
