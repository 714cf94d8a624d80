import { readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { attempt, run } from '../../../scripts/machine/command.ts';
import { SetupError } from '../../../scripts/machine/errors.ts';
import {
  isAlive,
  killExactly,
  namespaceOf,
  processesIn,
  processesInCgroup,
  processesOf,
  programOf,
  type ProcessId,
} from '../../../scripts/machine/processes.ts';
import { clusterFolder } from '../places.ts';
import type { Faults } from '../cluster.ts';
import type { ClusterNames } from '../names.ts';
import type { Tool } from '../tools.ts';
import { waitUntil } from '../wait.ts';
import { startFoundation, startWorkers } from './boot.ts';
import { apiServerPort, foundation, pathOf, type Component } from './components.ts';
import { enter, inNode, launcher } from './node.ts';

const ETCD = 'http://127.0.0.1:2379';
/** For a program to end or to answer, on a machine that has much else to do. */
const LONGEST_S = 120;

/** What can happen to a machine, done to the node on purpose. */
export function faults(names: ClusterNames, node: ProcessId, programOfTool: (name: Tool) => string): Faults {
  const start = async (program: Component['program']): Promise<void> => {
    const component = foundation(names).find((each) => each.program === program);
    if (component === undefined)
      throw new SetupError('NO_COMPONENT', `${program} is no program that can be restarted.`);
    const launch = await launcher(names, node);
    const log = join(clusterFolder(names.name), 'logs', `${program}.log`);
    await launch(log, pathOf(program, programOfTool), component.args);
  };
  const kubectl = (...args: string[]): ReturnType<typeof attempt> => {
    const kubeconfig = join(clusterFolder(names.name), 'kubeconfig');
    return attempt(programOfTool('kubectl'), ['--kubeconfig', kubeconfig, '--request-timeout=5s', ...args]);
  };
  return {
    stopApiServer: async () => killAll(await running(node, 'kube-apiserver')),
    startApiServer: async () => {
      if ((await running(node, 'kube-apiserver')).length === 0) await start('kube-apiserver');
      await waitUntil('kube-apiserver', LONGEST_S, async () => complaint(await kubectl('get', '--raw=/readyz')));
    },
    restartContainerd: async () => {
      await killAll(await running(node, 'containerd'));
      await start('containerd');
      const ctr = [...enter(node), 'ctr', '--address', join(names.folder, 'containerd.sock'), 'version'];
      await waitUntil('containerd', LONGEST_S, async () => complaint(await attempt('nsenter', ctr, { cwd: '/' })));
    },
    reboot: async () => {
      // What starts while we look is killed in the next round.
      for (;;) {
        const all = (await processesInCgroup(names.cgroup)).filter(({ pid }) => pid !== node.pid);
        if (all.length === 0) break;
        await killAll(all);
      }
      // A socket that nobody listens on says that containerd is there.
      await rm(join(names.folder, 'containerd.sock'), { force: true });
      await startFoundation(names, node, programOfTool);
      await startWorkers(names, node, programOfTool);
    },
    compactEtcd: async () => void (await inNetwork(node, COMPACT)),
    kill: async (pod) => {
      const candidates = await processesOf('node');
      const isOfPod = await Promise.all(candidates.map(({ pid }) => isProgramOf(pid, pod, names.cgroup)));
      const ours = candidates.filter((_, index) => isOfPod[index]);
      if (ours.length === 0) throw new SetupError('NO_PROGRAM', `no program of ours runs in the pod ${pod}`);
      await killAll(ours);
    },
    cutOff: async (podAddress) => {
      const rules = [
        `INPUT -s ${podAddress} -p tcp --dport ${apiServerPort} -j DROP`,
        `OUTPUT -d ${podAddress} -p tcp --sport ${apiServerPort} -j DROP`,
      ];
      const change = (verb: string): Promise<string> =>
        inNode(node, rules.map((rule) => `iptables -w ${verb} ${rule}`).join('\n'));
      await change('-I');
      return async () => void (await change('-D'));
    },
  };
}

const complaint = ({ code, stderr }: { code: number | string; stderr: string }): string | undefined =>
  code === 0 ? undefined : stderr.trim();

async function running(node: ProcessId, program: string): Promise<ProcessId[]> {
  const namespace = await namespaceOf(node.pid, 'pid');
  if (namespace === undefined) throw new SetupError('NO_NODE', 'the process 1 of the node has ended');
  const members = await processesIn('pid', namespace);
  const names = await Promise.all(members.map(async ({ pid }) => basename((await programOf(pid)) ?? '')));
  return members.filter((_, index) => names[index] === program);
}

/** Every pod has a process namespace of its own: its program is found by its cgroup, and by what the chart gives it. */
async function isProgramOf(pid: number, pod: string, cgroup: string): Promise<boolean> {
  try {
    const [groups = '', environment = ''] = await Promise.all(
      ['cgroup', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8')),
    );
    return groups.includes(`/${cgroup}/`) && environment.split('\0').includes(`POD_NAME=${pod}`);
  } catch {
    return false; // it ended between two looks
  }
}

async function killAll(processes: readonly ProcessId[]): Promise<void> {
  for (const each of processes) await killExactly(each);
  await waitUntil('the end of what was killed', LONGEST_S, async () => {
    const alive = await Promise.all(processes.map((each) => isAlive(each)));
    return alive.includes(true) ? 'it lives' : undefined;
  });
}

/** A script for Node: all that etcd remembers of before now goes, as after a night of Kubernetes. */
const COMPACT = `
const ask = async (path, body) => {
  const answer = await fetch('${ETCD}/v3/kv/' + path, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
};
const { header } = await ask('range', { key: 'AA==', limit: 1 });
await ask('compaction', { revision: header.revision, physical: true });
`;

const inNetwork = (node: ProcessId, script: string): Promise<string> =>
  run('nsenter', [
    '--target',
    String(node.pid),
    '--net',
    '--',
    process.execPath,
    '--input-type=module',
    '--eval',
    script,
  ]);
