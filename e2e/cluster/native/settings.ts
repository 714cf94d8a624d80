import { join } from 'node:path';
import type { ClusterNames } from '../names.ts';

export const nodeName = 'node1';
export const podNetwork = '10.244.0.0/16';
export const serviceNetwork = '10.96.0.0/16';
/** Nobody answers there: pods find Services by their addresses. The node refuses at once, so that nobody waits. */
export const dnsAddress = '10.96.0.10';
export const pauseImage = 'localhost/sshaccess/pause:1';

/** The files of the configuration, by their path in the node's folder. */
export function settings(names: ClusterNames, snapshotter: string, cniPrograms: string): Map<string, string> {
  return new Map([
    ['containerd.toml', containerdSettings(names, snapshotter, cniPrograms)],
    ['cni/10-pods.conflist', JSON.stringify(podLinks(), null, 2)],
    ['admission.json', JSON.stringify(admissionSettings(names), null, 2)],
    ['webhooks.kubeconfig', JSON.stringify(webhookUsers(names), null, 2)],
    ['kubelet.json', JSON.stringify(kubeletSettings(names), null, 2)],
  ]);
}

/** As docs/operations.md has it: who the API server is to our webhook, where that asks for it (`webhook.clientCA`). */
const admissionSettings = (names: ClusterNames): unknown => ({
  apiVersion: 'apiserver.config.k8s.io/v1',
  kind: 'AdmissionConfiguration',
  plugins: [
    {
      name: 'MutatingAdmissionWebhook',
      configuration: {
        apiVersion: 'apiserver.config.k8s.io/v1',
        kind: 'WebhookAdmissionConfiguration',
        kubeConfigFile: join(names.folder, 'webhooks.kubeconfig'),
      },
    },
  ],
});

function webhookUsers(names: ClusterNames): unknown {
  const at = (file: string): string => join(names.folder, 'pki', file);
  const user = { 'client-certificate': at('webhook-client.crt'), 'client-key': at('webhook-client.key') };
  return { apiVersion: 'v1', kind: 'Config', users: [{ name: 'sshaccess-webhook.sshaccess-system.svc', user }] };
}

function containerdSettings(names: ClusterNames, snapshotter: string, cniPrograms: string): string {
  const at = (path: string): string => JSON.stringify(join(names.folder, path));
  return `version = 2
root = ${at('containerd')}
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = ${at('containerd.sock')}
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # Without CAP_SYS_RESOURCE (a container, a small VM) runc dies at lowering it: "can't get final child's PID from pipe".
  restrict_oom_score_adj = true
  # A profile would be loaded into the kernel, and outlive the cluster.
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "${snapshotter}"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${JSON.stringify(cniPrograms)}
    conf_dir = ${at('cni')}
`;
}

/**
 * `ptp`, not `bridge`: every packet between pods is routed, so it passes iptables without br_netfilter, and a pod
 * reaches itself through its own Service.
 */
function podLinks(): unknown {
  const ipam = { type: 'host-local', ranges: [[{ subnet: podNetwork }]], routes: [{ dst: '0.0.0.0/0' }] };
  return {
    cniVersion: '0.4.0',
    name: 'pods',
    plugins: [
      { type: 'ptp', ipMasq: false, ipam },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

function kubeletSettings(names: ClusterNames): unknown {
  const at = (path: string): string => join(names.folder, path);
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true, cacheTTL: '10s' },
      x509: { clientCAFile: at('pki/ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: at('pki/kubelet-serving.crt'),
    tlsPrivateKeyFile: at('pki/kubelet-serving.key'),
    containerRuntimeEndpoint: `unix://${at('containerd.sock')}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${names.cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    clusterDNS: [dnsAddress],
    clusterDomain: 'cluster.local',
    resolvConf: '',
    // Somebody else's full disk is no reason to evict our pods, nor to remove images that no registry can give back.
    evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '0%', 'imagefs.available': '0%' },
    imageGCHighThresholdPercent: 100,
    // The defaults are for fleets; a test waits for every one of these.
    nodeStatusUpdateFrequency: '4s',
    volumePluginDir: at('volume-plugins'),
  };
}
