import { expect, test } from 'vitest';
import { KEY_STATUS_LIMITS } from '../crds/index.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { publicLine, secret } from './testing/samples.ts';
import { readUserKeys } from './user-keys.ts';

const user = { username: 'acme-web', secretName: 'alice-key' };
const read = (data: Record<string, string>) => readUserKeys(user, secret(data));
const reasons = (data: Record<string, string>) => read(data).problems.map(({ reason }) => reason);

test('keys of both data keys are joined, comments dropped, and each counted once', () => {
  const [one, two] = [publicLine(), publicLine()];
  const keys = read({ 'ssh-publickey': one, authorized_keys: `# mine\n${two}\n\n${one}\n`, other: 'x' });
  expect(keys.problems).toEqual([]);
  expect(keys.lines).toEqual([one, two].map((line) => line.replace(' alice@laptop', '')));
  expect(keys.fingerprints.every((fingerprint) => fingerprint.startsWith('SHA256:'))).toBe(true);
});

test('A9: a missing Secret and one without keys say what to do', () => {
  expect(readUserKeys(user, undefined).problems[0]?.message).toBe(
    'acme-web: there is no Secret alice-key; create it with a public key under ssh-publickey',
  );
  expect(reasons({})).toEqual(['NoKeys']);
  expect(reasons({ 'ssh-publickey': '\n' })).toEqual(['NoKeys']);
});

test('A7: a private key anywhere refuses the whole user, and is quoted nowhere', () => {
  const pem = PrivateKey.generateEd25519().toOpenSsh();
  const secrets: Record<string, string>[] = [
    { 'ssh-publickey': publicLine(), 'ssh-privatekey': pem },
    { 'ssh-publickey': `${publicLine()}\n${pem}` },
    { authorized_keys: publicLine(), id: '-----BEGIN RSA PRIVATE KEY-----\nabc' },
    { authorized_keys: publicLine(), ppk: 'PuTTY-User-Key-File-3: ssh-ed25519' },
  ];
  for (const data of secrets) {
    const keys = read(data);
    expect(keys.lines).toEqual([]);
    expect(keys.problems.map(({ reason }) => reason)).toEqual(['PrivateKeyInSecret']);
    expect(JSON.stringify(keys)).not.toContain(pem.split('\n')[1]);
  }
});

test('bad lines are named by number, good ones keep working', () => {
  const keys = read({ authorized_keys: `${publicLine()}\ntunnel="1" ${publicLine()}\nssh-ed25519 AAAA` });
  expect(keys.lines).toHaveLength(1);
  expect(keys.problems.map(({ reason }) => reason)).toEqual(['KeyNotUsable', 'KeyNotUsable']);
  expect(keys.problems[0]?.message).toContain('line 2 of the Secret alice-key');
});

test('A7: options pass on as they were written, and what is not honoured is refused in a sentence', () => {
  const bare = publicLine().replace(' alice@laptop', '');
  const good = [`restrict,pty,from="10.0.0.0/8" ${bare}`, `cert-authority,principals="ops,dev" ${bare}`, bare];
  const keys = read({
    authorized_keys: [
      ...good,
      `environment="A=b" ${bare}`,
      `no-pty,hurry ${bare}`,
      `permitopen="db:5432" ${bare}`,
    ].join('\n'),
  });
  expect(keys.lines).toEqual(good);
  const [fingerprint] = keys.fingerprints;
  expect(keys.fingerprints).toEqual([fingerprint, `cert-authority ${fingerprint}`]);
  expect(keys.problems.map(({ reason, message }) => [reason, message])).toEqual([
    ['KeyNotUsable', expect.stringMatching(/line 4 .* environment= is not supported/)],
    ['KeyNotUsable', expect.stringMatching(/line 5 .* the option hurry is not known/)],
    ['KeyNotUsable', expect.stringMatching(/line 6 .* permitopen= leads to the loopback/)],
  ]);
});

test('a forced command is refused where the sshd of the image could not honour it; sftp is not', () => {
  const [forced, sftp] = [`command="rrsync /data" ${publicLine()}`, `command="internal-sftp" ${publicLine()}`];
  const ofSidecar = read({ authorized_keys: `${forced}\n${sftp}` });
  expect([ofSidecar.lines.length, ofSidecar.problems]).toEqual([2, []]);
  const ofImage = readUserKeys(user, secret({ authorized_keys: `${forced}\n${sftp}` }), 'main_container');
  expect(ofImage.lines).toEqual([expect.stringContaining('internal-sftp')]);
  expect(ofImage.problems[0]?.message).toMatch(/line 1 .*command= is not honoured with runtime main_container/);
});

test('no more keys than a route takes', () => {
  const keys = read({ authorized_keys: Array.from({ length: 70 }, () => publicLine()).join('\n') });
  expect(keys.lines).toHaveLength(64);
  expect(keys.problems.map(({ reason }) => reason)).toEqual(['TooManyKeys']);
});

test('no more keys than the users before have left of those of all', () => {
  const text = Array.from({ length: 10 }, () => publicLine()).join('\n');
  const keys = readUserKeys(user, secret({ authorized_keys: text }), 'sidecar', 3);
  expect([keys.lines.length, keys.fingerprints.length]).toEqual([3, 3]);
  expect(keys.problems.map(({ reason }) => reason)).toEqual(['TooManyKeysOfAll']);
  expect(readUserKeys(user, secret({ authorized_keys: text }), 'sidecar', 10).problems).toEqual([]);
});

test('C8: no more than a route has room for, however long their options are: it must stay writable', () => {
  const long = `${'permitopen="localhost:1",'.repeat(600)}pty`;
  const lines = Array.from({ length: 60 }, () => `${long} ${publicLine()}`);
  const keys = read({ authorized_keys: [publicLine(), ...lines].join('\n') });
  // Five users, in a Secret of 1 MiB that holds more than them.
  expect(Buffer.byteLength(JSON.stringify(keys.lines)) * 5).toBeLessThan(2 ** 19);
  expect(keys.lines.length).toBeGreaterThan(1);
  expect(keys.fingerprints).toHaveLength(keys.lines.length);
  expect(keys.problems.map(({ reason }) => reason)).toEqual(['KeysTooLong']);
});

test('status names each key by its fingerprint and comment, shortened, and says which are authorities', () => {
  const bare = publicLine().replace(' alice@laptop', '');
  const long = `${'x'.repeat(62)}👍${'y'.repeat(100)}`;
  const keys = read({
    authorized_keys: [
      `${bare} alice@laptop`,
      `restrict ${bare} again`,
      `cert-authority ${bare} CA of acme`,
      `cert-authority,principals="ops,dev" ${publicLine().replace('alice@laptop', long)}`,
      publicLine().replace(' alice@laptop', ''),
    ].join('\n'),
  });
  const fingerprint: unknown = expect.stringMatching(/^SHA256:/);
  expect(keys.described).toEqual([
    { fingerprint, comment: 'alice@laptop' },
    { fingerprint, comment: 'CA of acme', certAuthority: true },
    { fingerprint, comment: `${'x'.repeat(62)}…`, certAuthority: true, principals: 'ops,dev' },
    { fingerprint },
  ]);
  const many = read({ authorized_keys: Array.from({ length: 40 }, () => publicLine()).join('\n') });
  expect([many.fingerprints.length, many.described.length]).toEqual([40, KEY_STATUS_LIMITS.keys]);
});
