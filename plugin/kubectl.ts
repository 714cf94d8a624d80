/** All that is asked of the cluster is asked through the kubectl that called us: its user, its rights, its login. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { Problem } from './problem.ts';

export type Kubectl = (...args: readonly string[]) => Promise<string>;

/** @param flags cluster and namespace, for every call */
export function kubectlWith(flags: readonly string[]): Kubectl {
  return async (...args) => {
    // A plugin's environment has no path of kubectl; who types `kubectl sshaccess` has it in PATH.
    const child = spawn(process.env['KUBECTL'] ?? 'kubectl', [...args, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once('error', () =>
        reject(new Problem('kubectl cannot be started; put it into PATH, or its path into KUBECTL')),
      );
      child.once('close', resolve);
    });
    const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    if (code !== 0) throw new Problem(stderr.trim() || `kubectl ${args.join(' ')} ended with ${code}`);
    return stdout;
  };
}
