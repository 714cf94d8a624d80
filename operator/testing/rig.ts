/** The whole operator against an API server on loopback, and what a test puts there and looks at. */
import { afterEach, beforeEach, vi } from 'vitest';
import {
  ANNOTATION_WEBHOOK_ANSWERS,
  LABEL_ACCESS,
  podSettings,
  Route,
  serverOf,
  SshAccessSpec,
} from '../../crds/index.ts';
import { apiMetrics } from '../../lib/kube/api-metrics.ts';
import { clientOf } from '../../lib/kube/client.ts';
import { TestApiServer } from '../../lib/kube/testing/api-server.ts';
import { createLogger } from '../../lib/process/logger.ts';
import { parseAccess } from '../cached-access.ts';
import { OperatorMetrics } from '../metrics.ts';
import { createOperator } from '../operator.ts';
import { releaseAll } from '../release-all.ts';
import type { PresencePace } from '../presence/presence.ts';
import { encode, Secret, textOf } from '../secret.ts';
import { mainRecord, publicLine, record } from './samples.ts';
import { ACCOUNT, ownAddress } from './sshd.ts';

const config = {
  systemNamespace: 'sys',
  identity: 'operator-1',
  endpoint: { host: 'ssh.example.com', port: 2222 },
  ports: { health: 0, profiling: 0 },
  maxUsersPerAccess: 5,
  secretDelayMs: 120_000,
  routeDelayMs: 900_000,
};
const ANSWER = { [ANNOTATION_WEBHOOK_ANSWERS]: 'true' };
export const at = (name: string, namespace = 'acme') =>
  `/apis/sshaccess.dev/v1alpha1/namespaces/${namespace}/sshaccesses/${name}`;
export const secretAt = (name: string, namespace = 'acme') => `/api/v1/namespaces/${namespace}/secrets/${name}`;
export const serviceAt = (name: string) => `/api/v1/namespaces/acme/services/${name}`;
export const deploymentAt = (name: string) => `/apis/apps/v1/namespaces/acme/deployments/${name}`;
export const podAt = (name: string) => `/api/v1/namespaces/acme/pods/${name}`;

export const soon = (check: () => void) => vi.waitFor(check, { timeout: 8_000, interval: 20 });

export type MainPodOptions = {
  address?: string;
  /** Of the container. */
  id?: string;
  startedAt?: string;
  /** It does not run; this is how it ended. */
  ended?: { exitCode: number; message?: string };
  ports?: readonly number[];
};

/** Registers the hooks of a test file: each test has a cluster of its own, with a namespace and a Deployment. */
export function useOperator(): Rig {
  vi.setConfig({ testTimeout: 20_000 });
  const rig = new Rig();
  beforeEach(() => rig.begin());
  afterEach(() => rig.end());
  return rig;
}

class Rig {
  server = new TestApiServer();
  clock = (): Date => new Date();
  pace: PresencePace = {};
  metrics = new OperatorMetrics();
  /** Where the operator looks; undefined: everywhere. */
  namespaces: readonly string[] | undefined;
  /** The API server reaches the webhook. */
  isWebhookServing = true;
  #stop = new AbortController();
  #running: Promise<void> | undefined;

  async begin(): Promise<void> {
    this.server = new TestApiServer();
    this.isWebhookServing = true;
    this.server.onTry = (object) => (this.isWebhookServing ? { ...object, metadata: { annotations: ANSWER } } : object);
    await this.server.start();
    this.clock = () => new Date();
    this.pace = {};
    this.namespaces = undefined;
    this.putNamespace('acme');
    this.putDeployment('web');
  }

  async end(): Promise<void> {
    await this.stopOperator();
    await this.server.stop();
  }

  async startOperator(): Promise<void> {
    this.#stop = new AbortController();
    this.metrics = new OperatorMetrics();
    const { signal } = this.#stop;
    const log = createLogger('operator', { level: 'silent' });
    const operator = createOperator({
      client: clientOf(this.server.address, 'test', apiMetrics(this.metrics.registry)),
      config: { ...config, namespaces: this.namespaces },
      log,
      clock: () => this.clock(),
      probing: { firstRetryMs: 20 },
      pace: this.pace,
      metrics: this.metrics,
      webhookSettleMs: 0,
    });
    await operator.follow(signal);
    this.#running = operator.lead(signal);
  }

  /** What `helm uninstall` runs. */
  async releaseAll(): Promise<void> {
    const log = createLogger('operator', { level: 'silent' });
    const job = { ...config, identity: 'job-1', deployment: 'operator', namespaces: this.namespaces };
    await releaseAll({ client: this.server.client(), config: job, log }, AbortSignal.timeout(15_000));
  }

