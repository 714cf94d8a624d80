/** `npm run down`, as somebody types it: nothing of the cluster is left on this machine, looked for by other ways than its own. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { clusterNames } from './cluster/names.ts';
import { CHAINS } from './cluster/native/network-policies/chains.ts';
import { provideCluster, removeCluster } from './cluster/provide.ts';
import { runningTestCluster } from './cluster/test-cluster.ts';
import { projectFolder } from '../scripts/places.ts';
import { succeed } from './support/process.ts';

const name = 'e2e-down';
const names = clusterNames(name);
const { provider } = await runningTestCluster();

afterAll(() => removeCluster(name));

/** Whatever is in a cgroup of the cluster's, by what the kernel says of each process. */
function processes(): string[] {
  return readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && readOr('', `/proc/${pid}/cgroup`).includes(`/${names.cgroup}`),
  );
}

function readOr(absent: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return absent; // it ended between two looks
  }
}

/** Everything that the machine says of it. */
async function found(): Promise<Record<string, readonly string[]>> {
  const lines = (text: string, ...alsoOurs: readonly string[]): string[] =>
    text.split('\n').filter((line) => [name, names.hostLink, ...alsoOurs].some((each) => line.includes(each)));
  const rules = await succeed(['sh', '-c', 'iptables-save 2>/dev/null; nft list ruleset 2>/dev/null; true']);
  return {
    processes: processes(),
    mounts: lines(readFileSync('/proc/mounts', 'utf8')),
    links: lines(await succeed(['ip', '-o', 'link'])),
    routes: (await succeed(['ip', 'route'])).split('\n').filter((line) => line.includes(names.hostLink)),
    // Of other clusters there are none either: each has its own in its node.
    rules: lines(rules, ...Object.values(CHAINS)),
    folders: [names.folder].filter((folder) => existsSync(folder)),
  };
}

if (provider !== 'native') {
  test('this cluster is a container, or somebody’s', () =>
    console.log('what npm run down leaves is looked for on the native cluster only'));
} else {
  test('npm run down leaves no process, mount, link, route, rule or folder behind', async () => {
    await provideCluster(name, { fresh: true });
    const before = await found();
    // It is looked for in the right places.
    for (const kind of ['processes', 'links', 'routes', 'folders']) expect(before[kind], kind).not.toEqual([]);
    const env = { ...process.env, SSHACCESS_CLUSTER: name };
    const said = await succeed([process.execPath, join(projectFolder, 'e2e/cluster/down.ts')], {
      env,
      timeoutMs: 120_000,
    });
    expect(said).toContain(`cluster "${name}" is gone`);
    expect(await found()).toEqual({ processes: [], mounts: [], links: [], routes: [], rules: [], folders: [] });
    for (const pid of before['processes'] ?? []) expect(readOr('', `/proc/${pid}/cgroup`)).not.toContain(names.cgroup);
  });
}
