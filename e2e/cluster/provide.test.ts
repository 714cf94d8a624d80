import { afterAll, expect, test } from 'vitest';
import type { Cluster, Provider } from './cluster.ts';
import { provideCluster, removeCluster } from './provide.ts';

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

function failing(kind: Cluster['provider'], message: string): Provider {
  return { ...provider(kind), start: () => Promise.reject(new Error(message)) };
}

test('the first provider that can starts it', async () => {
  const providers = [provider('existing', 'not set'), provider('k3s'), failing('native', 'not asked')];
  expect((await provideCluster(name, { providers })).provider).toBe('k3s');
});

test('one that can, and then does not, makes room for the next', async () => {
  const providers = [failing('k3s', 'no privileged containers'), provider('native')];
  expect((await provideCluster(name, { providers })).provider).toBe('native');
});

test('but nobody takes the place of a cluster that was asked for by name', async () => {
  const providers = [failing('existing', 'connection refused'), provider('native')];
  await expect(provideCluster(name, { providers })).rejects.toThrow('connection refused');
});

test('when none can, the error says of each why, and what to do', async () => {
  const unsure: Provider = { ...provider('native'), unavailable: () => Promise.reject(new Error('disk full')) };
  const providers = [provider('existing', 'set X'), failing('k3s', 'no cgroups'), unsure];
  await expect(provideCluster(name, { providers })).rejects.toMatchObject({
    code: 'NO_CLUSTER',
    message: [
      'No Kubernetes cluster can be had here. Do what one of these lines says:',
      '  - existing: set X.',
      '  - k3s: it did not start: no cgroups',
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
