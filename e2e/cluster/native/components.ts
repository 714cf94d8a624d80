import { join } from 'node:path';
import type { ClusterNames } from '../names.ts';
import type { Tool } from '../tools.ts';
import { nodeName, podNetwork, serviceNetwork } from './settings.ts';

/** A program of the cluster, as it is started inside the node. */
export interface Component {
  readonly program: Tool | 'containerd' | 'network-policies';
  readonly args: readonly string[];
}

/** Where a program is: built, of the machine, or a script of ours. */
export function pathOf(program: Component['program'], toolOf: (name: Tool) => string): string {
  if (program === 'containerd') return program;
  return program === 'network-policies' ? process.execPath : toolOf(program);
}

/** Ports are the usual ones in every cluster: each node has a network namespace of its own. */
export const apiServerPort = 6443;

/** What needs nobody else. The API server waits for etcd by itself. */
export function foundation(names: ClusterNames): readonly Component[] {
  const at = (path: string): string => join(names.folder, path);
  const pki = (file: string): string => at(`pki/${file}`);
  return [
    { program: 'containerd', args: ['--config', at('containerd.toml')] },
    {
      program: 'etcd',
      args: [
        `--data-dir=${at('etcd')}`,
        '--listen-client-urls=http://127.0.0.1:2379',
        '--advertise-client-urls=http://127.0.0.1:2379',
        '--listen-peer-urls=http://127.0.0.1:2380',
        '--initial-advertise-peer-urls=http://127.0.0.1:2380',
        '--initial-cluster=default=http://127.0.0.1:2380',
        // The data is not worth a disk flush: it goes with the cluster.
        '--unsafe-no-fsync',
        '--log-level=warn',
      ],
    },
    {
      program: 'kube-apiserver',
      args: [
        '--etcd-servers=http://127.0.0.1:2379',
        `--bind-address=${names.nodeAddress}`,
        `--advertise-address=${names.nodeAddress}`,
        `--secure-port=${apiServerPort}`,
        '--allow-privileged=true',
        '--authorization-mode=Node,RBAC',
        '--enable-admission-plugins=NodeRestriction',
        `--admission-control-config-file=${at('admission.json')}`,
        `--service-cluster-ip-range=${serviceNetwork}`,
        // From 2222 on: a NodePort may be the very port that users type.
        '--service-node-port-range=2222-32767',
        `--client-ca-file=${pki('ca.crt')}`,
        `--tls-cert-file=${pki('apiserver.crt')}`,
        `--tls-private-key-file=${pki('apiserver.key')}`,
        `--kubelet-certificate-authority=${pki('ca.crt')}`,
        `--kubelet-client-certificate=${pki('admin.crt')}`,
        `--kubelet-client-key=${pki('admin.key')}`,
        '--kubelet-preferred-address-types=InternalIP',
        '--service-account-issuer=https://kubernetes.default.svc',
        `--service-account-key-file=${pki('accounts.pub')}`,
        `--service-account-signing-key-file=${pki('accounts.key')}`,
        '--profiling=false',
      ],
    },
  ];
}

/** What needs a ready API server. */
export function workers(names: ClusterNames): readonly Component[] {
  const at = (path: string): string => join(names.folder, path);
  const kubeconfig = (user: string): string => `--kubeconfig=${at(`${user}.kubeconfig`)}`;
  return [
    {
      program: 'kube-controller-manager',
      args: [
        kubeconfig('controller-manager'),
        '--leader-elect=false',
        '--use-service-account-credentials=true',
        // It makes a token for each controller at its start; the default rate makes that five seconds.
        '--kube-api-qps=500',
        '--kube-api-burst=1000',
        `--service-account-private-key-file=${at('pki/accounts.key')}`,
        `--root-ca-file=${at('pki/ca.crt')}`,
        `--cluster-signing-cert-file=${at('pki/ca.crt')}`,
        `--cluster-signing-key-file=${at('pki/ca.key')}`,
        '--profiling=false',
      ],
    },
    { program: 'kube-scheduler', args: [kubeconfig('scheduler'), '--leader-elect=false', '--profiling=false'] },
    {
      program: 'kube-proxy',
      args: [
        kubeconfig('proxy'),
        `--hostname-override=${nodeName}`,
        '--proxy-mode=iptables',
        `--cluster-cidr=${podNetwork}`,
        '--oom-score-adj=0',
        // These belong to the machine, and cannot be set in a network namespace.
        '--conntrack-max-per-core=0',
        '--conntrack-tcp-timeout-established=0',
        '--conntrack-tcp-timeout-close-wait=0',
      ],
    },
    {
      program: 'kubelet',
      args: [
        kubeconfig('kubelet'),
        `--config=${at('kubelet.json')}`,
        `--node-ip=${names.nodeAddress}`,
        `--hostname-override=${nodeName}`,
      ],
    },
    {
      program: 'network-policies',
      args: [
        join(import.meta.dirname, 'network-policies/main.ts'),
        `--server=https://${names.nodeAddress}:${apiServerPort}`,
        `--certificates=${at('pki')}`,
      ],
    },
  ];
}
