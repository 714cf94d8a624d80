import { SIDECAR_CONTAINER } from '../../crds/index.ts';
import { tryKubectl } from './kubectl.ts';
import type { Finished } from './process.ts';

/** Runs a script in the sidecar's own container, as an administrator could. */
const inSidecar = (namespace: string, pod: string, script: string): Promise<Finished> =>
  tryKubectl(['exec', '-n', namespace, pod, '-c', SIDECAR_CONTAINER, '--', 'sh', '-c', script]);

/** Shell: the process ids of the sshd, which is the only node here. */
const SSHD = `for process in /proc/[0-9]*; do
  [ "$(tr '\\0' '\\n' < $process/cmdline 2>/dev/null | head -n 1)" = node ] && echo "\${process#/proc/}"
done`;

/** Ends the sshd in the hardest way, as often as it is started again, `times` in all. */
export async function crashSidecar(namespace: string, pod: string, times: number): Promise<void> {
  const script = `killed=0; last=
    while [ $killed -lt ${times} ]; do
      for id in $(${SSHD}); do [ "$id" != "$last" ] && kill -9 "$id" && last=$id && killed=$((killed + 1)); done
      sleep 0.2
    done; echo "$killed"`;
  const { code, stdout, stderr } = await inSidecar(namespace, pod, script);
  if (code !== 0 || Number(stdout) < times) throw new Error(`sshd was ended ${stdout} times: ${stderr}`);
}

/** Ends what starts the sshd again, and with it the container. In a shared process namespace it is not process 1. */
export async function killSupervisor(namespace: string, pod: string): Promise<void> {
  const { stderr } = await inSidecar(
    namespace,
    pod,
    `for id in $(${SSHD}); do kill -9 "$(cut -d ' ' -f 4 /proc/$id/stat)"; done`,
  );
  // The shell goes with its container, so its exit code says nothing.
  if (stderr.includes('not permitted')) throw new Error(stderr);
}
