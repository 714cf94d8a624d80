/**
 * An upgrade of every program under people who work, and whatever else replaces pipers: nobody is dropped, nobody is turned
 * away.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { LABEL_ACCESS, SIDECAR_CONTAINER } from '../crds/index.ts';
import { RawUser } from './conformance/raw-user.ts';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { HeldShell } from './support/held-shell.ts';
import { helm, HELM_TEST_MS, helmAndWait, helmUpgrade } from './support/helm.ts';
import { apply, get, kubectl, pods, tryKubectl } from './support/kubectl.ts';
import { clientOptions, disposeScratch, generateKey, type Login, scratch, ssh } from './support/openssh.ts';
import { piperPods, servingPipers } from './support/piper-pods.ts';
import { succeed } from './support/process.ts';
import { startTraceCollector, traceWith } from './support/trace-collector.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'e2e-rollout';
const SHELLS = 50;
/** More of them, on the pipers that are replaced next. */
const JOINING = 10;
const BYTES = 1024 ** 3;
/** Of the piper, by the chart. */
const REPLICAS = 2;
/** Of the download, in Kbit/s: so it takes a quarter of a minute, or the rollout would find it done. */
const SPEED = 600_000;
/** Where it waits for the rollout, if that takes longer. */
const WAITS_AT = BYTES * 0.75;
/** Where the gateway is told, by a load balancer, that a client is. */
const CLIENT = { address: '203.0.113.7', port: 40_007 };
const MOST_FAILURES = 3;
/** For a roll of the pipers: a machine that has much else to do takes ten times as long. */
const ROLL_MS = 300_000;

const login = (suffix = ''): Login => ({ user: `${namespace}-app${suffix}`, key: join(scratch, 'user') });
const primary = { secretRef: { name: 'user' } };

const latecomer = { suffix: 'late', secretRef: { name: 'user' }, access: 'root' };
const manifest = (...more: readonly unknown[]): string =>
  accessManifest(namespace, 'app', [primary, ...more], { policy: { root: { maxSessions: 64 } } });

const shells: HeldShell[] = [];
let download: ChildProcess | undefined;
let revision = '';
let collector = '';

beforeAll(async () => {
  await removeNamespace(namespace);
  const { publicKey } = await generateKey('user');
  const script = `head -c ${BYTES} /dev/urandom >/tmp/big && sha256sum </tmp/big >/tmp/sum; exec sleep infinity`;
  await createWorkload({ namespace, name: 'app', script });
  await createWorkload({ namespace, name: 'empty', script, replicas: 0 });
  await apply(keySecret(namespace, 'user', publicKey));
  await apply(manifest());
  await apply(accessManifest(namespace, 'empty', [primary]));
  collector = await startTraceCollector(namespace);
  await waitUntilReady(namespace, 'app');
  await kubectl('rollout', 'status', 'deployment/app', '-n', namespace, '--timeout=120s');
  await eventually(async () => expect((await ssh(login(), 'cat /tmp/sum')).stdout).toMatch(/^[0-9a-f]{64} /));
  const Release = z.object({ revision: z.int() });
  revision = String(Release.parse(JSON.parse(await helm('get', 'metadata', 'sshaccess', '-o', 'json'))).revision);
});

/** As it was before. */
async function rollBack(): Promise<void> {
  const to = revision;
  revision = '';
  if (to !== '') await helmAndWait('rollback', 'sshaccess', to);
}

afterAll(async () => {
  for (const shell of shells) shell.end();
  download?.kill('SIGKILL');
  await rollBack();
  await removeNamespace(namespace);
  disposeScratch();
});

/** Tries again and again until `work` is done, and answers what every try came to. */
async function meanwhile<T>(work: Promise<unknown>, attempt: () => Promise<T>): Promise<T[]> {
  const over = new AbortController();
  const end = (): void => over.abort();
  work.then(end, end);
  const outcomes: T[] = [];
  while (!over.signal.aborted) outcomes.push(await attempt());
  return outcomes;
}

/** Logs in again and again meanwhile, and answers how often; none may fail. */
async function loggingIn(work: Promise<unknown>): Promise<number> {
  const loops = [1, 2].map(() => meanwhile(work, async () => ssh(login(), 'true')));
  await work;
  const attempts = (await Promise.all(loops)).flat();
  expect(attempts.filter(({ code }) => code !== 0).map(({ stderr }) => stderr)).toEqual([]);
  return attempts.length;
}

