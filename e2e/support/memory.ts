import { demo } from './demo.ts';
import { kubectl, pods } from './kubectl.ts';

/** Prints the peak of every Node process that a container sees: the kernel's own high-water mark, which no sample misses. */
const PEAKS = `for process in /proc/[0-9]*; do
  case $(tr '\\0' ' ' <$process/cmdline) in 'node '*) grep VmHWM $process/status;; esac
done 2>/dev/null; true`;

/** The most resident memory that the sidecar of each pod of an app and each piper have ever had, in MiB. */
export async function residentPeaks(namespace: string, app: string): Promise<{ sidecar: number[]; piper: number[] }> {
  const guests = await pods(namespace, app);
  const names = await kubectl('get', 'pods', '-n', demo().systemNamespace, '-o', 'name');
  const pipers = names.split('\n').filter((name) => name.includes('piper'));
  const sidecar = await Promise.all(
    guests.map(({ metadata }) => peaks(namespace, `pod/${metadata.name}`, 'sshaccess')),
  );
  const piper = await Promise.all(pipers.map((name) => peaks(demo().systemNamespace, name, 'piper')));
  return { sidecar: sidecar.flat(), piper: piper.flat() };
}

async function peaks(namespace: string, pod: string, container: string): Promise<number[]> {
  const stdout = await kubectl('exec', '-n', namespace, pod, '-c', container, '--', 'sh', '-c', PEAKS);
  return [...stdout.matchAll(/VmHWM:\s+(\d+) kB/g)].map(([, kib]) => Math.round(Number(kib) / 1024));
}
