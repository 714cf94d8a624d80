/** What the script makes of a container, with the real shells and the real sshd. */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BOOTSTRAP_FAILED_MARK, SETUP_MARK } from '../../crds/main-container.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { DEFAULT_ALGORITHMS } from '../../lib/ssh/transport/algorithms.ts';
import { APP_UID, type Container, type Pod, SHELLS, SSHD, USERNAMES } from './testing/container.ts';
import { usePods } from './testing/pods.ts';

const newPod = usePods();

/** The configuration as sshd understands it: each option once, in lower case. */
function effective(pod: Pod): string[] {
  const config = join(pod.runtime, 'sshd_config.sshaccess');
  return execFileSync(SSHD, ['-T', '-f', config], { encoding: 'utf8' }).split('\n');
}

const mode = (...path: string[]): string => (statSync(join(...path)).mode & 0o777).toString(8);

test.each(SHELLS)(
  '%s sets up an sshd that lets in the mapping key, and nothing else',
  { timeout: 120_000 },
  async (shell) => {
    const pod = newPod();
    // It is about to be rotated: the client has the second of the two.
    const own = readFileSync(join(pod.secret, 'mapping-key.pub'), 'utf8');
    pod.write('mapping-key.pub', `${PrivateKey.generateEd25519().publicKey.toLine()}\n${own}`);
    const container = await pod.start({ shell });
    expect(await container.ssh('exit 3'), container.log()).toMatchObject({ code: 3, stderr: '' });
    expect(container.log()).toContain(`sshaccess: sshd is set up on port 2222 for ${USERNAMES.join(' ')}.\n`);
    expect(effective(pod)).toEqual(
      expect.arrayContaining([
        'port 2222',
        'authenticationmethods publickey',
        'passwordauthentication no',
        'kbdinteractiveauthentication no',
        'permitrootlogin no',
        'strictmodes yes',
        'usepam no',
        'allowtcpforwarding local',
        'permitopen 127.0.0.1:* [::1]:* localhost:*',
        'permitlisten none',
        'gatewayports no',
        'allowstreamlocalforwarding no',
        'allowagentforwarding no',
        'x11forwarding no',
        'permittunnel no',
        'permituserenvironment no',
        'permituserrc no',
        'compression no',
        'maxsessions 64',
        'maxstartups 100:30:300',
        'hostkeyalgorithms ssh-ed25519',
        'acceptenv SSHACCESS_*',
        'acceptenv LC_*',
        'versionaddendum sshaccess-setup-1',
      ]),
    );
    const home = join(pod.runtime, 'home');
    expect([mode(home), mode(home, '.ssh'), mode(home, '.ssh/authorized_keys')]).toEqual(['700', '700', '600']);
    expect(readFileSync(join(home, '.ssh/authorized_keys'), 'utf8')).toBe(
      readFileSync(join(pod.secret, 'mapping-key.pub'), 'utf8'),
    );
    expect(mode(pod.runtime, 'ssh_host_ed25519_key')).toBe('600');
  },
);

test(
  'root serves users of another uid, who can replace neither its files nor what is root’s behind a link',
  { timeout: 120_000 },
  async () => {
    const pod = newPod();
    const first = await pod.start({ uid: 0 });
    const id = await first.ssh('id -u; id -un; stat -c %u:%a . .ssh/authorized_keys');
    expect(id.stdout.toString(), first.log()).toBe(`${APP_UID}\nacme-hello\n${APP_UID}:700\n${APP_UID}:600\n`);
    expect((await first.audit())[0]).toContain('connect user=acme-hello src=203.0.113.7');
    expect(effective(pod)).toContain('permitrootlogin no');
    const secret = await first.ssh(
      `cat ${pod.runtime}/ssh_host_ed25519_key; mv ${pod.runtime}/home ${pod.runtime}/gone`,
    );
    expect(secret).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });

    const victim = join(pod.path, 'victim');
    execFileSync('mkdir', [victim]);
    await first.ssh(`rm -rf .ssh; ln -s ${victim} .ssh`);
    await first.stop();
    const second = await pod.start({ uid: 0 });
    expect((await second.ssh('ls -A .ssh')).stdout.toString(), second.log()).toBe('authorized_keys\n');
    expect(execFileSync('stat', ['-c', '%u', victim]).toString()).toBe('0\n');
    expect(execFileSync('ls', ['-A', victim]).toString()).toBe('');
  },
);

