import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { buildServer } from './build-server.ts';
import { testFolder, unprivileged } from './folder.ts';

const program = await buildServer('static');

export type Output = { code: number | null; stdout: string; stderr: string };

/** OpenSSH's own client, connected to our server (`sftp -D`), in an empty folder: local/ is the client's, remote/ ours. */
export async function openSshClient(options: { readOnly?: boolean; unprivileged?: boolean; isJailed?: boolean } = {}) {
  const folder = await testFolder();
  const remote = join(folder, 'remote');
  const local = join(folder, 'local');
  const identity = options.unprivileged ? unprivileged : {};
  const make = spawn('sh', ['-c', 'umask 022 && mkdir remote local'], { cwd: folder, ...identity });
  await once(make, 'close');

  const words = [...(options.readOnly ? ['--read-only'] : []), ...(options.isJailed ? ['--directory', remote] : [])];
  // scp -D runs a program, not a command line.
  const command = join(folder, 'server');
  await writeFile(command, `#!/bin/sh\nexec ${[program, ...words].join(' ')}\n`, { mode: 0o755 });
  const runClient = async (...[client, ...rest]: [string, ...string[]]): Promise<Output> => {
    const child = spawn(client, [...rest], {
      cwd: local,
      env: { PATH: process.env['PATH'], HOME: remote, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...identity,
    });
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    return { code: child.exitCode, stdout, stderr };
  };

  /** Commands of sftp(1), up to the first that fails. */
  const run = async (...commands: string[]): Promise<Output> => {
    const batch = join(folder, 'batch');
    await writeFile(batch, commands.map((line) => `${line}\n`).join(''));
    return runClient('sftp', '-b', batch, '-D', command);
  };
  /** Words of scp(1), which speaks sftp since OpenSSH 9.0. */
  const scp = (...paths: string[]): Promise<Output> => runClient('scp', '-s', '-D', command, ...paths);
  return { remote, local, run, scp };
}
