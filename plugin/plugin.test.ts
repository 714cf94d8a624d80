import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import type { Access } from './accesses.ts';
import { COMMANDS, readCommandLine } from './command-line.ts';
import { fingerprintOf, keyLine } from './key-match.ts';
import { kickAnnotation } from './kick.ts';
import { knownHosts } from './known-hosts.ts';
import { newKey } from './keygen.ts';
import { sessionsReport, statusReport, whoReport } from './report.ts';
import { loginLine, sshConfig } from './ssh-config.ts';
import { checkedId, linesAbout } from './why.ts';

const folder = mkdtempSync(join(tmpdir(), 'sshaccess-plugin-'));
afterAll(() => rmSync(folder, { recursive: true }));

const COMMAND = 'ssh -i <your-private-key> -p 2222 acme-hello@ssh.example.com';
const access: Access = {
  metadata: {
    name: 'hello',
    namespace: 'acme',
    annotations: { 'sshaccess.dev/kick': 'acme-gone@2026-01-01T00:00:00Z,acme-hello-dev@2026-01-01T00:00:00Z' },
  },
  status: {
    conditions: [
      { type: 'Ready', status: 'True', reason: 'SshReady', message: '1 of 1 pods.' },
      { type: 'KeysValid', status: 'False', reason: 'SecretNotFound', message: 'There is no Secret dev-key.' },
    ],
    endpoint: { host: 'ssh.example.com', port: 2222, hostKeys: ['ssh-ed25519 AAAA', 'ssh-rsa BBBB'] },
    pods: [{ name: 'hello-0', ready: true }],
    users: [
      {
        username: 'acme-hello',
        access: 'root',
        command: COMMAND,
        fingerprints: ['SHA256:root'],
        activeSessions: 2,
        lastLogin: '2026-01-02T03:04:05Z',
      },
      { username: 'acme-hello-dev', access: 'limited', fingerprints: [] },
    ],
  },
};

describe('the command line', () => {
  test('passes on what kubectl knows', () => {
    const line = readCommandLine(['status', 'hello', '-n', 'acme', '--context', 'c']);
    expect(line).toMatchObject({
      command: 'status',
      words: ['hello'],
      kubectlFlags: ['--namespace=acme', '--context=c'],
    });
  });

  test.each([[['forward']], [['toString']], [['status', '--wide']]])('%j is refused with a sentence', (args) => {
    expect(() => readCommandLine(args)).toThrow(/command|option/);
  });

  test.each(Object.keys(COMMANDS))('%s has a row in docs/kubectl-plugin.md', (command) => {
    const page = readFileSync(join(import.meta.dirname, '../docs/kubectl-plugin.md'), 'utf8');
    expect(page).toMatch(new RegExp(`^\\| \`kubectl sshaccess ${command}[ \`]`, 'm'));
  });

  test.each([[[]], [['help']], [['who', '-h']]])('%j asks for help', (args) => {
    expect(readCommandLine(args)).toBeUndefined();
  });
});