test(
  'root finds the account that sshd drops to, though the passwd file of the entrypoint lacks it',
  { timeout: 120_000 },
  async () => {
    const pod = newPod();
    const container = await pod.start({ uid: 0, mounts: `sed -i '/etc.passwd/d' ${pod.path}/entrypoint.sh` });
    expect(await container.ssh('exit 3'), container.log()).toMatchObject({ code: 3 });
  },
);

test('users of uid 0 are let in only where PUID says so', { timeout: 120_000 }, async () => {
  const pod = newPod();
  const container = await pod.start({ uid: 0, env: { PUID: '0', PGID: '0' } });
  expect((await container.ssh('id -u')).stdout.toString(), container.log()).toBe('0\n');
  expect(effective(pod).filter((line) => line.startsWith('permitrootlogin'))).toEqual([
    expect.stringMatching(/prohibit-password|without-password/),
  ]);
  const other = await container.client('ssh', ['root@127.0.0.1', 'id']);
  expect(other).toMatchObject({ code: 255, stdout: Buffer.alloc(0) });
});

test('each start of the container sets everything up anew, and keeps the host key', { timeout: 120_000 }, async () => {
  const pod = newPod();
  const first = await pod.start();
  expect(await first.ssh('echo mine > kept'), first.log()).toMatchObject({ code: 0 });
  await first.stop();
  pod.write('sshd-settings', readFileSync(join(pod.secret, 'sshd-settings'), 'utf8').replace('loopback', 'none'));
  const second = await pod.start({ env: { SSH_USERNAMES: 'acme-hello,acme-hello-new' } });
  // The client's known_hosts still holds the one host key.
  expect((await second.ssh('cat kept')).stdout.toString(), second.log()).toBe('mine\n');
  expect(await second.audit()).toHaveLength(2);
  expect(effective(pod)).toContain('allowtcpforwarding no');
  expect((await second.client('ssh', ['acme-hello-new@127.0.0.1', 'exit 5'])).code).toBe(5);
});

test(
  'the link that makes entrypoints run the script again leads nowhere once the container has ended',
  { timeout: 120_000 },
  async () => {
    const pod = newPod();
    const container = await pod.start();
    const config = join(pod.runtime, 'sshd_config');
    expect((await container.ssh(`test -f ${config} && cat ${config}`)).stdout.toString()).toContain('ForceCommand');
    expect(() => statSync(config)).toThrow('ENOENT');
  },
);

const ident = async (container: Container): Promise<string> => {
  const { stdout, stderr } = await container.client('ssh-keyscan', ['-p', '2222', '127.0.0.1']);
  return /SSH-2.0-.*/.exec(`${stdout.toString()}${stderr}`)?.[0] ?? '';
};

test('the ident says who set sshd up', { timeout: 120_000 }, async () => {
  expect(await ident(await newPod().start())).toMatch(new RegExp(` ${SETUP_MARK}$`));
});

test('the piper and sshd agree on algorithms that nobody warns of', { timeout: 120_000 }, async () => {
  const pod = newPod();
  await pod.start();
  const lists = new Map(effective(pod).map((line) => [line.split(' ')[0], line.split(' ')[1]?.split(',') ?? []]));
  const common = (name: string, ours: readonly string[]) => lists.get(name)?.filter((word) => ours.includes(word));
  expect(common('ciphers', DEFAULT_ALGORITHMS.cipher)).toEqual(lists.get('ciphers'));
  expect(common('macs', DEFAULT_ALGORITHMS.mac)).toEqual(lists.get('macs'));
  expect(common('kexalgorithms', DEFAULT_ALGORITHMS.kex)?.length).toBeGreaterThan(0);
  expect(common('hostkeyalgorithms', DEFAULT_ALGORITHMS.hostKey)).toEqual(['ssh-ed25519']);
  expect(lists.get('kexalgorithms')?.join(' ')).not.toMatch(/sha1|group|ecdh-sha2/);
});

