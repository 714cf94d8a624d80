import { afterAll, expect, test } from 'vitest';
import type { Cluster, Provider } from './cluster.ts';
import { choose, provideCluster, removeCluster } from './provide.ts';

const name = `unit-${process.pid}`;
const removedBy: string[] = [];

function cluster(kind: Cluster['provider'], label: string): Cluster {
  return {
    name: label,
    provider: kind,
    kubeconfigPath: '',
    kubectlPath: '',
    helmPath: '',
    sshEndpoint: async (port) => ({ host: '127.0.0.1', port }),
    hasImage: async () => false,
    loadImage: async () => [],
    stop: async () => [],
  };
}

function provider(kind: Cluster['provider'], reason?: string, running?: Cluster): Provider {
  return {
    kind,
    unavailable: async () => reason,
    find: async () => running,
    start: async () => cluster(kind, 'started'),
    remove: async () => {
      removedBy.push(kind);
      return [`what ${kind} had`];
    },
  };
}

afterAll(() => {
  removedBy.length = 0;
});

test('the first provider that can is chosen', async () => {
  const chosen = await choose([provider('existing', 'not set'), provider('k3s'), provider('native')]);
  expect(chosen.kind).toBe('k3s');
});

test('when none can, the error says of each why, and what to do', async () => {
  const failing: Provider = { ...provider('native'), unavailable: () => Promise.reject(new Error('disk full')) };
  const wanted = choose([provider('existing', 'set X'), provider('k3s', 'install Docker'), failing]);
  await expect(wanted).rejects.toMatchObject({
    code: 'NO_CLUSTER',
    message: [
      'No Kubernetes cluster can be had here. Do what one of these lines says:',
      '  - existing: set X.',
      '  - k3s: install Docker.',
      '  - native: disk full.',
    ].join('\n'),
  });
});

test('a running cluster is taken, even from a provider that could start none', async () => {
  const running = cluster('native', 'running');
  const providers = [provider('k3s'), provider('native', 'no Go any more', running)];
  expect(await provideCluster(name, { providers })).toBe(running);
});

test('a fresh cluster is started although one runs', async () => {
  const providers = [provider('native', undefined, cluster('native', 'running'))];
  expect((await provideCluster(name, { providers, fresh: true })).name).toBe('started');
});

test('every provider removes what it has', async () => {
  const removed = await removeCluster(name, [provider('k3s'), provider('native', 'no Go any more')]);
  expect(removed).toEqual(['what k3s had', 'what native had']);
  expect(removedBy).toEqual(['k3s', 'native']);
});