/** What there is to set that wants another environment of the piper; the log level is every program's. */
async function upgrade(values: Record<string, unknown>): Promise<void> {
  const file = join(scratch, 'values.yaml');
  writeFileSync(file, stringify(values));
  await helmUpgrade('--values', file);
}

/** `sftp get` of the pod's large file, which near its end waits until it is told to go on. */
function startDownload(to: string): { goOn: () => void; done: Promise<number | null> } {
  const where = ['-P', String(demo().sshPort), '-b', '-', `${login().user}@${demo().sshHost}`];
  const child = spawn('sftp', ['-l', String(SPEED), ...clientOptions(login()), ...where], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  download = child;
  child.stdin.end(`get /tmp/big ${to}\n`);
  const watching = setInterval(() => {
    if (sizeOf(to) > WAITS_AT) child.kill('SIGSTOP');
  }, 100);
  const goOn = (): void => {
    clearInterval(watching);
    child.kill('SIGCONT');
  };
  return { goOn, done: new Promise((resolve) => child.once('close', resolve)) };
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** Has a pod with our label admitted, and not made; answers whether ssh would be in it. */
async function isInjected(): Promise<boolean> {
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, generateName: 'dry-', labels: { [LABEL_ACCESS]: 'app' } },
    spec: { containers: [{ name: 'app', image: demo().appImage, imagePullPolicy: 'IfNotPresent' }] },
  };
  const dry = ['create', '--dry-run=server', '-o', 'jsonpath={.spec.initContainers[*].name}', '-f', '-'];
  const { stdout, stderr, code } = await tryKubectl(dry, JSON.stringify(pod));
  if (code !== 0) throw new Error(stderr);
  return stdout.split(' ').includes(SIDECAR_CONTAINER);
}

/** The pods of the piper from before all this. */
let old: string[] = [];

describe('an upgrade that replaces every program', { timeout: HELM_TEST_MS }, () => {
  test('drops none of 50 live shells nor a download of 1 GiB, and every new login succeeds meanwhile', async () => {
    old = (await piperPods()).map(({ metadata }) => metadata.uid);
    shells.push(...(await HeldShell.openAll(Array.from({ length: SHELLS }, () => login()))));
    const to = join(scratch, 'big');
    const { goOn, done } = startDownload(to);
    await eventually(async () => expect(sizeOf(to)).toBeGreaterThan(0));

    const [pod] = await podAddresses();
    await succeed(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(scratch, 'authority')]);
    const upgrading = upgrade({
      logLevel: 'debug',
      tracing: { endpoint: collector },
      piper: {
        trustedUserCAs: [readFileSync(join(scratch, 'authority.pub'), 'utf8').trim()],
        proxyProtocolFrom: [`${pod?.address}/32`],
        limits: { maxFailuresPerSourceAndUser: MOST_FAILURES },
      },
    });
    const changed = delay(1000).then(() => apply(manifest(latecomer)));
    const injections = meanwhile(upgrading, isInjected);
    const [logins] = await Promise.all([loggingIn(upgrading), changed]);
    expect(await injections).not.toContain(false);
    console.log(`meanwhile: ${logins} logins, ${(await injections).length} pods admitted`);
    const replaced = (await piperPods()).filter(({ metadata }) => old.includes(metadata.uid));
    expect(replaced.map(({ metadata }) => metadata.deletionTimestamp !== undefined)).toEqual(old.map(() => true));
    expect(sizeOf(to)).toBeLessThan(BYTES);

    await Promise.all(shells.map((shell) => shell.prove()));
    goOn();
    expect(await done).toBe(0);
    const [here, there] = [await succeed(['sha256sum', to]), (await ssh(login(), 'cat /tmp/sum')).stdout];
    expect(here.slice(0, 64)).toBe(there.slice(0, 64));
    await Promise.all(shells.map((shell) => shell.prove()));
    // What was asked of the operator while it was replaced is done.
    await eventually(async () => expect((await ssh(login('-late'), 'true')).code).toBe(0), 60_000);
  });
});

const Addressed = z.object({
  metadata: z.object({ name: z.string() }),
  status: z.object({ podIP: z.string() }),
});

