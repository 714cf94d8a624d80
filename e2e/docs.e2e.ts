/**
 * The commands of README.md and the documents, as they stand there, typed into a shell: in a namespace of its own, with the
 * demo's address in place of ssh.example.com.
 */
import { chmod, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundlePlugin } from '../scripts/build-plugin.ts';
import { blocksOf } from '../scripts/command-blocks.ts';
import { projectFolder } from '../scripts/places.ts';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { freePort } from './support/free-port.ts';
import { apply, kubectl } from './support/kubectl.ts';
import { disposeScratch, scratch } from './support/openssh.ts';
import { succeed } from './support/process.ts';
import { createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'e2e-docs';
/** For a command that waits for what the cluster does in its own time: it is typed again. */
const PATIENCE_MS = 60_000;

let env: NodeJS.ProcessEnv;
const forwarded = await freePort();

/** What stands in the documents → what it is here. */
const here = (text: string): string =>
  text
    .replaceAll('acme', namespace)
    .replaceAll('ssh.example.com', demo().sshHost)
    .replaceAll('-p 2222', `-p ${demo().sshPort}`)
    .replaceAll('18080', String(forwarded));

/** Without a terminal, so that ssh-keygen asks for no passphrase. */
const shell = (script: string): Promise<string> =>
  succeed(['setsid', '--wait', 'bash', '--norc', '-euo', 'pipefail', '-c', `cd '${scratch}'\n${script}`], { env });

/** Types all blocks of a test, one after the other; answers what they printed. */
async function typeBlocks(title: string): Promise<string[]> {
  const answers: string[] = [];
  const blocks = blocksOf('e2e/docs.e2e.ts', title);
  expect(blocks).not.toEqual([]);
  for (const { text } of blocks) answers.push(await typeCommands(here(text)));
  return answers;
}

/** A login may have to wait for what the commands before it have changed; nothing else is typed twice. */
async function typeCommands(text: string): Promise<string> {
  const logins = text.search(/^(ssh|scp) .*$/m);
  if (logins < 0) return shell(text);
  const before = await shell(text.slice(0, logins));
  return before + (await eventually(() => shell(text.slice(logins)), PATIENCE_MS));
}

beforeAll(async () => {
  await removeNamespace(namespace);
  await bundlePlugin(scratch);
  await symlink(demo().kubectl, join(scratch, 'kubectl'));
  await writePrograms();
  const path = [scratch, dirname(process.execPath), process.env['PATH']].join(':');
  env = { ...process.env, PATH: path, KUBECONFIG: demo().kubeconfig };
  const script = 'cd /tmp && exec python3 -m http.server 8080 --bind 127.0.0.1';
  await createWorkload({ namespace, name: 'hello', script });
}, 120_000);

/** ssh and what calls it, so that of this machine's user nothing is read, and nothing is written into their home. */
async function writePrograms(): Promise<void> {
  const ours = join(scratch, 'ssh');
  const known = `-o UserKnownHostsFile=${join(scratch, 'known_hosts')}`;
  const options = '-o BatchMode=yes -o StrictHostKeyChecking=accept-new -o IdentitiesOnly=yes';
  const noConfig = `case " $* " in *' -F '*) ;; *) set -- -F none "$@" ;; esac`;
  const programs = {
    ssh: `${noConfig}\nexec /usr/bin/ssh ${options} ${known} "$@"`,
    scp: `exec /usr/bin/scp -S ${ours} "$@"`,
    sftp: `exec /usr/bin/sftp -S ${ours} "$@"`,
  };
  for (const [name, script] of Object.entries(programs)) {
    await writeFile(join(scratch, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(scratch, name), 0o755);
  }
}

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

test('quick start: an SshAccess, and both users log in', async () => {
  const readme = await readFile(join(projectFolder, 'README.md'), 'utf8');
  const [, manifest = ''] = /```yaml\n(apiVersion: sshaccess\.dev[^]*?)```/.exec(readme) ?? [];
  await writeFile(join(scratch, 'access.yaml'), here(manifest));
  const [made = '', ...asked] = await typeBlocks('quick start: an SshAccess, and both users log in');
  expect(made).toContain('sshaccess.sshaccess.dev/hello created');
  const all = asked.join('\n');
  expect(all).toContain('uid=0(root)');
  expect(all).toMatch(/uid=61\d\d\d/);
  expect(all).toContain('SHA256:');
  await waitUntilReady(namespace, 'hello');
});

test('key pairs of every kind log in', async () => {
  const answers = await typeBlocks('key pairs of every kind log in');
  // The last is the key of the one before, which had come by its private half.
  expect(answers.map((answer) => /secret\/alice-key (\w+)/.exec(answer)?.[1])).toEqual([
    'configured',
    'configured',
    'configured',
    'unchanged',
  ]);
});

test('certificates: who has one of an authority in the Secret logs in', async () => {
  const title = 'certificates: who has one of an authority in the Secret logs in';
  const [make = '', trust = ''] = blocksOf('e2e/docs.e2e.ts', title).map(({ text }) => here(text));
  const login = make.indexOf('ssh -i');
  await shell(make.slice(0, login));
  await shell(trust);
  await useSecret('ops-ca');
  await eventually(() => shell(make.slice(login)), PATIENCE_MS);
  await useSecret('alice-key');
});

/** Whose Secret the primary user's is. */
async function useSecret(name: string): Promise<void> {
  const patch = JSON.stringify([{ op: 'replace', path: '/spec/users/0/secretRef/name', value: name }]);
  await kubectl('patch', 'sshacc', 'hello', '-n', namespace, '--type=json', '-p', patch);
}

test('recipes: an entry of ssh_config, known_hosts, and what goes through it', async () => {
  await apply(keySecret(namespace, 'alice-key', await readFile(join(scratch, 'alice.pub'), 'utf8')));
  await eventually(
    () => shell(`ssh -i alice -p ${demo().sshPort} ${namespace}-hello@${demo().sshHost} true`),
    PATIENCE_MS,
  );
  const answers = await typeBlocks('recipes: an entry of ssh_config, known_hosts, and what goes through it');
  expect(await readFile(join(scratch, 'back'), 'utf8')).toBe('hello\n');
  expect(answers.at(-1)).toContain('<a href="file">');
});

test('operations: what an administrator looks at', async () => {
  const answers = (await typeBlocks('operations: what an administrator looks at')).join('\n');
  expect(answers).toContain('sshaccess-piper-');
  expect(answers).toMatch(/SSH_AUDIT connect user=\S+-hello/);
});

test('operations: host keys are backed up and restored', async () => {
  const stored = () =>
    kubectl('get', 'secret', 'sshaccess-piper-host-keys', '-n', demo().systemNamespace, '-o', 'jsonpath={.data}');
  const before = await stored();
  await typeBlocks('operations: host keys are backed up and restored');
  expect(await stored()).toBe(before);
  // As into a cluster that has none of them.
  const elsewhere = (await readFile(join(scratch, 'host-keys.yaml'), 'utf8')).replace(
    /^ {2}namespace: .*$/m,
    `  namespace: ${namespace}`,
  );
  await apply(elsewhere);
});
