import { inject } from 'vitest';

/** The running system that the global set-up made: cluster, chart, and the demo that `npm run up` shows. */
export type Demo = {
  kubeconfig: string;
  kubectl: string;
  helm: string;
  sshHost: string;
  sshPort: number;
  rootUser: string;
  rootKey: string;
  limitedUser: string;
  limitedKey: string;
  /** The chart's namespace. */
  systemNamespace: string;
  /** An image with bash and scp, without any ssh server. */
  appImage: string;
  /** One with rsync, git, python3, sudo and tmux. */
  workbenchImage: string;
};

declare module 'vitest' {
  interface ProvidedContext {
    demo: Demo;
  }
}

/** The demo's facts, in a test file. */
export const demo = (): Demo => inject('demo');