test('what an old sshd does not know is left out, and nothing else', { timeout: 120_000 }, async () => {
  const pod = newPod();
  const unknown = 'PermitListen|SetEnv|PermitUserRC|HostKeyAlgorithms|UsePAM|PerSourceMaxStartups';
  const algorithms = 'sntrup761x25519-sha512@openssh.com|curve25519-sha256$|aes256-gcm@openssh.com';
  // The real one behind a program that refuses as an old one does.
  const old = [
    '#!/bin/sh',
    'for config; do :; done',
    `if [ -f "$config" ] && grep -qE '^(${unknown}) ' "$config"; then echo "Bad configuration option"; exit 255; fi`,
    `if [ -f "$config" ] && tr ', ' '\\n\\n' <"$config" | grep -qE '^(${algorithms})'; then echo "Bad SSH2 list"; exit 255; fi`,
    'exec /run/sshd-real "$@"',
  ];
  const mounts = [
    `cp ${SSHD} /run/sshd-real`,
    `printf '%s\n' ${old.map((line) => `'${line.replaceAll("'", String.raw`'\''`)}'`).join(' ')} >/run/sshd-old`,
    'chmod 755 /run/sshd-old',
    `mount --bind /run/sshd-old ${SSHD}`,
  ].join('\n');
  const container = await pod.start({ mounts });
  expect(await container.ssh('exit 3'), container.log()).toMatchObject({ code: 3 });
  const text = readFileSync(join(pod.runtime, 'sshd_config.sshaccess'), 'utf8');
  expect(text).not.toMatch(new RegExp(`^(${unknown}) `, 'm'));
  expect(text).toContain('KexAlgorithms curve25519-sha256@libssh.org\n');
  expect(text).toContain('Ciphers aes128-gcm@openssh.com,aes256-ctr,aes128-ctr\n');
  expect(text).toContain('MACs hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com\n');
  expect(text).toContain('KbdInteractiveAuthentication no\n');
});

const BOOTSTRAPS = [
  ['a text', 'echo "first $0"; echo second'],
  ['a text with an interpreter', '#!/bin/cat\nfirst\nsecond'],
  ['a file', '/run/bootstrap'],
  ['a file that is executable', '/run/executable'],
] as const;
test.each(BOOTSTRAPS)(
  'the bootstrap script is %s, and runs at each start, before sshd',
  { timeout: 120_000 },
  async (_, script) => {
    const mounts = `printf 'echo first; echo second\\n' | tee /run/bootstrap >/run/executable\nchmod 755 /run/executable`;
    const pod = newPod();
    for (let start = 0; start < 2; start++) {
      const container = await pod.start({ mounts, env: { SSH_BOOTSTRAP_SCRIPT: script } });
      expect(container.log()).toMatch(/first.*\n(.*\n)*second\n(.*\n)*sshaccess: sshd is set up/);
      expect(await ident(container)).toMatch(new RegExp(` ${SETUP_MARK}$`));
      await container.stop();
    }
  },
);

test(
  'a bootstrap script that fails is in the log and in the ident, and sshd starts',
  { timeout: 120_000 },
  async () => {
    const container = await newPod().start({ env: { SSH_BOOTSTRAP_SCRIPT: 'echo half; exit 7' } });
    expect(container.log()).toContain('half\nsshaccess: the bootstrap script failed with exit code 7.\n');
    expect(await ident(container)).toMatch(new RegExp(` ${SETUP_MARK} ${BOOTSTRAP_FAILED_MARK}$`));
    expect((await container.ssh('exit 3')).code).toBe(3);
  },
);
