/** The real API server accepts every example and answers bad objects with sentences that help. */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { kubectl, tryKubectl } from './support/kubectl.ts';

const examples = new URL('../crds/examples/', import.meta.url);
const dryRun = (manifest: string) => tryKubectl(['apply', '--dry-run=server', '-n', 'default', '-f', '-'], manifest);

test.each(readdirSync(examples))('example %s is accepted', async (file) => {
  const { code, stderr } = await dryRun(readFileSync(new URL(file, examples), 'utf8'));
  expect(stderr).toBe('');
  expect(code).toBe(0);
});

const primary = { secretRef: { name: 'key' } };
const named = (suffix: string) => ({ suffix, secretRef: { name: 'key' } });
const object = (spec: object, name = 'bad') => ({
  apiVersion: 'sshaccess.dev/v1alpha1',
  kind: 'SshAccess',
  metadata: { name },
  spec: { target: { name: 'app' }, users: [primary], ...spec },
});

const limited = (policy: object) => object({ policy: { limited: policy } });
const sftp = (paths: readonly string[]) => limited({ sftp: { access: 'read-only', paths } });

test.each([
  ['processNamespace', /insist on being process 1.*sessions open in the toolbox/],
  ['policy.limited.commands', /only commands that run.*no sftp and no forwarding but what is asked for/],
  ['policy.limited.sftp.paths', /Directories that sftp and scp are confined to/],
  ['policy.root.agentForwarding', /SSH_AUTH_SOCK in the app/],
  ['mainContainer.managed', /pods get the key of the gateway, and nothing else/],
  ['mainContainer.hostKeys', /takes the key of each pod at first sight/],
])('kubectl explains spec.%s', async (field, sentence) => {
  const text = await kubectl('explain', `sshaccess.spec.${field}`);
  expect(text.replace(/\s+/g, ' ')).toMatch(sentence);
});

const unmanaged = { managed: false, user: 'deploy', authorizedKeysPath: '/home/deploy/.ssh/authorized_keys' };
const main = (mainContainer: object) => object({ runtime: 'main_container', mainContainer });
const own = (changes: object) => main({ ...unmanaged, ...changes });

test.each([
  ['an image that follows the contract', object({ runtime: 'main_container' })],
  ['one that sets sshd up itself', main({ setup: 'Image', bootstrap: { script: 'true', required: true } })],
  ['one that knows nothing of us', own({ port: 2022, hostKeys: ['ssh-ed25519 AAAA root@image'] })],
  ['settings that wait for their runtime', object({ mainContainer: { setup: 'Image' } })],
])('taken: %s', async (_name, manifest) => {
  const { code, stderr } = await dryRun(stringify(manifest));
  expect(stderr).toBe('');
  expect(code).toBe(0);
});

