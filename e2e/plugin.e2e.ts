/** `kubectl sshaccess`, as kubectl runs it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { chmod, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { bundlePlugin } from '../scripts/build-plugin.ts';
import { projectFolder } from '../scripts/places.ts';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { apply, kubectl } from './support/kubectl.ts';
import { clientOptions, disposeScratch, generateKey, type Login, scratch, ssh } from './support/openssh.ts';
import { run, succeed } from './support/process.ts';
import { endsWithin, stay } from './support/stay.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const place = 'e2e-plugin-users';
const root: Login = { user: `${place}-app`, key: join(scratch, 'root') };
const limited: Login = { user: `${place}-app-dev`, key: join(scratch, 'limited') };
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  await bundlePlugin(scratch);
  await symlink(demo().kubectl, join(scratch, 'kubectl'));
  const path = [scratch, dirname(process.execPath), process.env['PATH']].join(':');
  env = { ...process.env, PATH: path, KUBECONFIG: demo().kubeconfig };
  await createWorkload({ namespace: place, name: 'app', script: 'sleep infinity' });
  for (const name of ['root', 'limited']) await apply(keySecret(place, name, (await generateKey(name)).publicKey));
  const [first, second] = [{ secretRef: { name: 'root' } }, { suffix: 'dev', secretRef: { name: 'limited' } }];
  await apply(accessManifest(place, 'app', [first, second]));
  await waitUntilReady(place, 'app');
  for (const login of [root, limited]) await eventually(async () => expect((await ssh(login, 'true')).code).toBe(0));
});
afterAll(async () => {
  await removeNamespace(place);
  disposeScratch();
});

const plugin = (...args: string[]): Promise<string> => succeed(['kubectl', 'sshaccess', ...args], { env });
const ofApp = (command: string, ...args: string[]): Promise<string> => plugin(command, 'app', '-n', place, ...args);

test('command prints the line of a user', async () => {
  const line = await ofApp('command', '-i', root.key);
  expect(line.trim()).toBe(`ssh -i ${root.key} -p ${demo().sshPort} ${root.user}@${demo().sshHost}`);
});

test('config is a configuration that logs in', async () => {
  const config = join(scratch, 'config');
  await run(['sh', '-c', 'cat > "$0"', config], { input: await ofApp('config') });
  const options = clientOptions(root).slice(2);
  const { stdout } = await run(['ssh', '-F', config, ...options, root.user, 'echo in']);
  expect(stdout).toBe('in\n');
});

test('known-hosts holds the key that the gateway proves: no first connection is believed', async () => {
  const file = join(scratch, 'known');
  writeFileSync(file, await eventually(() => ofApp('known-hosts')));
  const strict = ['-o', 'StrictHostKeyChecking=yes', '-o', `UserKnownHostsFile=${file}`];
  expect(await ssh(root, 'echo known', { ssh: strict })).toMatchObject({ code: 0, stdout: 'known\n' });
});

test('kick ends the sessions of one user, who may come back; sessions are counted', async () => {
  const [stays, goes] = [await stay(root), await stay(limited)];
  await eventually(async () =>
    expect(await plugin('sessions', '-n', place)).toMatch(new RegExp(`^${limited.user} +app +[1-9]`, 'm')),
  );
  expect(await ofApp('kick', limited.user)).toContain(limited.user);
  expect(await endsWithin(10_000, goes)).toContain('[kicked, connection ');
  expect(stays.alive()).toBe(true);
  await eventually(async () => expect((await ssh(limited, 'true')).code).toBe(0), 30_000);
});

test('status and who tell of every user', async () => {
  expect(await ofApp('status')).toMatch(/^e2e-plugin-users\/app: ready \(SshReady\)/);
  const who = await plugin('who', '--namespace', place);
  for (const { user } of [root, limited]) expect(who).toMatch(new RegExp(`^${user} `, 'm'));
});

test('what is not there is said in a sentence, with exit code 1', async () => {
  const { code, stderr } = await run(['kubectl', 'sshaccess', 'status', 'no-such', '-n', place], { env });
  expect([code, stderr]).toEqual([1, expect.stringContaining('"no-such" not found')]);
});

test('keygen, apply: the Secret is one', async () => {
  const manifest = await plugin('keygen', 'plugin-key', '-n', place, '--file', join(scratch, 'plugin-key'));
  await succeed(['kubectl', 'apply', '-f', '-'], { env, input: manifest });
  const stored = ['get', 'secret', 'plugin-key', '-n', place, '-o', 'jsonpath={.data.ssh-publickey}'];
  const key = Buffer.from(await succeed(['kubectl', ...stored], { env }), 'base64').toString();
  expect(key).toBe(readFileSync(join(scratch, 'plugin-key.pub'), 'utf8'));
});

test('why shows what the gateway recorded of a refusal', async () => {
  const { stderr } = await ssh(root, 'true', { ssh: ['-l', `${root.user}.99`, '-o', 'LogLevel=INFO'] });
  const [, id = ''] = /connection ([0-9a-f]+)\]/.exec(stderr) ?? [];
  await eventually(async () => expect(await plugin('why', id)).toMatch(/"event":"refused".*"reason":"/), 20_000);
});

describe('a tenant, with the role edit of their namespace and the roles of docs/kubectl-plugin.md', () => {
  const namespace = 'e2e-plugin';
  const document = readFileSync(join(projectFolder, 'docs/kubectl-plugin.md'), 'utf8');
  const [, roles = ''] = /```yaml\n(apiVersion: rbac[^]*?)```/.exec(document) ?? [];
  const asTenant = (...args: string[]) => run(['kubectl', ...args], { env: { ...env, KUBECONFIG: tenant } });
  const tenant = join(scratch, 'tenant');

  beforeAll(async () => {
    await removeNamespace(namespace);
    await createWorkload({ namespace, name: 'app', script: 'sleep infinity' });
    await apply(roles);
    await kubectl('create', 'serviceaccount', 'tenant', '-n', namespace);
    const whose = ['--clusterrole=edit', `--serviceaccount=${namespace}:tenant`];
    await kubectl('create', 'rolebinding', 'tenant', '-n', namespace, ...whose);
    const token = await kubectl('create', 'token', 'tenant', '-n', namespace);
    await writeFile(tenant, readFileSync(demo().kubeconfig), { mode: 0o600 });
    const config = (...args: string[]) => succeed(['kubectl', '--kubeconfig', tenant, 'config', ...args], { env });
    await config('set-credentials', 'tenant', `--token=${token.trim()}`);
    await config('set-context', '--current', '--user=tenant', `--namespace=${namespace}`);
  }, 120_000);
  afterAll(async () => {
    await kubectl('delete', 'clusterrole', 'sshaccess-view', 'sshaccess-edit', '--ignore-not-found');
    await removeNamespace(namespace);
  });

  test('makes keys and an SshAccess, logs in, and does all that is done there by the plugin', async () => {
    const key = join(scratch, 'tenant-key');
    const secret = await asTenant('sshaccess', 'keygen', 'key', '--file', key);
    const access = stringify({
      apiVersion: 'sshaccess.dev/v1alpha1',
      kind: 'SshAccess',
      metadata: { name: 'app' },
      spec: { target: { name: 'app' }, users: [{ secretRef: { name: 'key' } }] },
    });
    const input = `${secret.stdout}---\n${access}`;
    // The roles reach `edit` in the time of a controller.
    const applying = { env: { ...env, KUBECONFIG: tenant }, input };
    await eventually(() => succeed(['kubectl', 'apply', '-f', '-'], applying));
    const status = ['sshaccess', 'status', 'app', '-i', key];
    await eventually(
      async () => expect((await asTenant(...status)).stdout).toMatch(/^\S+: ready [^]* is a key of e2e-plugin-app$/m),
      90_000,
    );
    expect((await ssh({ user: `${namespace}-app`, key }, 'echo in')).stdout).toBe('in\n');
    for (const command of ['command', 'config', 'known-hosts', 'status', 'who'])
      expect(await asTenant('sshaccess', command, 'app'), command).toMatchObject({ code: 0, stderr: '' });
    expect(await asTenant('sshaccess', 'sessions')).toMatchObject({ code: 0 });
    expect(await asTenant('sshaccess', 'kick', 'app', `${namespace}-app`)).toMatchObject({ code: 0 });
  });

  test('reads nothing of other namespaces, nor the logs of the gateway', async () => {
    for (const words of [
      ['status', '-n', 'acme'],
      ['why', '0123abcd'],
    ])
      expect(await asTenant('sshaccess', ...words)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('forbidden'),
      });
  });

  test('has commands, names and users completed by kubectl, with the flags of the line', async () => {
    const program = join(scratch, 'kubectl_complete-sshaccess');
    await writeFile(program, await plugin('completion'));
    await chmod(program, 0o755);
    const offered = async (...words: string[]) =>
      (await succeed(['kubectl', '__complete', 'sshaccess', ...words], { env })).split('\n');
    expect(await offered('kno')).toContain('known-hosts');
    expect(await offered('status', '-n', 'acme', '')).toContain('hello');
    expect(await offered('-n', 'acme', 'kick', 'hello', '')).toContain(demo().limitedUser);
    expect(await offered('status', '-n', namespace, '')).toContain('app');
  });
});
