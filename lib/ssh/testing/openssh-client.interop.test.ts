import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PublicKey } from '../keys/public-key.ts';
import { PrivateKey } from '../keys/private-key.ts';
import { DEFAULT_ALGORITHMS } from '../transport/algorithms.ts';
import type { LoginServer } from './login-server.ts';
import { listenForLogins } from './login-server.ts';
import type { GeneratedKey } from './openssh.ts';
import { bestKexWithOpenSsh, openSsh, openSshKex, sshKeygen, temporaryDirectory } from './openssh.ts';

const TYPES = {
  ed25519: ['-t', 'ed25519'],
  ecdsa256: ['-t', 'ecdsa', '-b', '256'],
  ecdsa521: ['-t', 'ecdsa', '-b', '521'],
  rsa: ['-t', 'rsa', '-b', '2048'],
  unknown: ['-t', 'ed25519'],
} as const;

describe("OpenSSH's client", { timeout: 60_000 }, () => {
  const directory = temporaryDirectory();
  const keys = new Map<string, GeneratedKey>();
  let server: LoginServer;
  /** It offers every cipher, which our servers do not to this client. */
  let everything: LoginServer;

  beforeAll(async () => {
    for (const [name, type] of Object.entries(TYPES)) keys.set(name, sshKeygen(directory.path, name, type));
    const known = [...keys].filter(([name]) => name !== 'unknown').map(([, key]) => PublicKey.fromLine(key.publicLine));
    server = await listenForLogins(known);
    everything = await listenForLogins(known, { algorithms: { cipher: DEFAULT_ALGORITHMS.cipher } });
  });
  afterAll(() => {
    server.close();
    everything.close();
    directory.remove();
  });

  async function ssh(key: string, options: readonly string[] = [], to = server): Promise<string> {
    const fixed = ['-v', '-F', 'none', '-p', String(to.port), '-o', 'BatchMode=yes', '-o', 'IdentitiesOnly=yes'];
    const host = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'];
    const identity = ['-i', keys.get(key)?.path ?? ''];
    const child = spawn(openSsh('ssh'), [...fixed, ...host, ...identity, ...options, 'acme@127.0.0.1', 'true'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env['PATH'] },
    });
    return text(child.stderr);
  }

  test.each(['ed25519', 'ecdsa256', 'ecdsa521', 'rsa'])('logs in with %s', async (name) => {
    const output = await ssh(name);
    expect(output).toContain('using "publickey"');
    expect(output).toContain('that was all');
    expect(output).toMatch(/server-sig-algs=<ssh-ed25519,.*rsa-sha2-256>/);
    expect(server.records.at(-1)).toMatchObject({
      username: 'acme',
      fingerprint: PublicKey.fromLine(keys.get(name)?.publicLine ?? '').fingerprint,
    });
  });

  test('gets AES-GCM, whatever it prefers', async () => {
    expect(await ssh('ed25519')).toContain('using "publickey"');
    const gcm = 'aes128-gcm@openssh.com';
    expect(server.records.at(-1)?.negotiated).toMatchObject({ cipherIn: gcm, cipherOut: gcm });
  });

  test('is told what there is when it insists on AES-CTR', async () => {
    const output = await ssh('ed25519', ['-c', 'aes128-ctr']);
    expect(output).toMatch(/no matching cipher found.*aes128-gcm@openssh.com,aes256-gcm@openssh.com/);
  });

  test.each(DEFAULT_ALGORITHMS.cipher)('with %s, where we offer it', async (cipher) => {
    expect(await ssh('ed25519', ['-c', cipher], everything)).toContain('using "publickey"');
    expect(everything.records.at(-1)?.negotiated).toMatchObject({ cipherIn: cipher, cipherOut: cipher });
  });

  test.each(DEFAULT_ALGORITHMS.mac)('with %s', async (mac) => {
    expect(await ssh('ed25519', ['-c', 'aes256-ctr', '-m', mac], everything)).toContain('using "publickey"');
  });

  const known = openSshKex();

  test.each(DEFAULT_ALGORITHMS.kex.filter((kex) => known.includes(kex)))('with %s', async (kex) => {
    expect(await ssh('ed25519', ['-o', `KexAlgorithms=${kex}`])).toContain('using "publickey"');
    expect(server.records.at(-1)?.negotiated?.kex).toBe(kex);
  });

  const best = bestKexWithOpenSsh();
  test(`negotiates ${best} by itself, the best that this OpenSSH has`, async () => {
    expect(await ssh('ed25519')).toContain('using "publickey"');
    expect(server.records.at(-1)?.negotiated?.kex).toBe(best);
  });

  test('speaks strict key exchange with us, when it can', async () => {
    const output = await ssh('ed25519', ['-vv']);
    expect(output).toContain('kex-strict-s-v00@openssh.com');
    expect(output).not.toContain('kex error');
  });

  test('is refused with a key that is not registered', async () => {
    const output = await ssh('unknown');
    expect(output).toContain('Permission denied (publickey)');
    expect(server.records.at(-1)?.username).toBeUndefined();
  });

  test('is refused when it only knows what we do not offer', async () => {
    expect(await ssh('ed25519', ['-o', 'KexAlgorithms=diffie-hellman-group14-sha256'])).toContain(
      'no matching key exchange method',
    );
    expect(await ssh('rsa', ['-o', 'PubkeyAcceptedAlgorithms=ssh-rsa'])).not.toContain('using "publickey"');
  });

  test.each([
    ['ecdsa', ['-t', 'ecdsa', '-b', '384']],
    ['rsa', ['-t', 'rsa', '-b', '2048']],
  ])('accepts a host key of %s', async (name, type) => {
    const hostKey = PrivateKey.parse(sshKeygen(directory.path, `host-${name}`, type).privateKey);
    const other = await listenForLogins([PublicKey.fromLine(keys.get('ed25519')?.publicLine ?? '')], {
      hostKeys: [hostKey],
    });
    try {
      expect(await ssh('ed25519', [], other)).toContain('using "publickey"');
    } finally {
      other.close();
    }
  });
});
