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
  start(name: string): Promise<Cluster>;
}
