/** What stops the script: each failure is one line with a word of INIT_FAILURES, on stderr and in the termination message. */
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { INIT_FAILURE_LINE, INIT_FAILURES } from '../../crds/main-container.ts';
import { type Container, type ContainerOptions, type Pod, SSHD } from './testing/container.ts';
import { usePods } from './testing/pods.ts';

const newPod = usePods();

type Case = {
  /** Before the container starts. */
  pod?: (pod: Pod) => void;
  options?: ContainerOptions;
  /** What the sentence says. */
  says: string;
};

const broken: readonly (readonly [(typeof INIT_FAILURES)[number], string, Case])[] = [
  [
    'environment',
    'a runtime directory that is no plain path',
    {
      options: { env: { SSH_AUTHORIZED_KEYS_FILE: '/a b' } },
      says: 'SSH_AUTHORIZED_KEYS_FILE must be an absolute path',
    },
  ],
  ['environment', 'a port that is none', { options: { env: { SSH_PORT: '22a' } }, says: 'SSH_PORT must be a number' }],
  [
    'environment',
    'audit that is neither on nor off',
    { options: { env: { SSH_AUDIT_LOGGING: 'yes' } }, says: 'SSH_AUDIT_LOGGING must be one of: true false.' },
  ],
  [
    'environment',
    'no usernames',
    { options: { env: { SSH_USERNAMES: ' , ' } }, says: 'SSH_USERNAMES must be usernames' },
  ],
  [
    'environment',
    'a username with a quote',
    { options: { env: { SSH_USERNAMES: "a'b" } }, says: 'SSH_USERNAMES must be usernames' },
  ],
  ['tools', 'no od', { options: { mounts: 'mount --bind /dev/null /usr/bin/od' }, says: 'this image has no od' }],
  [
    'no-sshd',
    'no openssh-server',
    { options: { mounts: `mount --bind /dev/null ${SSHD}` }, says: 'this image has no openssh-server' },
  ],
  [
    'runtime-dir',
    'a runtime directory of somebody else',
    {
      pod: ({ runtime }) => chmodSync(runtime, 0o1777),
      options: { mounts: 'touch RUNTIME/ssh_host_ed25519_key' },
      says: 'cannot write',
    },
  ],
  ['secret', 'no host key', { pod: ({ secret }) => rmSync(join(secret, 'host-key')), says: 'host-key is missing' }],
  [
    'secret',
    'a host key that only root can read',
    { pod: ({ secret }) => chmodSync(join(secret, 'host-key'), 0o400), says: 'cannot be read by uid 54321' },
  ],
  [
    'secret',
    'a host key that is a public key',
    { pod: (pod) => pod.write('host-key', 'ssh-ed25519 AAAA'), says: 'is no OpenSSH private key' },
  ],
  [
    'secret',
    'no mapping key',
    { pod: ({ secret }) => rmSync(join(secret, 'mapping-key.pub')), says: 'mapping-key.pub is missing' },
  ],
  [
    'secret',
    'a mapping key with options',
    { pod: (pod) => pod.write('mapping-key.pub', 'command="id" ssh-ed25519 AAAA'), says: 'is no ed25519 key' },
  ],
  [
    'settings',
    'no settings',
    { pod: ({ secret }) => rmSync(join(secret, 'sshd-settings')), says: 'sshd-settings cannot be read' },
  ],
  [
    'settings',
    'a setting that is missing',
    { pod: (pod) => pod.write('sshd-settings', 'LOCAL_FORWARDING=none\n'), says: 'has no line REMOTE_FORWARDING' },
  ],
  [
    'settings',
    'a value that it does not know',
    {
      pod: (pod) => change(pod, 'LOCAL_FORWARDING=loopback', 'LOCAL_FORWARDING=all'),
      says: 'LOCAL_FORWARDING in sshd-settings must be one of: none loopback.',
    },
  ],
  [
    'settings',
    'a value that is a command',
    {
      pod: (pod) => change(pod, 'LC_*', '$(touch /tmp/sshaccess-sourced)'),
      says: 'CLIENT_ENVIRONMENT in sshd-settings must be names',
    },
  ],
  [
    'username',
    'no libnss-wrapper',
    {
      options: { mounts: 'for file in /usr/lib/*/libnss_wrapper.so*; do mount --bind /dev/null "$file"; done' },
      says: 'user acme-hello has no passwd entry; install libnss-wrapper',
    },
  ],
  [
    'username',
    'another PUID than the uid of sshd',
    { options: { env: { PUID: '1000' } }, says: 'user acme-hello is uid 1000, but sshd runs as uid 54321' },
  ],
  [
    'username',
    'no such shell',
    {
      options: {
        mounts: 'mount --bind /dev/null /usr/bin/bash; sed -i "s:shell=/bin/sh$:shell=/bin/bash:" ENTRYPOINT',
      },
      says: 'user acme-hello has a shell that this image lacks',
    },
  ],
  [
    'home',
    'a home that cannot be written',
    {
      options: { env: { SSH_AUTHORIZED_KEYS_FILE: '/etc/ssh/keys/authorized_keys' } },
      says: 'cannot write /etc/ssh/keys/authorized_keys',
    },
  ],
  [
    'sshd-config',
    'an sshd that does not start',
    {
      options: {
        mounts: `printf '#!/bin/sh\\necho "its library is missing" >&2; exit 127' >/run/broken; chmod 755 /run/broken; mount --bind /run/broken ${SSHD}`,
      },
      says: 'refuses its configuration: its library is missing',
    },
  ],
  [
    'bootstrap',
    'a bootstrap script that is required',
    {
      options: { env: { SSH_BOOTSTRAP_SCRIPT: 'exit 9', SSH_BOOTSTRAP_REQUIRED: 'true' } },
      says: 'failed with exit code 9',
    },
  ],
];

