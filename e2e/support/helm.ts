import { demo } from './demo.ts';
import { succeed } from './process.ts';

/** For helm, which waits for pods: a machine that has much else to do takes ten times as long. */
const HELM_MS = 300_000;
/** It gives up before it is killed: what it leaves then, nobody can tell. */
const WAIT = ['--wait', '--timeout', '280s'];
/** For a test that runs helm, twice at most. */
export const HELM_TEST_MS = 2 * HELM_MS;

/** Runs helm where the system is installed. */
export function helm(...args: readonly string[]): Promise<string> {
  const { helm: program, kubeconfig, systemNamespace } = demo();
  return succeed([program, ...args, '--kubeconfig', kubeconfig, '--namespace', systemNamespace], {
    timeoutMs: HELM_MS,
  });
}

/** The same, until what it has changed is ready. */
export const helmAndWait = (...args: readonly string[]): Promise<string> => helm(...args, ...WAIT);

/** `helm upgrade` of the system to the chart of this clone, with what it was installed with and `args`. */
export const helmUpgrade = (...args: readonly string[]): Promise<string> =>
  helmAndWait('upgrade', 'sshaccess', 'charts/sshaccess', '--reuse-values', ...args);