describe('refused, with a sentence:', () => {
  test.each([
    ['two primary users', object({ users: [primary, primary] }), /exactly one user has no suffix/],
    ['no primary user', object({ users: [named('dev')] }), /exactly one user has no suffix/],
    ['a suffix twice', object({ users: [primary, named('dev'), named('dev')] }), /two users have the same suffix/],
    [
      '65 users',
      object({ users: [primary, ...Array.from({ length: 64 }, (_, index) => named(`u${index}`))] }),
      /must have at most 64 items/,
    ],
    ['no user', object({ users: [] }), /should have at least 1 items/],
    ['a capital letter in a suffix', object({ users: [primary, named('Dev')] }), /use only a-z, 0-9 and -/],
    ['a dot in the organization', object({ organization: 'acme.com' }), /use only a-z, 0-9 and -/],
    ['a runtime that does not exist', object({ runtime: 'main' }), /supported values: "sidecar"/],
    [
      'a kind that is no workload',
      object({ target: { kind: 'Service', name: 'app' } }),
      /supported values: "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob"/,
    ],
    [
      'an access that does not exist',
      object({ users: [{ ...primary, access: 'admin' }] }),
      /supported values: "root", "limited"/,
    ],
    ['a date that is none', object({ users: [{ ...primary, expiresAt: 'tomorrow' }] }), /date-time/],
    ['too many sessions', object({ policy: { root: { maxSessions: 65 } } }), /should be less than or equal to 64/],
    ['a Job of apps/v1', object({ target: { kind: 'Job', name: 'app' } }), /Job and CronJob are batch\/v1/],
    [
      'a Deployment of batch/v1',
      object({ target: { apiVersion: 'batch/v1', name: 'app' } }),
      /Deployment, StatefulSet, DaemonSet and ReplicaSet are apps\/v1/,
    ],
    [
      'a process namespace that does not exist',
      object({ processNamespace: 'Host' }),
      /supported values: "Shared", "Isolated"/,
    ],
    ['a path out of the directory', sftp(['/data/../etc']), /give an absolute path without \. and \.\./],
    ['a path that ends in ..', sftp(['/data/..']), /give an absolute path without \. and \.\./],
    ['a relative path', sftp(['data']), /give an absolute path without \. and \.\./],
    ['no path at all', sftp([]), /should have at least 1 items/],
    ['port 0', limited({ localPorts: [0] }), /should be greater than or equal to 1/],
    ['port 65536', limited({ localPorts: [65_536] }), /should be less than or equal to 65535/],
    ['a negative time', limited({ idleTimeoutSeconds: -1 }), /should be greater than or equal to 0/],
    ['an empty command', limited({ commands: [''] }), /should be at least 1 chars long/],
    ['forwarding to anywhere', limited({ localForwarding: 'any' }), /supported values: "none", "loopback"/],
    [
      'what limited users can never have',
      limited({ agentForwarding: true }),
      /unknown field "spec.policy.limited.agentForwarding"/,
    ],
    ['a role that does not exist', object({ policy: { admin: {} } }), /unknown field "spec.policy.admin"/],
    ['a name too long for a Service', object({}, 'a'.repeat(54)), /more than 53 characters; choose a shorter name/],
    ['a name with a dot', object({}, 'my.llm'), /character other than a-z, 0-9 and -/],
    ['unmanaged, and nothing else', main({ managed: false }), /say as which user to log in \(user\)/],
    ['unmanaged without a user', own({ user: undefined }), /say as which user to log in \(user\)/],
    ['unmanaged without a path', own({ authorizedKeysPath: undefined }), /where its sshd looks for keys/],
    ['unmanaged with a set-up', own({ setup: 'Image' }), /setup and bootstrap to managed: true/],
    ['unmanaged with a bootstrap', own({ bootstrap: { script: 'true' } }), /setup and bootstrap to managed: true/],
    ['managed with a user', main({ user: 'deploy' }), /user, authorizedKeysPath, port and hostKeys belong to/],
    ['managed with a port', main({ port: 2022 }), /user, authorizedKeysPath, port and hostKeys belong to/],
    ['managed with host keys', main({ hostKeys: ['ssh-ed25519 AAAA'] }), /belong to managed: false/],
    ['a set-up that does not exist', main({ setup: 'None' }), /supported values: "InitScript", "Image"/],
    ['a bootstrap of nothing', main({ bootstrap: { script: '' } }), /should be at least 1 chars long/],
    ['a user who is none', own({ user: 'Deploy User' }), /spec\.mainContainer\.user/],
    ['a user of an option', own({ user: '-oProxyCommand' }), /spec\.mainContainer\.user/],
    ['keys out of a directory', own({ authorizedKeysPath: '/home/../etc/keys' }), /absolute path of a file/],
    ['keys at a relative path', own({ authorizedKeysPath: 'home/keys' }), /absolute path of a file/],
    ['keys in a directory', own({ authorizedKeysPath: '/home/deploy/.ssh/' }), /absolute path of a file/],
    ['keys at two paths', own({ authorizedKeysPath: '/keys:/more' }), /absolute path of a file/],
    ['port 0 of an image', own({ port: 0 }), /should be greater than or equal to 1/],
    ['no host key at all', own({ hostKeys: [] }), /should have at least 1 items/],
    ['too many host keys', own({ hostKeys: Array.from({ length: 17 }, () => 'k') }), /must have at most 16 items/],
    ['an unknown field', object({ shell: '/bin/zsh' }), /unknown field "spec.shell"/],
  ])('%s', async (_name, manifest, sentence) => {
    const { code, stderr } = await dryRun(stringify(manifest));
    expect(code).toBe(1);
    expect(stderr).toMatch(sentence);
  });
});
