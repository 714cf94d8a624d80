/** `kubectl port-forward`, to what no Service leads to: one replica, or what listens on loopback. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { demo } from './demo.ts';

export type PortForward = { port: number; stop: () => Promise<void> };

/** @throws what kubectl said where it ends before it listens */
export async function portForward(namespace: string, pod: string, remotePort: number): Promise<PortForward> {
  const { kubectl, kubeconfig } = demo();
  const args = ['--kubeconfig', kubeconfig, 'port-forward', '-n', namespace, `pod/${pod}`, `:${remotePort}`];
  const child = spawn(kubectl, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const listening = Promise.withResolvers<number>();
  let said = '';
  const hear = (chunk: Buffer): void => {
    said += chunk.toString();
    const port = /^Forwarding from 127\.0\.0\.1:(\d+)/m.exec(said)?.[1];
    if (port !== undefined) listening.resolve(Number(port));
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const exited = once(child, 'exit');
  void exited.then(() => listening.reject(new Error(`kubectl port-forward has ended: ${said}`)));
  const stop = async (): Promise<void> => {
    child.kill();
    await exited;
  };
  return { port: await listening.promise, stop };
}
