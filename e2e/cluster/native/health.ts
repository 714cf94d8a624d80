import { basename } from 'node:path';
import { attempt } from '../../../scripts/machine/command.ts';
import { namespaceOf, processesIn, programOf, type ProcessId } from '../../../scripts/machine/processes.ts';
import { nodeName } from './settings.ts';

const expected = [
  ...(['containerd', 'etcd', 'kube-apiserver', 'kube-controller-manager'] as const),
  ...(['kube-scheduler', 'kube-proxy', 'kubelet'] as const),
];

/** What is wrong with a running cluster, in a few words; undefined when all is well. */
export async function unhealthy(node: ProcessId, kubectl: string, kubeconfig: string): Promise<string | undefined> {
  const namespace = await namespaceOf(node.pid, 'pid');
  if (namespace === undefined) return 'its process 1 has ended';
  const members = await processesIn('pid', namespace);
  const running = new Set(await Promise.all(members.map(async ({ pid }) => basename((await programOf(pid)) ?? ''))));
  const ended = expected.filter((program) => !running.has(program));
  if (ended.length > 0) return `${ended.join(', ')} ended`;

  const ask = (...args: string[]): ReturnType<typeof attempt> =>
    attempt(kubectl, ['--kubeconfig', kubeconfig, '--request-timeout=5s', ...args], { timeout: 10_000 });
  const ready = '{.status.conditions[?(@.type=="Ready")].status} {.status.conditions[?(@.type=="Ready")].message}';
  const nodeState = await ask('get', 'node', nodeName, '-o', `jsonpath=${ready}`);
  if (nodeState.code !== 0) return nodeState.stderr.trim();
  if (!nodeState.stdout.startsWith('True')) return `${nodeName} is not ready: ${nodeState.stdout}`;
  // Without it no pod of the namespace "default" is admitted.
  const account = await ask('get', 'serviceaccount', 'default');
  return account.code === 0 ? undefined : account.stderr.trim();
}
