import { SshError } from '../errors.ts';

// RFC 4253 §4.2: 255 characters with CR LF; the server may send other lines before its own.
const MAX_IDENT = 255;
const MAX_OTHER_LINE = 1024;
const MAX_OTHER_LINES = 32;
const LF = 0x0a;
const CR = 0x0d;

// §4.2 forbids a minus in the software's name; ssh-keyscan ("OpenSSH-keyscan") and JSch ("JSCH-0.1.54") have one.
const IDENT = /^SSH-2\.0-([\x21-\x7e]+)(?: [\x20-\x7e]*)?$/;

/** Our identification line, without CR LF: that is what enters the exchange hash. */
export function identLine(software: string): string {
  const line = `SSH-2.0-${software}`;
  // OpenSSH's client sends eow@openssh.com only to servers that call themselves so; without it, `ssh host cat | head` hangs.
  if (!software.startsWith('OpenSSH_') || line.length > MAX_IDENT - 2 || !/^[\x20-\x7e]+$/.test(line)) {
    throw new SshError('internal', 'the software name must begin with OpenSSH_ and be short printable US-ASCII');
  }
  return line;
}

export type RemoteIdent = { line: string; software: string };

/** Finds the peer's identification line at the start of its byte stream. */
export class IdentReader {
  readonly #role: 'client' | 'server';
  #line = Buffer.alloc(0);
  #otherLines = 0;

  constructor(role: 'client' | 'server') {
    this.#role = role;
  }

  /** The ident and the bytes after it; undefined when more input is needed. Throws SshError `protocol`. */
  read(chunk: Buffer): { ident: RemoteIdent; rest: Buffer } | undefined {
    let rest = chunk;
    for (;;) {
      const end = rest.indexOf(LF);
      const piece = end < 0 ? rest : rest.subarray(0, end);
      if (this.#line.length + piece.length > MAX_OTHER_LINE) throw tooLong();
      this.#line = Buffer.concat([this.#line, piece]);
      // A server refuses what cannot become an ident at its first byte that shows it.
      if (this.#role === 'server') this.#checkClientPrefix();
      if (end < 0) return undefined;
      rest = rest.subarray(end + 1);
      const line = this.#finishLine();
      if (line.startsWith('SSH-')) return { ident: parseIdent(line), rest };
      if (++this.#otherLines > MAX_OTHER_LINES) {
        throw new SshError('protocol', 'the server sent too many lines before its identification');
      }
    }
  }

  #checkClientPrefix(): void {
    const prefix = this.#line.toString('latin1', 0, 8);
    if (!'SSH-2.0-'.startsWith(prefix)) {
      throw new SshError('protocol', 'the client does not speak SSH 2.0');
    }
    if (this.#line.length >= MAX_IDENT) throw tooLong();
  }

  #finishLine(): string {
    const line = this.#line;
    this.#line = Buffer.alloc(0);
    // RFC 4253 §4.2 wants CR LF; old implementations send LF only, and OpenSSH accepts it.
    return line.toString('latin1', 0, line.at(-1) === CR ? line.length - 1 : line.length);
  }
}

function tooLong(): SshError {
  return new SshError('protocol', 'the identification line is too long');
}

function parseIdent(line: string): RemoteIdent {
  if (line.length > MAX_IDENT - 2) throw tooLong();
  const software = IDENT.exec(line)?.[1];
  if (software === undefined) throw new SshError('protocol', 'the identification line is malformed');
  return { line, software };
}
