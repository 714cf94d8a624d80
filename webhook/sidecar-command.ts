/**
 * Starts the sshd and, when it ends, starts it again, in one container that never ends by itself.
 *
 * Left to the kubelet, a sidecar that ends at once is never seen running, so the app's containers are never started; and
 * one that crashes later makes the pod NotReady during each back-off (both tried, Kubernetes 1.35). A broken sshd must
 * cost nobody but those who want to log in. Its log tells each end; the kubelet still restarts a killed container.
 */
const SUPERVISE = `
trap 'kill "$child"; wait "$child"; exit 0' TERM INT
while :; do
  "$@" & child=$!
  wait "$child"
  echo "{\\"level\\":\\"error\\",\\"component\\":\\"sidecar\\",\\"code\\":$?,\\"msg\\":\\"sshd ended, starting it again\\"}" >&2
  sleep 5 & child=$!
  wait "$child"
done
`.trim();

export const SIDECAR_COMMAND = ['/bin/sh', '-c', SUPERVISE, 'sshaccess'];
/**
 * Maglev, V8's middle compiler, is 2 MiB of program that an idle sidecar has no other use for; what is hot goes from the
 * baseline to the optimizing compiler. And SIGUSR1 must not open a debugger's port: the app may send it, and shares the
 * pod's loopback.
 */
export const SIDECAR_ARGUMENTS = ['node', '--no-maglev', '--disable-sigusr1', '/opt/sshaccess/sidecar/main.cjs'];
