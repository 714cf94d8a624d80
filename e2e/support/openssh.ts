import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demo } from './demo.ts';
import { type Finished, type RunOptions, run, succeed } from './process.ts';

export type Login = { user: string; key: string };

/** A scratch folder for keys, known_hosts and transferred files, removed with {@link disposeScratch}. */
export const scratch = mkdtempSync(join(tmpdir(), 'sshaccess-e2e-'));
export const disposeScratch = (): void => rmSync(scratch, { recursive: true, force: true });

export const rootLogin = (): Login => ({ user: demo().rootUser, key: demo().rootKey });
export const limitedLogin = (): Login => ({ user: demo().limitedUser, key: demo().limitedKey });

/** Options of every OpenSSH client here: no configuration of the machine's, first host key kept, then compared. */
export function clientOptions(login: Login, knownHosts = join(scratch, 'known_hosts')): string[] {
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=accept-new',
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=/dev/null',
    'ConnectTimeout=20',
    'LogLevel=ERROR',
  ];
  return ['-F', 'none', '-i', login.key, ...options.flatMap((option) => ['-o', option])];
}

const destination = (login: Login): string => `${login.user}@${demo().sshHost}`;

/** The command line of `ssh`, for tests that need to wrap it. */
export function sshCommand(login: Login, options: readonly string[], ...command: string[]): string[] {
  // Of an option that is given twice, OpenSSH takes the first.
  return ['ssh', ...options, ...clientOptions(login), '-p', String(demo().sshPort), destination(login), ...command];
}

/** Runs `ssh` with a remote command. */
export const ssh = (
  login: Login,
  command: string,
  options: RunOptions & { ssh?: readonly string[] } = {},
): Promise<Finished> => run(sshCommand(login, options.ssh ?? [], command), options);

/** Runs `scp` from a local path to a remote one or back; `remote:` stands for the user and host. */
export const scp = (login: Login, from: string, to: string, ...flags: string[]): Promise<Finished> => {
  const place = (path: string) => path.replace(/^remote:/, `${destination(login)}:`);
  return run(['scp', ...clientOptions(login), '-P', String(demo().sshPort), ...flags, place(from), place(to)], {
    timeoutMs: 120_000,
  });
};

/** Runs a batch of sftp commands. */
export const sftp = (login: Login, batch: string, ...flags: string[]): Promise<Finished> =>
  run(['sftp', ...flags, ...clientOptions(login), '-P', String(demo().sshPort), '-b', '-', destination(login)], {
    input: batch,
    timeoutMs: 120_000,
  });

/** A fresh key pair; answers the path of the private key. */
export async function generateKey(name: string, type = 'ed25519'): Promise<{ path: string; publicKey: string }> {
  const path = join(scratch, name);
  await succeed(['ssh-keygen', '-q', '-t', type, '-N', '', '-C', `${name}@e2e`, '-f', path]);
  return { path, publicKey: (await succeed(['ssh-keygen', '-y', '-f', path])).trim() };
}
