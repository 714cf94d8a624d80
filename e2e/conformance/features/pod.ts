/** Facts about the pod: what the sidecar may, what it takes, and whether status tells the truth about it. */
import { z } from 'zod';
import { SIDECAR_CONTAINER } from '../../../crds/index.ts';
import { get, list, tryKubectl } from '../../support/kubectl.ts';
import { type Column, namespaceOf } from '../columns.ts';
import { type Feature, saw, see, type Subject } from '../feature.ts';

const Quantities = z.record(z.string(), z.string());
const Pod = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    initContainers: z.array(
      z.object({
        name: z.string(),
        env: z.array(z.object({ name: z.string(), value: z.string().optional() })).default([]),
        resources: z.object({ requests: Quantities, limits: Quantities }).partial(),
      }),
    ),
  }),
  status: z.object({
    conditions: z.array(z.object({ type: z.string(), status: z.string(), lastTransitionTime: z.string() })),
    containerStatuses: z.array(z.object({ name: z.string(), restartCount: z.int(), ready: z.boolean() })),
    initContainerStatuses: z.array(z.object({ name: z.string(), restartCount: z.int() })),
  }),
});
type Pod = z.infer<typeof Pod>;

const Access = z.object({
  status: z.object({
    sessionEntry: z.string(),
    users: z.array(z.object({ username: z.string(), effectiveUser: z.string().optional() })),
  }),
});

export async function podOf({ level, name }: Column): Promise<Pod> {
  const pods = await list(Pod, 'pods', '-n', namespaceOf(level), '-l', `app=${name}`);
  const [pod] = pods;
  if (pod === undefined || pods.length > 1) throw new Error(`${name} has ${pods.length} pods`);
  return pod;
}

const statusOf = async ({ level, name }: Column) =>
  (await get(Access, 'sshacc', '-n', namespaceOf(level), name)).status;

/** Runs a script in the sidecar's container, as who it is. */
export async function inSidecar(column: Column, script: string) {
  const pod = await podOf(column);
  const where = ['exec', '-n', namespaceOf(column.level), pod.metadata.name, '-c', SIDECAR_CONTAINER];
  return tryKubectl([...where, '--', '/bin/sh', '-c', script]);
}

async function sidecarOf(column: Column) {
  const sidecar = (await podOf(column)).spec.initContainers.find(({ name }) => name === SIDECAR_CONTAINER);
  if (sidecar === undefined) throw new Error('the pod has no sidecar');
  return sidecar;
}

// capability.h
const BITS = { KILL: 5, SETGID: 6, SETUID: 7, SETPCAP: 8, SYS_CHROOT: 18, SYS_PTRACE: 19, SYS_ADMIN: 21 } as const;
const TO_BECOME = ['KILL', 'SETGID', 'SETPCAP', 'SETUID'] as const;
const NEVER = ['SYS_PTRACE', 'SYS_ADMIN'] as const;

const holds = (set: bigint, name: keyof typeof BITS): boolean => (set & (1n << BigInt(BITS[name]))) !== 0n;

function capabilitiesAreRight({ sidecar }: Column, set: bigint): boolean {
  if (sidecar.capabilities === 'none') return set === 0n;
  if (NEVER.some((name) => holds(set, name)) || !TO_BECOME.every((name) => holds(set, name))) return false;
  const becoming = TO_BECOME.reduce((sum, name) => sum | (1n << BigInt(BITS[name])), 0n);
  return sidecar.capabilities === 'to-enter' ? holds(set, 'SYS_CHROOT') : set === becoming;
}

export const POD_FACTS: readonly Feature[] = [
  {
    title: "the sidecar's root file system is read-only",
    attempt: async ({ column }) => {
      const finished = await inSidecar(column, 'for d in / /etc /opt/sshaccess /usr; do touch $d/x && echo "$d"; done');
      see(finished.stdout === '' && /Read-only file system|Permission denied/.test(finished.stderr), finished);
      const root = await inSidecar(column, `grep -E '^[^ ]+ / ' /proc/mounts`);
      saw(root, /^\S+ \/ \S+ ro[, ]/);
    },
  },
  {
    title: 'the sidecar has no service account token',
    attempt: async ({ column }) =>
      saw(
        await inSidecar(
          column,
          'find /run/secrets /var/run/secrets -type f; ls -A /var/run/secrets/kubernetes.io/serviceaccount',
        ),
        '',
      ),
  },
  {
    title: 'the sidecar has no device but those of every container, and asks for no GPU',
    attempt: async ({ column }) => {
      const usual =
        'console|core|fd|full|mqueue|null|ptmx|pts|random|shm|stderr|stdin|stdout|termination-log|tty|urandom|zero';
      saw(await inSidecar(column, `ls /dev | grep -vxE '${usual}'; true`), '');
      const { env } = await sidecarOf(column);
      see(
        env.some(({ name, value }) => name === 'NVIDIA_VISIBLE_DEVICES' && value === 'void'),
        JSON.stringify(env),
      );
    },
  },
  {
    title: 'the sidecar has requests and limits',
    attempt: async ({ column }) => {
      const { resources } = await sidecarOf(column);
      const complete = [resources.requests, resources.limits].every(
        (values) => values?.['cpu'] !== undefined && values['memory'] !== undefined,
      );
      see(complete, JSON.stringify(resources));
    },
  },
  {
    title: "the sidecar's uid and capabilities: as its entry takes, never SYS_PTRACE or SYS_ADMIN",
    attempt: async ({ column }) => {
      const finished = await inSidecar(column, 'id -u; grep CapBnd /proc/1/status /proc/self/status');
      const [uid] = finished.stdout.split('\n');
      const sets = [...finished.stdout.matchAll(/CapBnd:\s+([0-9a-f]+)/g)].map(([, hex]) => BigInt(`0x${hex}`));
      see(Number(uid) === column.sidecar.uid && sets.length > 0, finished);
      see(capabilitiesAreRight(column, sets.at(-1) ?? -1n), finished);
    },
  },
  {
    title: '`status.sessionEntry` is where sessions are',
    attempt: async ({ column, client }) => {
      const { sessionEntry } = await statusOf(column);
      // Only the toolbox has our programs where we put them.
      const { stdout } = await client.ssh('[ -e /opt/sshaccess/enter ] && echo toolbox || echo chroot');
      see(sessionEntry === stdout.trim(), `${sessionEntry}, but sessions are in: ${stdout}`);
    },
  },
];

/** Doubled, as the rows of sessions are. */
export const EFFECTIVE_USER: Feature = {
  title: '`status.users[].effectiveUser` is `id -u`',
  attempt: async ({ column, client }: Subject) => {
    const { users } = await statusOf(column);
    const told = users.find(({ username }) => username === client.login.user)?.effectiveUser;
    const finished = await client.ssh('id -u');
    saw(finished, /^\d+\n$/);
    see(told === `uid ${finished.stdout.trim()}`, `status says ${told}, id -u ${finished.stdout}`);
  },
};
