import { spawn } from 'node:child_process';
import { existsSync, openSync, closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../../scripts/machine/command.ts';
import { SetupError } from '../../../scripts/machine/errors.ts';
import type { ClusterNames } from '../names.ts';
import { podNetwork } from './settings.ts';
import { processesOf, type ProcessId } from './processes.ts';

/** The running node of that name, whoever started it: there is one process 1 for each name. */
export async function findNode(names: ClusterNames): Promise<ProcessId | undefined> {
  return (await processesOf(names.initProgram))[0];
}

/**
 * Starts the node's process 1 in process, mount and network namespaces of its own. It has its own session, so it
 * outlives this program; `--kill-child` ends the node if the `unshare` that waits for it is killed.
 */
export async function startNode(names: ClusterNames, logs: string): Promise<ProcessId> {
  const log = openSync(join(logs, 'node.log'), 'a');
  const namespaces = ['--pid', '--mount', '--net', '--fork', '--kill-child'];
  const script = join(import.meta.dirname, 'node.sh');
  const child = spawn('unshare', [...namespaces, '/bin/sh', script, names.folder, names.initProgram], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
  });
  child.unref();
  closeSync(log);
  for (let wait = 0; wait < 200; wait += 1) {
    const node = await findNode(names);
    if (node !== undefined) return node;
    if (child.exitCode !== null) break;
    await delay(25);
  }
  const said = existsSync(join(logs, 'node.log')) ? await readFile(join(logs, 'node.log'), 'utf8') : '';
  throw new SetupError('NODE_FAILED', `The cluster's node could not be laid out (are you root?):\n${said.trim()}`);
}

/** A link between this machine and the node, an address for both, and the node as a router for its pods. */
export async function connectNode(names: ClusterNames, node: ProcessId): Promise<void> {
  const { hostLink, hostAddress, nodeAddress } = names;
  await run('ip', ['link', 'add', hostLink, 'type', 'veth', 'peer', 'name', 'node0', 'netns', String(node.pid)]);
  await run('ip', ['address', 'add', `${hostAddress}/30`, 'dev', hostLink]);
  await run('ip', ['link', 'set', hostLink, 'up']);
  await inNode(
    node,
    `ip link set lo up
     ip address add ${nodeAddress}/30 dev node0
     ip link set node0 up
     # Without a route to them, connections to Service addresses fail before kube-proxy's rules see them.
     ip route add default via ${hostAddress}
     echo 1 >/proc/sys/net/ipv4/ip_forward
     # This machine knows no way back to pods.
     iptables -w -t nat -A POSTROUTING -s ${podNetwork} -o node0 -j MASQUERADE`,
  );
}

const enter = (node: ProcessId): string[] => ['--target', String(node.pid), '--pid', '--mount', '--net', '--'];

/** Runs a shell script inside the node; answers what it printed. */
export function inNode(node: ProcessId, script: string, ...args: readonly string[]): Promise<string> {
  return run('nsenter', [...enter(node), '/bin/sh', '-euc', script, 'sh', ...args], { cwd: '/' });
}

/** Starts a program in the node, with a session of its own; process 1 of the node becomes its parent. */
export async function launch(node: ProcessId, log: string, program: string, args: readonly string[]): Promise<void> {
  await inNode(node, 'log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 &', log, program, ...args);
}
