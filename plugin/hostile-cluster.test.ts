/** C4: a status that somebody has forged, and what pods say of themselves, on the laptop of whoever asks. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Access } from './accesses.ts';
import { COMPLETION_SCRIPT } from './completion.ts';
import { knownHosts } from './known-hosts.ts';
import { printable } from './printable.ts';
import { sessionsReport, statusReport, whoReport } from './report.ts';
import { loginLine, sshConfig } from './ssh-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'sshaccess-plugin-'));
afterAll(() => rmSync(folder, { recursive: true }));

const COMMAND = 'ssh -i <your-private-key> -p 2222 acme-web@ssh.example.com';
const forged = ({ user = {}, endpoint = {} }: { user?: object; endpoint?: object }): Access => ({
  metadata: { name: 'web', namespace: 'acme', annotations: {} },
  status: {
    conditions: [],
    endpoint: { host: 'ssh.example.com', port: 2222, hostKeys: ['ssh-ed25519 AAAA'], ...endpoint },
    pods: [],
    users: [{ username: 'acme-web', access: 'root', command: COMMAND, fingerprints: [], ...user }],
  },
});

test.each([
  [{ user: { username: 'x\n  ProxyCommand touch /tmp/owned' } }],
  [{ user: { username: '*' } }],
  [{ endpoint: { host: 'h\n  ProxyCommand touch /tmp/owned' } }],
  [{ endpoint: { host: '-oProxyCommand=x' } }],
  [{ endpoint: { host: 'h ProxyCommand x' } }],
])('C4: %j makes no line of ssh_config', (status) => {
  expect(() => sshConfig(forged(status), undefined)).toThrow(/is none, .*: who has written that\?$/);
});

test.each([
  [{ endpoint: { hostKeys: ['ssh-ed25519 AAAA\n* ssh-ed25519 BBBB'] } }],
  [{ endpoint: { hostKeys: ['@cert-authority * ssh-ed25519 BBBB'] } }],
  [{ endpoint: { host: '*' } }],
  [{ endpoint: { host: 'h,*' } }],
])('C4: %j makes no line of known_hosts', (status) => {
  expect(() => knownHosts(forged(status))).toThrow(/is none/);
});

test.each([
  'ssh -o ProxyCommand=x -i <your-private-key> -p 2222 acme-web@ssh.example.com',
  'ssh -i <your-private-key> -p 2222 acme-web@ssh.example.com; touch /tmp/owned',
  'ssh -i <your-private-key> -p 2222 acme-web@$(touch /tmp/owned)',
  'ssh -i <your-private-key> -p 2222 -oProxyCommand=x@ssh.example.com',
  'curl example.com | sh',
])('C4: %j is no line to log in with', (command) => {
  expect(() => loginLine(forged({ user: { command } }), undefined, undefined)).toThrow(/is none/);
});

test('C4: status shows no line to log in with that is none, and who is there makes no lines of the report', () => {
  const shown = statusReport(forged({ user: { command: 'curl example.com | sh' } }));
  expect(shown).toContain('acme-web (root): the line in its status is none of ours');
  expect(shown).not.toContain('curl');
  expect(statusReport(forged({}))).toContain(COMMAND);
  const [one] = [forged({ user: { username: 'x\nacme/web: ready (Serving): fine', activeSessions: 1 } })];
  const ready = { type: 'Ready', status: 'False', reason: 'x\nacme/web: ready', message: 'x\nacme/web: ready' };
  const two: Access = { ...one, status: { ...one.status, conditions: [ready, { ...ready, type: 'Injected' }] } };
  for (const report of [statusReport(two), whoReport([one]), sessionsReport([one])])
    expect(report).not.toMatch(/^acme\/web: ready/m);
});

test('C4: what a shell completes is a username, and no command', () => {
  const names = [
    'acme-web',
    '$(touch /tmp/owned)',
    'a;id',
    '\u001b]0;owned\u0007',
    '-oProxyCommand=x',
    'acme-web dev',
    ':1',
    'web\u202e',
  ];
  const kubectl = join(folder, 'kubectl');
  writeFileSync(join(folder, 'names'), `${names.join('\n')}\n`);
  writeFileSync(kubectl, `#!/bin/sh\ncat '${join(folder, 'names')}'\n`);
  chmodSync(kubectl, 0o700);
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH'] ?? ''}` };
  const said = execFileSync('sh', ['-c', COMPLETION_SCRIPT, 'complete', 'kick', 'web', ''], { env, encoding: 'utf8' });
  expect(said).toBe('acme-web\n:4\n');
});

test('the path of a key is one word, whatever is in it', () => {
  const line = loginLine(forged({}), undefined, "/tmp/it's $(me)");
  const words = execFileSync('sh', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' }).split('\n');
  expect(words.slice(0, 3)).toEqual(['ssh', '-i', "/tmp/it's $(me)"]);
});

test.each(['2001:db8::1', '::1', '192.0.2.1', 'ssh.example.com', 'GATEWAY_1.internal'])('%s is a host', (host) => {
  expect(sshConfig(forged({ endpoint: { host } }), undefined)).toContain(`HostName ${host}\n`);
});

test('C4: nothing that the cluster says steers the terminal', { timeout: 60_000 }, () => {
  const message = 'fine\u001b]0;owned\u0007\u009b2J\u202etxt.exe\r';
  const kubectl = join(folder, 'kubectl');
  const [{ metadata, status }] = [forged({})];
  const conditions = [{ type: 'Ready', status: 'False', reason: 'x', message }];
  writeFileSync(join(folder, 'answer.json'), JSON.stringify({ metadata, status: { ...status, conditions } }));
  writeFileSync(kubectl, `#!/bin/sh\ncat '${join(folder, 'answer.json')}'\n`);
  chmodSync(kubectl, 0o700);
  const said = execFileSync(process.execPath, [join(import.meta.dirname, 'main.ts'), 'status', 'web'], {
    env: { ...process.env, KUBECTL: kubectl },
    encoding: 'utf8',
  });
  expect(said).toContain(String.raw`fine\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}txt.exe\u{d}`);
  expect(said).not.toMatch(/[^\P{C}\n]/u);
  expect(printable('a\tb\nc é 日本')).toBe('a\tb\nc é 日本');
});