/** The pods of the app, and where they are. */
async function podAddresses(): Promise<{ name: string; address: string }[]> {
  const here = await pods(namespace, 'app');
  const found = await Promise.all(here.map(({ metadata }) => get(Addressed, 'pod', '-n', namespace, metadata.name)));
  return found.map(({ metadata, status }) => ({ name: metadata.name, address: status.podIP }));
}

describe('what it has set is so', () => {
  /** Who tries to guess their way in. They come first: a ban is told half a minute later. */
  const stranger: Login = login('-guessed');
  beforeAll(async () => {
    stranger.key = (await generateKey('stranger')).path;
    // Each replica counts for itself, and those of before are gone.
    for (let tries = 0; tries < 2 * MOST_FAILURES; tries++)
      await expect(RawUser.connect(stranger)).rejects.toThrow('refused our key');
  });

  test('a certificate of the trusted authority lets in under its principal, and under no other name', async () => {
    const { path } = await generateKey('certified');
    const sign = ['ssh-keygen', '-q', '-s', join(scratch, 'authority'), '-I', 'e2e', '-V', '+1h'];
    await succeed([...sign, '-n', login().user, `${path}.pub`]);
    expect(await ssh({ ...login(), key: path }, 'echo in')).toMatchObject({ code: 0, stdout: 'in\n' });
    expect((await ssh({ ...login('-late'), key: path }, 'true')).code).toBe(255);
  });

  test('a load balancer that is named says where its client is, and the session and the record have that', async () => {
    const [pod] = await podAddresses();
    const service = ['service/sshaccess-piper', '-n', demo().systemNamespace];
    const gateway = await kubectl('get', ...service, '-o', 'jsonpath={.spec.clusterIP}');
    const header = `PROXY TCP4 ${CLIENT.address} ${gateway} ${CLIENT.port} 2222`;
    const relay = (preface: string): string => `exec 3<>/dev/tcp/${gateway}/2222; ${preface} cat <&3 & exec cat >&3`;
    const from = (preface: string): string[] => {
      const { kubectl: program, kubeconfig } = demo();
      const inPod = `exec -i -n ${namespace} ${pod?.name} -c app -- bash -c`;
      return ['-o', `ProxyCommand=${program} --kubeconfig ${kubeconfig} ${inPod} '${relay(preface)}'`];
    };
    const { stdout, stderr } = await ssh(login(), 'echo $SSH_CLIENT', { ssh: from(`printf "${header}\\r\\n" >&3;`) });
    expect(`${stdout}${stderr}`).toMatch(`${CLIENT.address} ${CLIENT.port} `);
    const selector = ['-l', 'app.kubernetes.io/component=piper', '--tail=-1'];
    const records = await kubectl('logs', '-n', demo().systemNamespace, ...selector);
    const address = `"clientAddress":"${CLIENT.address}","clientPort":${CLIENT.port},"event":"start"`;
    expect(records).toContain(`${address},"username":"${login().user}"`);
    // Who is named must say for whom it speaks.
    expect((await ssh(login(), 'true', { ssh: from('') })).code).toBe(255);
  });

  test('the collector gets a trace of a login, which has the id of the connection in the record and not whose it was', async () => {
    const { stdout } = await ssh(login(), 'echo $SSH_CLIENT');
    const [address = '', port = ''] = stdout.split(' ');
    const selector = ['-l', 'app.kubernetes.io/component=piper', '--tail=-1'];
    const records = (await kubectl('logs', '-n', demo().systemNamespace, ...selector)).split('\n');
    const start = records.findLast((line) => line.includes(`"clientPort":${port},"event":"start"`)) ?? '';
    const Start = z.object({ connection: z.string(), pod: z.string(), fingerprint: z.string() });
    const { connection, pod, fingerprint } = Start.parse(JSON.parse(start));
    const spans = await eventually(() => traceWith(namespace, connection), 60_000);
    const root = spans.find(({ parentSpanId }) => parentSpanId === undefined);
    expect(root).toMatchObject({
      name: 'ssh login',
      attributes: {
        'sshaccess.connection.id': connection,
        'sshaccess.access.namespace': namespace,
        'sshaccess.access.name': 'app',
        'sshaccess.session.kind': 'exec',
      },
    });
    const steps = spans.filter(({ parentSpanId }) => parentSpanId === root?.spanId);
    expect(steps.at(-2)).toMatchObject({ name: 'upstream connect', attributes: { 'sshaccess.pod.name': pod } });
    const said = JSON.stringify(spans.map(({ attributes }) => attributes));
    expect([login().user, fingerprint, address].filter((secret) => said.includes(secret))).toEqual([]);
  });

  test('an Event tells of logins that are refused, and of somebody who is banned', async () => {
    const empty = { ...login(), user: `${namespace}-empty` };
    expect(await ssh(empty, 'true')).toMatchObject({ code: 255, stderr: expect.stringContaining('no running pod') });
    await eventually(async () => {
      const story = await kubectl('describe', 'sshacc', '-n', namespace, 'empty');
      expect(story).toMatch(
        new RegExp(`Warning +NoPods .*${empty.user} was refused: this workload has no running pod`),
      );
    }, 30_000);
    // A cluster that is kept has Events of earlier runs, about pods that are gone.
    const present = (await piperPods()).map(({ metadata }) => `pod/${metadata.name}`).join('|');
    const ban = new RegExp(`(${present}) .*is banned from logins as "${stranger.user}"`);
    await eventually(async () => {
      const told = await kubectl('get', 'events', '-n', demo().systemNamespace, '--field-selector=reason=SourceBanned');
      expect(told).toMatch(ban);
    }, 90_000);
  });
});