describe('keygen', () => {
  const key = newKey('alice-key', 'acme', 'alice@laptop');

  test('makes a pair that ssh-keygen takes for one', () => {
    const file = join(folder, 'key');
    writeFileSync(file, key.privateKey, { mode: 0o600 });
    expect(execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' }).trim()).toBe(key.publicLine);
    expect(execFileSync('ssh-keygen', ['-l', '-f', file], { encoding: 'utf8' })).toContain(key.fingerprint);
  });

  test('the Secret has the public half, and nothing of the private', () => {
    expect(parse(key.secret)).toMatchObject({
      kind: 'Secret',
      metadata: { name: 'alice-key', namespace: 'acme' },
      stringData: { 'ssh-publickey': `${key.publicLine}\n` },
    });
    // Whole: people copy it out of what they see.
    expect(key.secret).toContain(key.publicLine);
    const secretLines = key.privateKey.split('\n').slice(1, -2);
    for (const line of secretLines) expect(key.secret).not.toContain(line);
  });

  test('as a program: it writes a file that only its owner reads, and never over one', { timeout: 60_000 }, () => {
    const run = () =>
      execFileSync(process.execPath, [join(import.meta.dirname, 'main.ts'), 'keygen', 'bob-key', '-n', 'acme'], {
        cwd: folder,
        encoding: 'utf8',
        stdio: 'pipe',
      });
    const Secret = z.object({ stringData: z.object({ 'ssh-publickey': z.string() }) });
    expect(Secret.parse(parse(run())).stringData['ssh-publickey']).toBe(
      readFileSync(join(folder, 'bob-key.pub'), 'utf8'),
    );
    expect(statSync(join(folder, 'bob-key')).mode & 0o777).toBe(0o600);
    expect(run).toThrow(/is there already/);
  });
});

test('config is what ssh reads', () => {
  const file = join(folder, 'config');
  writeFileSync(file, sshConfig(access, '/home/alice/my key'));
  const read = execFileSync('ssh', ['-G', '-F', file, 'acme-hello'], { encoding: 'utf8' });
  for (const line of ['user acme-hello', 'hostname ssh.example.com', 'port 2222', 'identityfile /home/alice/my key'])
    expect(read.split('\n')).toContain(line);
  expect(sshConfig(access, undefined)).not.toContain('acme-hello-dev');
});

test('command is the line of the user, or says why there is none', () => {
  expect(loginLine(access, undefined, undefined)).toBe(COMMAND);
  expect(loginLine(access, 'acme-hello', '~/.ssh/k')).toBe('ssh -i ~/.ssh/k -p 2222 acme-hello@ssh.example.com');
  expect(() => loginLine(access, 'acme-hello-dev', undefined)).toThrow(
    /may not log in; kubectl sshaccess status hello/,
  );
  expect(() => loginLine(access, 'acme-else', undefined)).toThrow(/it has: acme-hello, acme-hello-dev/);
});

test('status says what holds, what does not, and who may log in', () => {
  expect(statusReport(access).split('\n')).toEqual([
    'acme/hello: ready (SshReady): 1 of 1 pods.',
    '  KeysValid: SecretNotFound: There is no Secret dev-key.',
    '  pod hello-0: ready',
    `  acme-hello (root): ${COMMAND}`,
    '  acme-hello-dev (limited): may not log in',
  ]);
});

describe('a key beside the status', () => {
  test('is somebody’s, by its fingerprint', () => {
    expect(keyLine(access, 'SHA256:root', 'k')).toBe('  SHA256:root (k) is a key of acme-hello');
  });

  test('is nobody’s, and those that would do are named', () => {
    expect(keyLine(access, 'SHA256:mine', 'k').split('\n')).toEqual([
      '  SHA256:mine (k) is the key of no user of acme/hello; these are:',
      '    acme-hello: SHA256:root',
      '    acme-hello-dev: none',
    ]);
  });

  test.each([['ed25519'], ['ecdsa']])('%s: the fingerprint is known without the passphrase', async (type) => {
    const file = join(folder, `locked-${type}`);
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', 'secret', '-f', file]);
    const listed = execFileSync('ssh-keygen', ['-l', '-f', `${file}.pub`], { encoding: 'utf8' });
    expect(listed).toContain(await fingerprintOf(file));
    await expect(fingerprintOf('/dev/null')).rejects.toThrow(/is it a key/);
  });
});

test('who is a table', () => {
  expect(whoReport([access]).split('\n')).toEqual([
    'USERNAME         SSHACCESS   ACCESS    SESSIONS   LAST LOGIN',
    'acme-hello       hello       root      2          2026-01-02T03:04:05Z',
    'acme-hello-dev   hello       limited   0          never',
  ]);
});

test('sessions is who is there', () => {
  expect(sessionsReport([access]).split('\n')).toEqual([
    'USERNAME     SSHACCESS   SESSIONS',
    'acme-hello   hello       2',
  ]);
  expect(sessionsReport([])).toBe('nobody is there');
});

describe('known-hosts', () => {
  const at = (endpoint?: Access['status']['endpoint']) => ({ ...access, status: { ...access.status, endpoint } });

  test('names the port where it is not the usual one', () => {
    expect(knownHosts(access).split('\n')).toEqual([
      '[ssh.example.com]:2222 ssh-ed25519 AAAA',
      '[ssh.example.com]:2222 ssh-rsa BBBB',
    ]);
    expect(knownHosts(at({ host: 'h', port: 22, hostKeys: ['ssh-ed25519 AAAA'] }))).toBe('h ssh-ed25519 AAAA');
  });

  test.each([[undefined], [{ host: 'h', port: 22 }], [{ host: 'h', port: 22, hostKeys: [] }]])(
    '%j: nothing is made up',
    (endpoint) => {
      expect(() => knownHosts(at(endpoint))).toThrow(/does not say yet/);
    },
  );
});

describe('kick', () => {
  const now = new Date('2026-02-01T00:00:00Z');

  test('is a user and a time; of the others those stay that are users', () => {
    expect(kickAnnotation(access, 'acme-hello', now)).toBe(
      'acme-hello-dev@2026-01-01T00:00:00Z,acme-hello@2026-02-01T00:00:00.000Z',
    );
  });

  test('takes the later of our clock and the last login', () => {
    expect(kickAnnotation(access, 'acme-hello', new Date(0))).toMatch(/acme-hello@2026-01-02T03:04:06\.000Z$/);
  });

  test('is for users of that SshAccess', () => {
    expect(() => kickAnnotation(access, 'acme-else', now)).toThrow(/has no user acme-else; it has: acme-hello, /);
  });
});

describe('why', () => {
  const log = [
    '{"level":"info","time":"2026-01-02T03:04:05Z","msg":"connection","connection":"0011","event":"refused","reason":"disabled"}',
    '{"level":"info","time":"2026-01-02T03:04:06Z","msg":"connection","connection":"0022","username":"0011"}',
    'not json 0011',
  ].join('\n');

  test('shows the lines of that connection, and no others that name it', () => {
    expect(linesAbout('0011', log)).toMatch(/^2026-01-02T03:04:05Z connection .*"reason":"disabled".*$/);
  });

  test.each(['', '../x', 'a b', '--all'])('%j is no id', (id) => {
    expect(() => checkedId(id)).toThrow(/id of a connection/);
  });
});
