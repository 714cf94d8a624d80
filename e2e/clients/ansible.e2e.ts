/** Ansible, as it comes from PyPI, over OpenSSH. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Finished, run } from '../support/process.ts';
import { type Bench, describeClient } from './describe-client.ts';
import { randomFile, sha256 } from './files.ts';

const playbook = join(import.meta.dirname, 'ansible/playbook.yml');

describeClient('ansible', (works) => {
  works('ping, copy, shell, fetch, become, with pipelining and ControlPersist', async (bench) => {
    const persist = '-o ControlMaster=auto -o ControlPersist=15s';
    await plays(bench, 'workbench', { pipelining: 'true', sshArgs: `${persist} -o ControlPath=${bench.folder}/%C` });
  });

  works('ping, copy, shell, fetch, become, without pipelining', (bench) =>
    plays(bench, 'workbench', { pipelining: 'false', sshArgs: '-o ControlMaster=no' }),
  );

  works('limited: ping, shell and copy, with ansible_ssh_transfer_method=piped', (bench) =>
    plays(bench, 'workbench-limited', { pipelining: 'false', sshArgs: '-o ControlMaster=no' }, [
      'ansible_ssh_transfer_method=piped',
      'may_become=false',
    ]),
  );

  works('ansible_user needs ansible_remote_tmp; a User in ssh_config needs nothing', async (bench) => {
    const play = { host: 'workbench-limited', pipelining: 'false', sshArgs: '-o ControlMaster=no' };
    const ping = (...variables: string[]) => ansible(bench, { ...play, variables }, '-m', 'ping');
    const piped = 'ansible_ssh_transfer_method=piped';
    const user = `ansible_user=${bench.limited.user}`;
    // It asks the shell for ~user, gets that word back, and takes it for the name of a directory.
    expect((await ping(piped, user)).stdout).toContain('UNREACHABLE');
    expect((await ping(piped, user, 'ansible_remote_tmp=/tmp/.ansible-${USER}')).stdout).toContain('"ping": "pong"');
    expect((await ping(piped)).stdout).toContain('"ping": "pong"');
  });
});

type Settings = { pipelining: string; sshArgs: string };
type Play = Settings & { host: string; variables: readonly string[] };

async function plays(bench: Bench, host: string, settings: Settings, variables: readonly string[] = []): Promise<void> {
  const name = `${host}-${settings.pipelining}`;
  const source = join(bench.folder, `ansible-${name}`);
  const digest = randomFile(source, 300_000);
  const facts = [`source=${source}`, `remote=/tmp/ansible-${name}`, `fetched=${source}.back`, `digest=${digest}`];
  const play = { ...settings, host, variables: [...facts, ...variables] };
  const { stdout, code } = await ansible(bench, play, playbook);
  expect(stdout).not.toMatch(/WARNING|failed=[1-9]|unreachable=[1-9]/);
  expect(code).toBe(0);
  expect(stdout).toMatch(/ok=[5-9] /);
  expect(sha256(`${source}.back`)).toBe(digest);
}

/** A playbook, or with `-m` a module, on one host. */
async function ansible(bench: Bench, play: Play, ...what: string[]): Promise<Finished> {
  const { bin, config, folder } = bench;
  const home = join(folder, 'ansible-home');
  await mkdir(home, { recursive: true });
  const [inventory, settings] = [join(folder, 'hosts'), join(folder, 'ansible.cfg')];
  await writeFile(settings, '');
  await writeFile(inventory, `${play.host}\n`);
  const given = play.variables.flatMap((variable) => ['-e', variable]);
  const program = what[0] === '-m' ? [join(bin, 'ansible'), play.host] : [join(bin, 'ansible-playbook')];
  // It insists on blocking files, which Node's pipes are not: cat is in between.
  const blocking = ['bash', '-o', 'pipefail', '-c', '"$0" "$@" </dev/null 2>&1 | cat'];
  return run([...blocking, ...program, '-i', inventory, ...given, ...what], {
    env: {
      ...process.env,
      ANSIBLE_HOME: home,
      ANSIBLE_CONFIG: settings,
      ANSIBLE_PIPELINING: play.pipelining,
      ANSIBLE_SSH_ARGS: `-F ${config} ${play.sshArgs}`,
      ANSIBLE_PYTHON_INTERPRETER: '/usr/bin/python3',
    },
    timeoutMs: 120_000,
  });
}
