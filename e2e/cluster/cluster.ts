/** Where a NodePort of the cluster is reached from this machine. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** A running Kubernetes that tests and the demo use; which kind it is makes no difference to them. */
export interface Cluster {
  readonly name: string;
  readonly provider: 'existing' | 'k3s' | 'native';
  readonly kubeconfigPath: string;
  readonly kubectlPath: string;
  readonly helmPath: string;
  /** Where `ssh` reaches a Service's NodePort. Node ports from 2222 on are allowed. */
  sshEndpoint(nodePort: number): Promise<Endpoint>;
  /** Whether every node has the image of exactly that name. */
  hasImage(name: string): Promise<boolean>;
  /** Imports a docker- or OCI-archive into every node; answers the image names that it brought. */
  loadImage(archivePath: string): Promise<readonly string[]>;
  /** Only where its machine is ours to break. */
  readonly faults?: Faults;
  /** Removes the cluster and everything it made on this machine; answers what was removed, a line each. */
  stop(): Promise<readonly string[]>;
}

/** What can happen to a machine, done on purpose. Each resolves when it has happened. */
export interface Faults {
  /** kill -9; the API server stays away until it is started. */
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
  restartContainerd(): Promise<void>;
  /** kill -9 of everything that runs on the machine, pods too; then its programs start as they did the first time. */
  reboot(): Promise<void>;
  /** Who watches from an older version is told that it is gone. */
  compactEtcd(): Promise<void>;
  /** kill -9 of our program in that pod of ours; the kubelet starts it again. */
  kill(pod: string): Promise<void>;
  /** Loses every packet between a pod and the API server; answers how to end that. */
  cutOff(podAddress: string): Promise<() => Promise<void>>;
}

/** One way to get a cluster. It says why it cannot, instead of trying half of it. */
export interface Provider {
  readonly kind: Cluster['provider'];
  /** undefined: it can; else the sentence that says what is missing and what to install. */
  unavailable(): Promise<string | undefined>;
  /** The cluster of that name if it runs, is well, and belongs to this clone of the repository. */
  find(name: string): Promise<Cluster | undefined>;
  /** A cluster that is new, whatever an earlier run has left behind. */
  start(name: string): Promise<Cluster>;
  /** Removes what there is of that name, running or not, whoever started it; answers what, a line each. */
  remove(name: string): Promise<readonly string[]>;
}
