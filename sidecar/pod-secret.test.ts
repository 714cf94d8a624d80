import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { POD_SECRET_KEYS } from '../crds/secret-contract.ts';
import { createLogger } from '../lib/process/logger.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { followPodSecret, type PodAccess } from './pod-secret.ts';
import { bothRoles } from './testing/sidecar-fixture.ts';

const log = createLogger('test', { level: 'silent' });
const stop = new AbortController();
afterEach(() => stop.abort());

/** Publishes a version of the Secret as the kubelet does: a new folder, and a symbolic link renamed onto `..data`. */
async function publish(directory: string, version: string, files: Record<string, string>): Promise<void> {
  await mkdir(join(directory, version));
  for (const [key, text] of Object.entries(files)) {
    await writeFile(join(directory, version, key), text);
    await symlink(join('..data', key), join(directory, key)).catch(() => undefined);
  }
  await symlink(version, join(directory, '..data_tmp'));
  await rename(join(directory, '..data_tmp'), join(directory, '..data'));
}

const files = (hostKey: PrivateKey, mappingKey: PrivateKey) => ({
  [POD_SECRET_KEYS.hostKey]: hostKey.toOpenSsh(),
  [POD_SECRET_KEYS.mappingKeyPublic]: `${mappingKey.publicKey.toLine('piper')}\n`,
  [POD_SECRET_KEYS.ceiling]: JSON.stringify(bothRoles),
});

test('the Secret is followed through its coming, its swaps, its damage and its going', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'secret-'));
  const seen: (PodAccess | undefined)[] = [];
  const onChange = async (access: PodAccess | undefined) => void seen.push(access);
  const following = followPodSecret({ directory, log, onChange }, stop.signal);
  const next = async (count: number) => {
    await vi.waitFor(() => expect(seen.length).toBe(count), { timeout: 8000 });
    return seen[count - 1];
  };
  expect(await next(1)).toBeUndefined();

  const [first, second, mapping] = [1, 2, 3].map(() => PrivateKey.generateEd25519());
  if (first === undefined || second === undefined || mapping === undefined) throw new Error('no keys');
  await publish(directory, '..1', files(first, mapping));
  const access = await next(2);
  expect(access?.hostKey.publicKey.equals(first.publicKey)).toBe(true);
  expect(access?.mappingKeys).toEqual([mapping.publicKey]);
  expect(access?.ceiling).toEqual(bothRoles);

  await publish(directory, '..2', files(second, mapping));
  await rm(join(directory, '..1'), { recursive: true });
  expect((await next(3))?.hostKey.publicKey.equals(second.publicKey)).toBe(true);

  await publish(directory, '..3', { ...files(second, mapping), [POD_SECRET_KEYS.ceiling]: '{"version":2}' });
  expect(await next(4)).toBeUndefined();

  await publish(directory, '..4', files(second, mapping));
  expect(await next(5)).toBeDefined();
  await rm(join(directory, '..data'));
  expect(await next(6)).toBeUndefined();
  stop.abort();
  await following;
}, 30_000);
