/** Images that cannot serve: the condition says what is wrong and what to do, and a login ends with a sentence. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from './support/eventually.ts';
import { createGuests, type Guest, rootOf } from './support/guests.ts';
import { disposeScratch, ssh } from './support/openssh.ts';
import { condition, removeNamespace } from './support/workload.ts';

const namespace = 'mc-broken';
/** `says`: reason and message of the condition Ready. */
type Broken = Guest & { says: RegExp };
/** What nothing here holds the other half of. */
const STRANGER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA8iDaiK6jcHFRmW7cBuhk+eHGHRP//ZChlhUmLWLJ8t';
const authorizedKeysPath = '/home/deploy/.ssh/authorized_keys';

const CASES: readonly Broken[] = [
  { namespace, name: 'no-sshd', image: 'without-sshd', uid: 1000, says: /^NoOpensshServer: .*install/ },
  {
    namespace,
    name: 'no-nss-wrapper',
    image: 'without-nss-wrapper',
    uid: 1000,
    says: /^NssWrapperMissing: .*libnss-wrapper/,
  },
  // Its sshd is well, on port 22: it knows nothing of SSH_PORT.
  { namespace, name: 'other-port', image: 'plain-13', uid: 0, says: /^SshdNotListening: .* 2222 / },
  {
    namespace,
    name: 'no-room',
    image: 'contract-12',
    uid: 0,
    script:
      '[ ! -d /ssh-runtime ] || chmod 755 /ssh-runtime; exec setpriv --reuid 1000 --regid 1000 --clear-groups entrypoint.sh',
    says: /^RuntimeVolumeMissing: .*\/ssh-runtime/,
  },
  {
    namespace,
    name: 'idle',
    image: 'contract-12',
    uid: 1000,
    script: 'exec sleep infinity',
    says: /^SshdNotListening: .* 2222 /,
  },
  {
    namespace,
    name: 'other-key',
    image: 'plain-13',
    uid: 0,
    mainContainer: { managed: false, user: 'deploy', authorizedKeysPath, hostKeys: [STRANGER] },
    says: /^HostKeyMismatch: .*spec\.mainContainer\.hostKeys/,
  },
  {
    namespace,
    name: 'other-user',
    image: 'plain-13',
    uid: 0,
    mainContainer: { managed: false, user: 'root', authorizedKeysPath },
    says: /^MappingKeyRefused: .*spec\.mainContainer\.user/,
  },
];

beforeAll(async () => {
  await removeNamespace(namespace);
  await createGuests(CASES);
});
afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

test.each(CASES.map((broken) => [broken.name, broken] as const))('%s', async (_name, broken) => {
  await eventually(async () => {
    const ready = await condition(namespace, broken.name, 'Ready');
    expect(ready).toMatch(/^False: /);
    expect(ready.replace('False: ', '')).toMatch(broken.says);
  });
  const { code, stderr } = await ssh(rootOf(broken), 'true', { ssh: ['-o', 'LogLevel=INFO'], timeoutMs: 90_000 });
  expect(code).toBe(255);
  expect(stderr).toMatch(/\[[a-z-]+, connection \w+\]/);
});
