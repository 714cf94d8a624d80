import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensurePackages } from '../../scripts/machine/apt.ts';
import { demo } from '../support/demo.ts';
import { type KexWatch, watchKeyExchange } from '../support/kex-watch.ts';
import { type Login, sshCommand } from '../support/openssh.ts';
import { run, succeed } from '../support/process.ts';
import { type Client, type ClientId, CLIENTS } from './list.ts';
import { pythonEnvironment } from './python-environment.ts';
import { ensureWorkbench, limitedWorkbench, rootWorkbench } from './workbench.ts';

/** What a client's tests work with. */
export type Bench = {
  /** An ssh_config with the hosts `workbench` (role root), `workbench-limited` and `bare` (root in an image without rsync). */
  config: string;
  knownHosts: string;
  /** Where the piper is reached for this client, by way of the relay that reads the key exchange. */
  host: string;
  port: number;
  root: Login;
  limited: Login;
  /** A folder of this machine, gone afterwards. */
  folder: string;
  /** The programs of the Python environment; made only where the client comes from PyPI. */
  bin: string;
  /** `ssh` with the configuration, as one argument of other programs. */
  ssh: string;
  /** Runs a command in the pod, as root; it must succeed. */
  inPod: (command: string) => Promise<string>;
};

type Title<Id extends ClientId> = (typeof CLIENTS)[Id]['works'][number];
export type Declare<Id extends ClientId> = (title: Title<Id>, body: (bench: Bench) => Promise<void>) => void;

/**
 * The tests of one row of docs/clients.md: one for each of its titles, and that client and algorithms are those that the
 * row names.
 */
export function describeClient<Id extends ClientId>(id: Id, declare: (works: Declare<Id>) => void): void {
  const client: Client = CLIENTS[id];
  describe(client.name, () => {
    const missing = new Set<string>(client.works);
    let bench: Bench | undefined;
    let watch: KexWatch | undefined;
    beforeAll(async () => {
      await ensurePackages(client.packages);
      await ensureWorkbench();
      watch = await watchKeyExchange(demo().sshHost, demo().sshPort);
      bench = await makeBench(watch.port, client.source === 'PyPI');
    });
    afterAll(async () => {
      watch?.close();
      if (bench !== undefined) await rm(bench.folder, { recursive: true, force: true });
    });
    const given = (): Bench => {
      if (bench === undefined) throw new Error('the workbench is not there');
      return bench;
    };

    declare((title, body) => {
      missing.delete(title);
      test(title, () => body(given()));
    });
    for (const title of missing) throw new Error(`docs/clients.md says of ${id} "${title}", and no test does`);

    test(`negotiates ${client.negotiates}`, async () => {
      expect(watch?.negotiated()).toEqual([client.negotiates]);
      const command = client.versionCommand.map((word) => word.replace('{bin}', given().bin));
      const { stdout, stderr } = await run(command);
      // Elsewhere Debian's packages are newer, and the table speaks of Debian 12.
      if (client.source !== 'Debian 12' || isBookworm()) expect(stdout + stderr).toContain(client.version);
    });
  });
}

const isBookworm = (): boolean => readFileSync('/etc/os-release', 'utf8').includes('VERSION_CODENAME=bookworm');

async function makeBench(port: number, withPython: boolean): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'sshaccess-client-'));
  const [root, limited] = [rootWorkbench(), limitedWorkbench()];
  const knownHosts = join(folder, 'known_hosts');
  const config = join(folder, 'ssh_config');
  const host = (alias: string, { user, key }: Login): string =>
    `Host ${alias}\n  User ${user}\n  IdentityFile ${key}\n`;
  const everywhere = [
    'HostName 127.0.0.1',
    `Port ${port}`,
    'IdentitiesOnly yes',
    'BatchMode yes',
    'StrictHostKeyChecking accept-new',
    `UserKnownHostsFile ${knownHosts}`,
    'LogLevel ERROR',
  ];
  const hosts = [
    host('workbench', root),
    host('workbench-limited', limited),
    host('bare', { user: 'clients-bare', key: root.key }),
  ];
  await writeFile(config, `${hosts.join('')}Host *\n  ${everywhere.join('\n  ')}\n`);
  return {
    config,
    knownHosts,
    host: '127.0.0.1',
    port,
    root,
    limited,
    folder,
    bin: withPython ? join(await pythonEnvironment(), 'bin') : '',
    ssh: `ssh -F ${config}`,
    // Past the relay, which is to see the client alone.
    inPod: (command) => succeed(sshCommand(root, [], command)),
  };
}
