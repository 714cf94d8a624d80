import { spawn } from 'node:child_process';
import { existsSync, openSync, closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../../scripts/machine/command.ts';
import { SetupError } from '../../../scripts/machine/errors.ts';
import type { ClusterNames } from '../names.ts';
import { makeCgroups } from './cgroups.ts';
import { CHAINS_SET_UP } from './network-policies/chains.ts';
import { dnsAddress, podNetwork } from './settings.ts';
import { processesOf, type ProcessId } from '../../../scripts/machine/processes.ts';

/** The running node of that name, whoever started it: there is one process 1 for each name. */
export async function findNode(names: ClusterNames): Promise<ProcessId | undefined> {
  return (await processesOf(names.initProgram))[0];
}

/**
 * Starts the node's process 1 in process, mount and network namespaces, a session and cgroups of its own: it outlives
 * this program, and whatever ends or limits this program's cgroup.
 */
export async function startNode(names: ClusterNames, logs: string): Promise<ProcessId> {
  const log = openSync(join(logs, 'node.log'), 'a');
  const unshare = ['unshare', '--pid', '--mount', '--net', '--fork', '/bin/sh'];
  const node = [join(import.meta.dirname, 'node.sh'), names.folder, names.initProgram];
  const child = spawn('/bin/sh', ['-euc', `${await enterCgroups(names)}; exec "$@"`, 'sh', ...unshare, ...node], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
  });
  child.unref();
  closeSync(log);
  for (let wait = 0; wait < 200; wait += 1) {
    const started = await findNode(names);
    if (started !== undefined) return started;
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
     iptables -w -t nat -A POSTROUTING -s ${podNetwork} -o node0 -j MASQUERADE
     iptables -w -A FORWARD -d ${dnsAddress} -j REJECT
     ${CHAINS_SET_UP}`,
  );
}

/** The arguments that let `nsenter` start a program in the node. */
export function enter(node: ProcessId): string[] {
  return ['--target', String(node.pid), '--pid', '--mount', '--net', '--'];
}

/** Runs a shell script inside the node; answers what it printed. */
export function inNode(node: ProcessId, script: string, ...args: readonly string[]): Promise<string> {
  return run('nsenter', [...enter(node), '/bin/sh', '-euc', script, 'sh', ...args], { cwd: '/' });
}

/** Shell that moves itself out of its caller's cgroups into the node's: in every hierarchy, or the only one. */
async function enterCgroups(names: ClusterNames): Promise<string> {
  const folders = await makeCgroups(`${names.cgroup}/node`);
  return `for folder in ${folders.join(' ')}; do echo 0 >"$folder/cgroup.procs"; done`;
}

/** Answers a function that starts a program in the node, in a session of its own; the node's process 1 adopts it. */
export async function launcher(
  names: ClusterNames,
  node: ProcessId,
): Promise<(log: string, program: string, args: readonly string[]) => Promise<string>> {
  const script = `${await enterCgroups(names)}; log=$1; shift; setsid "$@" </dev/null >>"$log" 2>&1 &`;
  return (log, program, args) => inNode(node, script, log, program, ...args);
}