/** Those that serve, and are not on their way out. */
const serving = async (): Promise<string[]> => (await servingPipers()).map(({ metadata }) => metadata.name);

/** More shells, on the pipers that serve now. */
async function comeToo(): Promise<void> {
  shells.push(...(await HeldShell.openAll(Array.from({ length: JOINING }, () => login()))));
}

const proveAll = (): Promise<unknown> => Promise.all(shells.map((shell) => shell.prove()));

/** As a drain of its node does it: again and again, until the PodDisruptionBudget lets it. */
async function evict(name: string): Promise<void> {
  const { systemNamespace: where } = demo();
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: where } };
  const path = `/api/v1/namespaces/${where}/pods/${name}/eviction`;
  await eventually(async () => {
    const { code, stderr } = await tryKubectl(['create', '--raw', path, '-f', '-'], JSON.stringify(eviction));
    expect({ code, stderr }).toMatchObject({ code: 0 });
  }, ROLL_MS);
}

async function scale(replicas: number): Promise<void> {
  const piper = ['deployment/sshaccess-piper', '-n', demo().systemNamespace];
  await kubectl('scale', ...piper, `--replicas=${replicas}`);
  await kubectl('rollout', 'status', ...piper, '--timeout=280s');
  await eventually(async () => expect(await serving()).toHaveLength(replicas), ROLL_MS);
}

describe('what else replaces pipers', { timeout: HELM_TEST_MS }, () => {
  test('the nodes of all of them are drained: none of those who were there before goes, nor of those who came since', async () => {
    await comeToo();
    const before = await serving();
    const evicting = (async () => {
      for (const name of before) await evict(name);
    })();
    console.log(`meanwhile: ${await loggingIn(evicting)} logins`);
    expect((await serving()).filter((name) => before.includes(name))).toEqual([]);
    await proveAll();
  });

  test('nor from one replica to three and back to one', async () => {
    const scaling = (async () => {
      await scale(1);
      await scale(3);
      await comeToo();
      await scale(1);
    })();
    try {
      console.log(`meanwhile: ${await loggingIn(scaling)} logins`);
      await proveAll();
    } finally {
      // As in the chart: Helm takes nothing back that somebody else has set.
      await scale(REPLICAS);
    }
  });

  test('nor with a rollback', async () => {
    await comeToo();
    const before = await serving();
    console.log(`meanwhile: ${await loggingIn(rollBack())} logins`);
    const present = await serving();
    expect(present).toHaveLength(REPLICAS);
    expect(present.filter((name) => before.includes(name))).toEqual([]);
    await proveAll();
  });

  test('and when the last of them leaves, the pods that were the first go at once', async () => {
    for (const shell of shells.splice(0)) shell.end();
    download?.kill('SIGKILL');
    await eventually(async () => {
      const left = (await piperPods()).map(({ metadata }) => metadata.uid);
      expect(left.filter((uid) => old.includes(uid))).toEqual([]);
    }, 60_000);
  });
});
