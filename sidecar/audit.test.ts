import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type AuditEvent, auditLine } from './audit.ts';
import { shellQuote } from './shell-quote.ts';

const subject = { username: 'acme-my-llm', clientAddress: '203.0.113.7', connectionId: 'c-1' };
const now = new Date('2026-11-21T09:08:07.654Z');

test('a connect line and an exec line read as the platform promises', () => {
  expect(auditLine(now, subject, { type: 'connect' })).toBe(
    '2026-11-21T09:08:07Z SSH_AUDIT connect user=acme-my-llm src=203.0.113.7 session=c-1\n',
  );
  expect(auditLine(now, subject, { type: 'exec', command: Buffer.from("echo 'a b'") })).toBe(
    "2026-11-21T09:08:07Z SSH_AUDIT exec user=acme-my-llm src=203.0.113.7 session=c-1 cmd=echo\\ \\'a\\ b\\'\n",
  );
});

test('what the policy forbids never reads as if it had run', () => {
  const line = (event: AuditEvent) => auditLine(now, subject, event).slice(21);
  const who = 'SSH_AUDIT refused user=acme-my-llm src=203.0.113.7 session=c-1';
  expect(line({ type: 'exec', command: Buffer.from('id'), refused: true })).toBe(`${who} cmd=id\n`);
  expect(line({ type: 'subsystem', name: 'sftp', refused: true })).toBe(`${who} subsystem=sftp\n`);
  expect(line({ type: 'connect', refused: true })).toBe(`${who}\n`);
});

test('a forward says what it is, and where to', () => {
  const who = 'user=acme-my-llm src=203.0.113.7 session=c-1';
  expect(auditLine(now, subject, { type: 'forward', kind: 'direct-tcpip', to: '127.0.0.1:80' })).toBe(
    `2026-11-21T09:08:07Z SSH_AUDIT forward ${who} kind=direct-tcpip to=127.0.0.1:80\n`,
  );
  expect(auditLine(now, subject, { type: 'forward', kind: 'tcpip-forward' })).toContain(' kind=tcpip-forward\n');
});

test('a subsystem cannot be mistaken for a command', () => {
  expect(auditLine(now, subject, { type: 'subsystem', name: 'sftp' })).toMatch(/ exec .* subsystem=sftp\n$/);
});

test('C4: nothing that a client sends can forge a line or move a cursor', () => {
  const hostile = Buffer.from('x\n2026 SSH_AUDIT connect user=root\r\u001b[2J\u009b\u2028\u0000');
  const line = auditLine(now, { ...subject, username: 'a\nb' }, { type: 'exec', command: hostile });
  expect(line.slice(0, -1)).toMatch(/^[\x20-\x7e]+$/);
});

test.runIf(existsSync('/bin/bash'))('quoting is exactly what printf %q does, and reads back as the same bytes', () => {
  const words = [''];
  for (let byte = 1; byte < 128; byte++) {
    const character = String.fromCharCode(byte);
    for (const before of ['', 'a', ':', '=', '\u0001']) words.push(before + character, `${before}${character}z`);
  }
  words.push('é', '~root', '#x', 'a#', '日本\n');
  const printed = execFileSync('/bin/bash', ['-c', 'printf "%q\\0" "$@"', 'bash', ...words], {
    env: { LC_ALL: 'C' },
    encoding: 'utf8',
  });
  expect(words.map((word) => shellQuote(Buffer.from(word)))).toEqual(printed.split('\0').slice(0, -1));
});

test('bytes that are no text are quoted too', () => {
  expect(shellQuote(Buffer.of(0xff, 0x00, 0x61))).toBe("$'\\377\\000a'");
});
