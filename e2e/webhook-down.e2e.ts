/** F1: the webhook is away, or hangs, or dies with everything else: who did not opt in notices nothing, and we come back. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { LABEL_ACCESS } from '../crds/index.ts';
import { runningTestCluster } from './cluster/test-cluster.ts';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { helmUpgrade } from './support/helm.ts';
import { apply, kubectl, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, type Login, rootLogin, scratch, ssh } from './support/openssh.ts';
import { succeed } from './support/process.ts';
import {
  accessManifest,
  condition,
  createWorkload,
  keySecret,
  removeNamespace,
  waitUntilReady,
} from './support/workload.ts';

const namespace = 'e2e-webhook-down';
const alice: Login = { user: `${namespace}-app`, key: join(scratch, 'alice') };
const users = [{ secretRef: { name: 'alice' } }];
const TIMEOUT_S = 2;
/** For kubectl to start and the API server to answer, on a machine that has much else to do. */
const AROUND_S = 20;
const { faults } = await runningTestCluster();

const inSystem = (...args: string[]): Promise<string> => kubectl('-n', demo().systemNamespace, ...args);
const scale = (replicas: number): Promise<string> =>
  inSystem('scale', 'deployment/sshaccess-webhook', `--replicas=${replicas}`);
const fails = (failurePolicy: 'Ignore' | 'Fail', timeoutSeconds: number): Promise<string> =>
  helmUpgrade('--set', `webhook.failurePolicy=${failurePolicy},webhook.timeoutSeconds=${timeoutSeconds}`);
/** A webhook that is told to stop serves for seconds yet, whom the API server has a connection to: until it has ended. */
async function takeAway(): Promise<void> {
  await scale(0);
  await inSystem('wait', '--for=delete', 'pod', '-l', 'pod-template-hash,app.kubernetes.io/component=webhook');
}

const pod = (name: string, labels: Record<string, string>, script = 'exec sleep infinity', ports: object[] = []) =>
  stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'app',
          image: demo().appImage,
          imagePullPolicy: 'IfNotPresent',
          command: ['sh', '-c', script],
          securityContext: {
            runAsUser: 1000,
            runAsNonRoot: true,
            allowPrivilegeEscalation: false,
            capabilities: { drop: ['ALL'] },
            seccompProfile: { type: 'RuntimeDefault' },
          },
          ports,
        },
      ],
    },
  });
const optedIn = { [LABEL_ACCESS]: 'app' };
/** As far as to admission, and no further. */
const admitted = async (where: string, labels: Record<string, string>): Promise<string> => {
  const { code, stderr } = await tryKubectl(
    ['create', '--dry-run=server', '-n', where, '-f', '-'],
    pod('asks', labels),
  );
  return code === 0 ? 'admitted' : stderr;
};
const injected = (): Promise<string> =>
  kubectl('get', 'pods', '-n', namespace, '-l', 'app=app', '-o', 'jsonpath={.items[*].spec.initContainers[*].name}');

beforeAll(async () => {
  await removeNamespace(namespace);
  await createWorkload({ namespace, name: 'app', script: 'exec sleep infinity' });
  await apply(keySecret(namespace, 'alice', (await generateKey('alice')).publicKey));
  await apply(accessManifest(namespace, 'app', users));
  await waitUntilReady(namespace, 'app');
  // The host keys of today: after all of this they must be the same.
  await eventually(async () => expect(await ssh(alice, 'true')).toMatchObject({ code: 0 }));
});

afterAll(async () => {
  await inSystem('delete', 'pod', 'mute', '--ignore-not-found', '--now');
  await scale(1);
  await fails('Ignore', 5);
  await removeNamespace(namespace);
  disposeScratch();
});