function change(pod: Pod, from: string, to: string): void {
  const path = join(pod.secret, 'sshd-settings');
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(from);
  rmSync(path);
  pod.write('sshd-settings', text.replace(from, to));
}

/** A /dev with the message file that the kubelet mounts. */
const terminationLog = (path: string): string =>
  [
    'mkdir /run/dev',
    'for name in null zero urandom; do touch /run/dev/$name; mount --bind /dev/$name /run/dev/$name; done',
    'ln -s /proc/self/fd /run/dev/fd',
    `touch ${path} /run/dev/termination-log`,
    `chmod 666 ${path}`,
    `mount --bind ${path} /run/dev/termination-log`,
    'mount --rbind /run/dev /dev',
  ].join('\n');

async function start(pod: Pod, { options = {} }: Case): Promise<{ container: Container; message: string }> {
  const path = join(pod.path, 'termination-log');
  const own = (options.mounts ?? '')
    .replaceAll('RUNTIME', pod.runtime)
    .replaceAll('ENTRYPOINT', join(pod.path, 'entrypoint.sh'));
  const container = await pod.start({ ...options, mounts: `${own}\n${terminationLog(path)}` });
  return { container, message: readFileSync(path, 'utf8') };
}

test.each(broken)('[%s] %s', { timeout: 120_000 }, async (word, _, broke) => {
  const pod = newPod();
  broke.pod?.(pod);
  const { container, message } = await start(pod, broke);
  expect(container.code(), container.log()).toBe(1);
  const [line = '', found, sentence] = INIT_FAILURE_LINE.exec(container.log()) ?? [];
  expect({ found, sentence, message }, container.log()).toEqual({
    found: word,
    sentence: expect.stringContaining(broke.says),
    message: `${line}\n`,
  });
  expect(container.log()).not.toContain('Server listening');
  expect(existsSync('/tmp/sshaccess-sourced')).toBe(false);
});

test('each word has a case here', () => {
  expect(new Set(broken.map(([word]) => word))).toEqual(new Set(INIT_FAILURES));
});

test('no line says what is in the Secret', { timeout: 120_000 }, async () => {
  const pod = newPod();
  pod.write('host-key', '-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n');
  const { container, message } = await start(pod, { says: '' });
  expect(container.code(), container.log()).toBe(1);
  expect(message).toMatch(/^sshaccess: \[sshd-config\] /);
  expect(container.log()).not.toContain('c2VjcmV0');
});