  async stopOperator(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  putKey(name: string, data: Record<string, string>): void {
    const encoded = Object.entries(data).map(([key, value]) => [key, encode(value)]);
    this.server.put(secretAt(name), { metadata: {}, type: 'Opaque', data: Object.fromEntries(encoded) });
  }

  /** With the Secret that putAccess names. */
  putNamespace(name: string): void {
    this.server.put(`/api/v1/namespaces/${name}`, { metadata: {} });
    this.server.put(secretAt('alice-key', name), { metadata: {}, data: { 'ssh-publickey': encode(publicLine()) } });
  }

  putDeployment(name: string): void {
    const template = { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'app' }] } };
    this.server.put(deploymentAt(name), { metadata: {}, spec: { replicas: 1, template } });
  }

  putPod(name: string, access: string, isInjected = true): void {
    this.server.put(podAt(name), {
      metadata: {
        labels: { [LABEL_ACCESS]: access },
        annotations: isInjected ? { 'sshaccess.dev/injected': JSON.stringify({ ...record, access }) } : {},
        ownerReferences: [{ controller: true }],
      },
      status: { phase: 'Running', initContainerStatuses: [{ name: 'sshaccess', ready: isInjected }] },
    });
  }

  /** A pod that was made for what the SshAccess says now, and whose image brings the sshd. */
  putMainPod(
    name: string,
    access: string,
    { address = ownAddress(), id = name, startedAt = '2026-01-01T00:00:00Z', ended, ports }: MainPodOptions = {},
  ): void {
    const { access: current } = parseAccess(this.server.get(at(access)));
    if (current === undefined) throw new Error('put an SshAccess first');
    const setup = serverOf(current.spec);
    if (setup === 'sidecar') throw new Error('the SshAccess asks for a sidecar');
    const port = current.spec.mainContainer?.port ?? 2222;
    const settings = podSettings(current.spec);
    const injected = mainRecord(setup, { port, settings, usernames: [ACCOUNT] });
    const state = ended === undefined ? { running: { startedAt } } : { waiting: { reason: 'CrashLoopBackOff' } };
    const lastState = ended === undefined ? {} : { terminated: ended };
    this.server.put(podAt(name), {
      metadata: {
        labels: { [LABEL_ACCESS]: access },
        annotations: { 'sshaccess.dev/injected': JSON.stringify({ ...injected, access }) },
        ownerReferences: [{ controller: true }],
      },
      spec: { containers: [{ name: 'app', ports: ports?.map((containerPort) => ({ containerPort })) }] },
      status: {
        phase: 'Running',
        podIP: address,
        containerStatuses: [{ name: 'app', containerID: `containerd://${id}`, state, lastState }],
      },
    });
  }

  putAccess(name: string, spec: object = {}, namespace = 'acme'): string {
    const whole = SshAccessSpec.parse({
      target: { name: 'web' },
      users: [{ secretRef: { name: 'alice-key' } }],
      ...spec,
    });
    const stored = this.server.get(at(name, namespace));
    const object = { ...stored, metadata: stored?.metadata ?? {}, spec: whole };
    return this.server.put(at(name, namespace), object).metadata.uid;
  }

  secretOf(path: string): Secret | undefined {
    const stored = this.server.get(path);
    return stored === undefined ? undefined : Secret.parse(stored);
  }

  routeOf(uid: string): Route | undefined {
    const text = textOf(this.secretOf(secretAt(`route-${uid}`, 'sys')), 'route.json');
    return text === undefined ? undefined : Route.parse(JSON.parse(text));
  }

  usersOf(uid: string): readonly string[] | undefined {
    return this.routeOf(uid)?.users.map(({ username }) => username);
  }

  statusOf(name: string, namespace = 'acme') {
    const stored = this.server.get(at(name, namespace));
    return stored && parseAccess(stored).status;
  }

  condition(name: string, type: string, namespace = 'acme') {
    return this.statusOf(name, namespace)?.conditions?.find((condition) => condition.type === type);
  }

  /** Notes of the Events with this reason. */
  events(wanted: string): readonly string[] {
    return this.server
      .list('/apis/events.k8s.io/v1/namespaces/acme/events')
      .flatMap(({ reason, note }) => (reason === wanted ? [String(note)] : []));
  }

  reason(name: string, type: string, namespace = 'acme'): string | undefined {
    return this.condition(name, type, namespace)?.reason;
  }

  labelOf(name: string): boolean {
    return JSON.stringify(this.server.get(deploymentAt(name))?.['spec'] ?? {}).includes(LABEL_ACCESS);
  }

  writes(): readonly string[] {
    return this.server.requests.filter((line) => !line.startsWith('GET') && !line.includes('/events'));
  }

  /** Returns when the operator has nothing more to say. */
  async quiet(): Promise<void> {
    let before = -1;
    while (before !== this.server.requests.length) {
      before = this.server.requests.length;
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
  }
}
