import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const PACKAGES = { ssh: 'openssh-client', 'ssh-keygen': 'openssh-client', sshd: 'openssh-server' } as const;

/** The path of OpenSSH's own program. Without it no test may pass, or be skipped: throws, and says what to install. */
export function openSsh(program: keyof typeof PACKAGES): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/sbin', '/usr/lib/ssh'];
  const path = folders.map((folder) => join(folder, program)).find((candidate) => existsSync(candidate));
  if (path !== undefined) return path;
  throw new Error(`${program} is missing, and these tests talk to it: apt-get install ${PACKAGES[program]}`);
}

/** The key exchange methods that the local OpenSSH knows: mlkem768x25519-sha256 from 9.9 on. */
export function openSshKex(): string[] {
  return execFileSync(openSsh('ssh'), ['-Q', 'kex'], { encoding: 'utf8' }).trim().split('\n');
}

/** What a default OpenSSH and we must agree on: the best that both have. */
export function bestKexWithOpenSsh(): string {
  return openSshKex().includes('mlkem768x25519-sha256') ? 'mlkem768x25519-sha256' : 'curve25519-sha256';
}

/** A directory for one test's keys and configurations. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sshaccess-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export type GeneratedKey = { path: string; privateKey: string; publicLine: string };

/** Runs ssh-keygen; `type` as it takes it, for example ['-t', 'ecdsa', '-b', '384']. */
export function sshKeygen(directory: string, name: string, type: readonly string[]): GeneratedKey {
  const path = join(directory, name);
  execFileSync(openSsh('ssh-keygen'), ['-q', ...type, '-N', '', '-C', name, '-f', path]);
  return { path, privateKey: readFileSync(path, 'utf8'), publicLine: readFileSync(`${path}.pub`, 'utf8').trim() };
}
