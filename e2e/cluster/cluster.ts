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
  /** Removes the cluster and everything it made on this machine; answers what was removed, a line each. */
  stop(): Promise<readonly string[]>;
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
