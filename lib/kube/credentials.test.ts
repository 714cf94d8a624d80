import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { inCluster, isInCluster } from './credentials.ts';

let folder: string;
afterEach(async () => {
  vi.useRealTimers();
  await rm(folder, { recursive: true, force: true });
});

test('the pod’s token is read again once a minute, and at once after a failure', async () => {
  folder = await mkdtemp(join(tmpdir(), 'service-account-'));
  const credentials = inCluster({ KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' }, folder);
  await expect(credentials()).rejects.toThrow('ENOENT');
  await writeFile(join(folder, 'ca.crt'), 'ca');
  await writeFile(join(folder, 'token'), 'one\n');
  const access = await credentials();
  expect(access).toMatchObject({ server: 'https://[fd00::1]:6443', headers: { authorization: 'Bearer one' } });
  await writeFile(join(folder, 'token'), 'two');
  expect((await credentials()).headers['authorization']).toBe('Bearer one');
  vi.useFakeTimers({ now: Date.now() + 61_000, toFake: ['Date'] });
  expect((await credentials()).headers['authorization']).toBe('Bearer two');
});

test('KUBECONFIG comes before the service account', () => {
  expect(isInCluster({ KUBECONFIG: '/x', KUBERNETES_SERVICE_HOST: '10.0.0.1' })).toBe(false);
  expect(isInCluster({})).toBe(false);
});