describe('with failurePolicy Ignore and no webhook', () => {
  test('a pod with our label starts without ssh, which its SshAccess says; once the webhook is back it gets it', async () => {
    await takeAway();
    await kubectl('delete', 'pods', '-n', namespace, '-l', 'app=app', '--now');
    await kubectl('rollout', 'status', 'deployment/app', '-n', namespace, '--timeout=150s');
    expect(await injected()).toBe('');
    await eventually(async () =>
      expect(await condition(namespace, 'app', 'Injected')).toMatch(/^False: PodsNotInjected/),
    );

    await scale(1);
    // Ready is one thing, and that the network leads the API server there another.
    await eventually(async () => {
      const asked = await tryKubectl(
        ['create', '--dry-run=server', '-n', namespace, '-o', 'json', '-f', '-'],
        pod('asks', optedIn),
      );
      expect(asked.stdout).toContain('sshaccess.dev/injected');
    });
    // The operator looks every half minute whether it is back; and whenever there is something to do.
    await apply(accessManifest(namespace, 'app', users, { banner: 'back again' }));
    await eventually(async () => expect(await ssh(alice, 'true')).toMatchObject({ code: 0 }));
  });
});

describe('with failurePolicy Fail and a webhook that takes connections and never answers', () => {
  beforeAll(async () => {
    await fails('Fail', TIMEOUT_S);
    const gone = takeAway();
    const selected = ['name', 'instance'].map((key) => [`app.kubernetes.io/${key}`, 'sshaccess']);
    const labels = { ...Object.fromEntries(selected), 'app.kubernetes.io/component': 'webhook' };
    const script = `exec python3 -c '
import socket, time
door = socket.create_server(("", 8443))
time.sleep(1e6)'`;
    const manifest = pod('mute', labels, script, [{ name: 'https', containerPort: 8443 }]);
    await succeed(
      [demo().kubectl, '--kubeconfig', demo().kubeconfig, '-n', demo().systemNamespace, 'apply', '-f', '-'],
      {
        input: manifest,
      },
    );
    await inSystem('wait', '--for=condition=Ready', 'pod/mute', '--timeout=150s');
    await gone;
  });

  test('a pod with our label is refused, and waits no longer than timeoutSeconds for it', async () => {
    // Until the Service leads there, the connection is refused.
    const [said, seconds] = await eventually(async () => {
      const begin = performance.now();
      const answer = await admitted(namespace, optedIn);
      expect(answer).toMatch(/failed calling webhook "pods.sshaccess.dev": .*deadline exceeded/);
      return [answer, (performance.now() - begin) / 1000] as const;
    });
    expect(said).toContain(`?timeout=${TIMEOUT_S}s`);
    expect(seconds).toBeGreaterThanOrEqual(TIMEOUT_S);
    expect(seconds).toBeLessThan(TIMEOUT_S + AROUND_S);
  });

  test('nobody else asks it: pods without the label, kube-system and our own namespace, label or not', async () => {
    expect(await admitted(namespace, {})).toBe('admitted');
    expect(await admitted('kube-system', {})).toBe('admitted');
    expect(await admitted('kube-system', optedIn)).toBe('admitted');
    expect(await admitted(demo().systemNamespace, optedIn)).toBe('admitted');
  });

  test(
    'with all our pods deleted, and the machine rebooted where it is ours, everything comes back',
    { timeout: 900_000 },
    async () => {
      await inSystem('delete', 'pod', 'mute', '--now');
      await scale(1);
      await inSystem('delete', 'pods', '-l', 'app.kubernetes.io/instance=sshaccess', '--wait=false');
      // Its new pod needs a webhook, which waits for nobody.
      await kubectl('delete', 'pods', '-n', namespace, '-l', 'app=app', '--wait=false');
      await faults?.reboot();
      for (const login of [alice, rootLogin()]) {
        await eventually(async () => expect(await ssh(login, 'true')).toMatchObject({ code: 0, stderr: '' }), 300_000);
      }
      expect(await injected()).toContain('sshaccess');
      for (const program of ['operator', 'webhook', 'piper']) {
        await inSystem('rollout', 'status', `deployment/sshaccess-${program}`, '--timeout=120s');
      }
    },
  );
});
