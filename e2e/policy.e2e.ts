/** What an SshAccess says of its users' sessions is what they get; and limited users are strangers to each other. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { eventually } from './support/eventually.ts';
import { apply, get } from './support/kubectl.ts';
import { disposeScratch, generateKey, type Login, sftp, ssh, sshCommand } from './support/openssh.ts';
import { accessManifest, createWorkload, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'e2e-policy';
/** Of a change in the API, until new logins feel it. */
const promisedMs = 5000;
const names = ['alice', 'ann', 'bob'] as const;
const logins: Record<(typeof names)[number], Login> = {
  alice: { user: `${namespace}-app`, key: '' },
  ann: { user: `${namespace}-app-ann`, key: '' },
  bob: { user: `${namespace}-app-bob`, key: '' },
};
let stays: ChildProcess | undefined;

const users = names.map((name) => ({ ...(name !== 'alice' && { suffix: name }), secretRef: { name } }));
/** Applies the SshAccess with this policy for role limited. */
const allow = (limited: object) => apply(accessManifest(namespace, 'app', users, { policy: { limited } }));

const loggedIn = (login: Login, command: string) =>
  eventually(async () => {
    const finished = await ssh(login, command);
    expect(finished).toMatchObject({ code: 0 });
    return finished.stdout.trim();
  });

beforeAll(async () => {
  await createWorkload({ namespace, name: 'app', script: 'sleep infinity' });
  for (const name of names) {
    const { path, publicKey } = await generateKey(`policy-${name}`);
    logins[name].key = path;
    await apply(keySecret(namespace, name, publicKey));
  }
  await allow({});
  await waitUntilReady(namespace, 'app');
  await loggedIn(logins.ann, 'true');
});

afterAll(async () => {
  stays?.kill('SIGKILL');
  await removeNamespace(namespace);
  disposeScratch();
});

describe('two limited users of one pod', () => {
  const Status = z.object({
    status: z.object({ users: z.array(z.object({ username: z.string(), effectiveUser: z.string() })) }),
  });
  let uid = '';
  let pid = '';

  test('have each a uid of their own, which status tells', async () => {
    const { status } = await get(Status, 'sshacc', '-n', namespace, 'app');
    const told = new Map(status.users.map(({ username, effectiveUser }) => [username, effectiveUser]));
    for (const login of [logins.ann, logins.bob])
      expect(`uid ${await loggedIn(login, 'id -u')}`).toBe(told.get(login.user));
    expect(told.get(logins.ann.user)).not.toBe(told.get(logins.bob.user));
    uid = await loggedIn(logins.ann, 'id -u');
  });

  test('see that the other has a process, and can neither end it nor read what is in it', async () => {
    const [program = '', ...args] = sshCommand(logins.ann, [], 'echo $$; exec sleep 1000');
    stays = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    pid = await new Promise<string>((resolve, reject) => {
      stays?.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
      stays?.once('close', () => reject(new Error('the session of ann did not start')));
    });
    const script = `stat -c %u /proc/${pid}; kill -9 ${pid}; cat /proc/${pid}/environ; ls /proc/${pid}/root /proc/${pid}/fd`;
    const { stdout, stderr } = await ssh(logins.bob, script);
    expect(stdout).toBe(`${uid}\n`);
    expect(stderr).toMatch(/kill: .*[Oo]peration not permitted|kill: .*[Nn]ot permitted/);
    for (const name of ['environ', 'root', 'fd'])
      expect(stderr).toMatch(new RegExp(`/proc/${pid}/${name}'?: Permission denied`));
    expect(await loggedIn(logins.ann, `stat -c %u /proc/${pid}`)).toBe(uid);
    expect(stays.exitCode).toBeNull();
  });

  test('find the files of the other in /tmp closed', async () => {
    expect(
      await loggedIn(logins.ann, 'echo plum > /tmp/of-ann && mkdir -p /tmp/folder-of-ann && stat -c %a /tmp/of-ann'),
    ).toBe('600');
    const { stdout, stderr } = await ssh(
      logins.bob,
      'cat /tmp/of-ann; echo x > /tmp/of-ann; rm -f /tmp/of-ann; ls /tmp/folder-of-ann; rmdir /tmp/folder-of-ann',
    );
    expect(stdout).toBe('');
    expect(stderr.match(/Permission denied/g)).toHaveLength(3);
    expect(stderr.match(/Operation not permitted/g)).toHaveLength(2);
    expect((await sftp(logins.bob, 'get /tmp/of-ann /dev/null\n')).code).not.toBe(0);
    expect(await loggedIn(logins.ann, 'cat /tmp/of-ann')).toBe('plum');
  });
});

const files = { sftp: { access: 'read-only', paths: ['/srv/hello'] } };
/** What `files` says holds. */
async function confined(): Promise<void> {
  expect(await sftp(logins.ann, 'ls /srv/hello/hello.py\nget /srv/hello/hello.py /dev/null\n')).toMatchObject({
    code: 0,
  });
  for (const outside of ['get /etc/hostname /dev/null', 'ls /srv/hello/../../etc/hostname'])
    expect((await sftp(logins.ann, `${outside}\n`)).code).not.toBe(0);
}

const runs = async (command: string) => expect(await ssh(logins.ann, command)).toMatchObject({ code: 0 });
/** The login itself succeeds: what is refused is the request. */
const isRefused = async (command: string) => {
  const { code, stderr } = await ssh(logins.ann, command);
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/only these commands may be run here|no command may be run here/);
};

describe('a policy that becomes', () => {
  test('narrower is so for the next login', async () => {
    await allow({ commands: ['date', 'uname -s'], ...files });
    await eventually(() => isRefused('id'), promisedMs);
    await runs('date');
    await runs('uname -s');
    await isRefused('date; id');
    await isRefused('date ');
    await isRefused('');
    await confined();
    // Not for the other role.
    expect((await ssh(logins.alice, 'id -u')).code).toBe(0);
  });

  test('wider waits for the pods, and nobody is locked out meanwhile', async () => {
    await allow({ commands: ['date', 'id'], ...files });
    const held = await eventually(async () => {
      const { previous } = await heldCeiling();
      expect(previous?.ceiling.roles.limited?.commands).not.toContain('id');
      return previous;
    }, promisedMs);
    expect(Date.parse(held?.until ?? '')).toBeGreaterThan(Date.now());
    // What was allowed before and is allowed now; nothing else, until every kubelet has brought the wider ceiling.
    await runs('date');
    await isRefused('id');
    await isRefused('uname -s');
  });

  test('sftp alone leaves nothing else', async () => {
    await allow({ commands: [], ...files });
    await eventually(() => isRefused('date'), promisedMs);
    await isRefused('');
    await confined();
  });
});

const Held = z.object({
  until: z.string(),
  ceiling: z.object({ roles: z.object({ limited: z.object({ commands: z.array(z.string()) }).optional() }) }),
});
/** What the operator keeps on the pod's Secret while kubelets may still carry the ceiling before. */
async function heldCeiling() {
  const Secret = z.object({ metadata: z.object({ annotations: z.record(z.string(), z.string()) }) });
  const { metadata } = await get(Secret, 'secret', '-n', namespace, 'app-sshaccess');
  const text = metadata.annotations['sshaccess.dev/previous-ceiling'];
  return { previous: text === undefined ? undefined : Held.parse(JSON.parse(text)) };
}
