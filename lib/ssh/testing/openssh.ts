import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether the real OpenSSH is here (Debian: openssh-client, openssh-server). */
export const hasOpenSsh = spawnSync('ssh', ['-V']).status === 0;
export const sshdPath = ['/usr/sbin/sshd', '/usr/bin/sshd', '/usr/lib/ssh/sshd'].find((path) => existsSync(path));

/** A directory for one test's keys and configurations. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'sshaccess-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export type GeneratedKey = { path: string; privateKey: string; publicLine: string };

/** Runs ssh-keygen; `type` as it takes it, for example ['-t', 'ecdsa', '-b', '384']. */
export function sshKeygen(directory: string, name: string, type: readonly string[]): GeneratedKey {
  const path = join(directory, name);
  execFileSync('ssh-keygen', ['-q', ...type, '-N', '', '-C', name, '-f', path]);
  return { path, privateKey: readFileSync(path, 'utf8'), publicLine: readFileSync(`${path}.pub`, 'utf8').trim() };
}
