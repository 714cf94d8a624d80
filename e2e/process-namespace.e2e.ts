/** Apps that insist on being process 1, and sidecars that crash: the app is not the one that suffers. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { apply, get, kubectl, pods, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, ssh } from './support/openssh.ts';
import { crashSidecar, killSupervisor } from './support/sidecar.ts';
import {
  accessManifest,
  condition,
  createWorkload,
  keySecret,
  removeNamespace,
  waitUntilReady,
} from './support/workload.ts';

const namespace = 'e2e-process-namespace';
const users = [{ secretRef: { name: 'key' } }];
let key = '';
const login = (name: string) => ({ user: `${namespace}-${name}`, key });

/** As s6-overlay does it. (Kubernetes makes one $ of two.) */
const INSISTS = '[ $$$$ = 1 ] || { echo "can only run as pid 1" >&2; exit 100; }; while :; do sleep 1; done';

/** A slow node takes its time to run it, which says nothing of the app. */
const PROBE = { exec: { command: ['true'] }, periodSeconds: 1, timeoutSeconds: 30 };

beforeAll(async () => {
  const generated = await generateKey('process-namespace');
  key = generated.path;
  // Without a probe it would be ready for the moment that it lives, and the Deployment take that for a success.
  const readinessProbe = { ...PROBE, initialDelaySeconds: 5 };
  await createWorkload({ namespace, name: 'unseen', script: INSISTS, container: { readinessProbe } });
  // That the command is /init is seen at admission; busybox and Debian have none, so the image brings its shell there.
  await createWorkload({
    namespace,
    name: 'known',
    script: '',
    container: {
      command: ['/init', '-c', INSISTS],
      volumeMounts: [{ name: 'init', mountPath: '/init', subPath: 'sh' }],
    },
    pod: {
      volumes: [{ name: 'init', emptyDir: {} }],
      initContainers: [
        {
          name: 'copy',
          image: demo().appImage,
          command: ['cp', '/bin/sh', '/to/sh'],
          volumeMounts: [{ name: 'init', mountPath: '/to' }],
        },
      ],
    },
  });
  await createWorkload({
    namespace,
    name: 'steady',
    script: 'trap "exit 0" TERM; while :; do sleep 1; done',
    container: { readinessProbe: PROBE },
  });
  await apply(keySecret(namespace, 'key', generated.publicKey));
  for (const name of ['unseen', 'known', 'steady']) await apply(accessManifest(namespace, name, users));
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

const Status = z.object({ status: z.object({ sessionEntry: z.string() }) });
const entryOf = async (name: string) => (await get(Status, 'sshacc', '-n', namespace, name)).status.sessionEntry;
const says = (name: string, type: string, expected: RegExp) =>
  eventually(async () => expect(await condition(namespace, name, type)).toMatch(expected));
/** The only pod of a workload that has been rolled to its end. */
const podOf = async (name: string) => {
  await kubectl('rollout', 'status', `deployment/${name}`, '-n', namespace, '--timeout=120s');
  return eventually(async () => {
    const all = await pods(namespace, name);
    expect(all).toHaveLength(1);
    expect(all[0]?.status.initContainerStatuses.map((status) => status.name)).toContain('sshaccess');
    return all[0]?.metadata.name ?? '';
  });
};
const restarts = async (name: string) =>
  (await pods(namespace, name)).map(({ status }) => status.containerStatuses[0]?.restartCount);

describe('an app that insists on being process 1, which nobody can see', () => {
  test('crashes in a shared process namespace, and the condition gives the hint', async () => {
    await says(
      'unseen',
      'Injected',
      /^True: PodsInjected: .*container app of unseen-\S+ ends as soon as it starts \(exit code 100\): .*set spec\.processNamespace: Isolated$/,
    );
  });

  test('runs once processNamespace is Isolated, which rolls the pods, and ssh opens the toolbox', async () => {
    await apply(accessManifest(namespace, 'unseen', users, { processNamespace: 'Isolated' }));
    await eventually(async () => expect(await entryOf('unseen')).toBe('toolbox'));
    await podOf('unseen');
    await says('unseen', 'Injected', /^True: PodsInjected: the pod has ssh$/);
    expect(await restarts('unseen')).toEqual([0]);
    const result = await eventually(async () => {
      const finished = await ssh(login('unseen'), 'id -u; ls -d /srv/hello', { ssh: ['-tt'] });
      expect(finished.stdout).toMatch(/^1000\r$/m);
      return finished;
    });
    // The files of the app are out of reach.
    expect(result.code).not.toBe(0);
    expect(result.stdout).toMatch(/No such file/);
  });

  test('is rolled again by a change of mind; the Deployment keeps the pod that works until the new one does', async () => {
    await apply(accessManifest(namespace, 'unseen', users, { processNamespace: 'Shared' }));
    await says('unseen', 'Injected', /^False: PodsOutdated: spec\.processNamespace is Shared, .*\(exit code 100\)/);
    expect(await pods(namespace, 'unseen')).toHaveLength(2);
    await eventually(async () => expect((await ssh(login('unseen'), 'true')).code).toBe(0));
  });
});

describe('an app that is known to insist', () => {
  test('keeps its process namespace by itself, and the condition says why', async () => {
    await podOf('known');
    await says('known', 'Injected', /^True: PodsInjected: .*insists on being process 1.*sessions open in the toolbox/);
    expect(await entryOf('known')).toBe('toolbox');
    expect(await restarts('known')).toEqual([0]);
    await eventually(async () => expect((await ssh(login('known'), 'id -u')).stdout).toBe('1000\n'));
  });
});

const Sidecar = z.object({
  spec: z.object({
    containers: z.array(z.object({ name: z.string() })),
    initContainers: z.array(
      z.object({
        name: z.string(),
        env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
        resources: z.record(z.string(), z.record(z.string(), z.string())),
        securityContext: z.looseObject({}),
      }),
    ),
  }),
});

/** What every container has in /dev (OCI runtime specification, default devices and file systems). */
const PLAIN_DEVICES: readonly string[] =
  'null zero full random urandom tty ptmx pts shm mqueue core fd stdin stdout stderr termination-log'.split(' ');

describe('the sidecar', () => {
  test('is read-only, has no token and no device, and is limited', async () => {
    const pod = await podOf('steady');
    const { spec } = await get(Sidecar, 'pod', '-n', namespace, pod);
    const [sidecar] = spec.initContainers;
    expect(sidecar).toMatchObject({
      name: 'sshaccess',
      env: expect.arrayContaining([{ name: 'NVIDIA_VISIBLE_DEVICES', value: 'void' }]),
      securityContext: { readOnlyRootFilesystem: true },
    });
    expect(Object.keys(sidecar?.resources ?? {}).toSorted()).toEqual(['limits', 'requests']);
    for (const amounts of Object.values(sidecar?.resources ?? {}))
      expect(Object.keys(amounts).toSorted()).toEqual(['cpu', 'memory']);
    const look = await tryKubectl([
      'exec',
      '-n',
      namespace,
      pod,
      '-c',
      'sshaccess',
      '--',
      'sh',
      '-c',
      'ls -A /var/run/secrets/kubernetes.io/serviceaccount; touch /etc/x; ls /dev',
    ]);
    expect(look.stderr).toMatch(/Read-only file system/);
    // Nothing of the node's, and an empty folder where the token would be.
    expect(
      look.stdout
        .trim()
        .split('\n')
        .filter((name) => !PLAIN_DEVICES.includes(name)),
    ).toEqual([]);
  });

  test('may crash again and again: the app stays as it is, and ready', async () => {
    const pod = await podOf('steady');
    await waitUntilReady(namespace, 'steady');
    const before = await facts(pod);
    const watching = watchReady(pod);
    await crashSidecar(namespace, pod, 4);
    expect(new Set(await watching.stop())).toEqual(new Set(['True']));
    expect(await facts(pod)).toEqual(before);
    await eventually(async () => expect((await ssh(login('steady'), 'true')).code).toBe(0));
  });

  test('even where its container ends: the app goes on, and ssh comes back', async () => {
    const pod = await podOf('steady');
    const { app } = await facts(pod);
    await killSupervisor(namespace, pod);
    await eventually(async () => expect((await facts(pod)).sidecarRestarts).toBeGreaterThan(0));
    await eventually(async () => expect((await ssh(login('steady'), 'true')).code).toBe(0));
    expect((await facts(pod)).app).toEqual(app);
  });
});

const Facts = z.object({
  status: z.object({
    containerStatuses: z.array(z.object({ restartCount: z.int(), containerID: z.string() })),
    initContainerStatuses: z.array(z.object({ restartCount: z.int() })),
  }),
});
async function facts(pod: string) {
  const { status } = await get(Facts, 'pod', '-n', namespace, pod);
  return { app: status.containerStatuses, sidecarRestarts: status.initContainerStatuses[0]?.restartCount };
}

/** Every value that the pod's condition Ready takes from now on: a watch misses none. */
function watchReady(pod: string): { stop: () => Promise<string[]> } {
  const path = `jsonpath={.status.conditions[?(@.type=="Ready")].status}{"\\n"}`;
  const args = ['--kubeconfig', demo().kubeconfig, 'get', 'pod', '-n', namespace, pod, '--watch', '-o', path];
  const child = spawn(demo().kubectl, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const seen = text(child.stdout);
  return {
    stop: async () => {
      child.kill();
      return (await seen).trim().split('\n');
    },
  };
}
