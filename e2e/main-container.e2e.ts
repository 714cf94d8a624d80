/** Images that bring their own openssh-server: what a session is there, whoever set that sshd up, and as which uid. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import {
  APP_PORT,
  createGuests,
  type Guest,
  limitedOf,
  loggedIn,
  logOf,
  rootOf,
  routeOf,
  statusOf,
} from './support/guests.ts';
import { kubectl, pods, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, scp, scratch, sftp, ssh, sshCommand } from './support/openssh.ts';
import { run } from './support/process.ts';
import { complaints } from './support/ssh-audit.ts';
import { condition, removeNamespace, waitUntilReady } from './support/workload.ts';

/** On this machine, for ssh-audit. */
const AUDITED_PORT = 18_082;

type Column = Guest & {
  /** What `id -u` says. */
  sessionUid: number;
  /** `status.users[].effectiveUser`. */
  effectiveUser: string;
  port: number;
  /** Of scp: by sftp, and by the image's own scp, which insists on a passwd entry that sessions see. */
  protocols: readonly ('-s' | '-O')[];
  /** The image has an sftp subsystem, and forwards. */
  isGenerous: boolean;
};

const ours = {
  namespace: 'mc-script',
  sessionUid: 1000,
  effectiveUser: 'uid 1000 (shared)',
  port: 2222,
  protocols: ['-s', '-O'],
  isGenerous: true,
} as const;
/** Follow the contract, and set themselves up. */
const theirs = { ...ours, namespace: 'mc-image', protocols: ['-s'], mainContainer: { setup: 'Image' } } as const;
/** Know nothing of us. */
const plain = (port: number) => ({
  ...ours,
  namespace: 'mc-plain',
  effectiveUser: 'deploy of the image (shared)',
  port,
  mainContainer: {
    managed: false,
    user: 'deploy',
    authorizedKeysPath: '/home/deploy/.ssh/authorized_keys',
    ...(port !== 22 && { port }),
  },
});

const COLUMNS: readonly Column[] = [
  { ...ours, name: 'debian-12', image: 'contract-12', uid: 1000 },
  { ...ours, name: 'debian-12-root', image: 'contract-12', uid: 0 },
  { ...ours, name: 'debian-13', image: 'contract-13', uid: 1000 },
  {
    ...ours,
    name: 'debian-13-puid',
    image: 'contract-13',
    uid: 0,
    env: { PUID: '1234', PGID: '2345' },
    sessionUid: 1234,
    effectiveUser: 'uid 1234 (shared)',
  },
  { ...ours, name: 'musl', image: 'posix-musl', uid: 1000 },
  {
    ...ours,
    name: 'musl-zero',
    image: 'posix-musl',
    uid: 0,
    env: { PUID: '0', PGID: '0' },
    sessionUid: 0,
    effectiveUser: 'uid 0 (shared)',
  },
  { ...theirs, name: 'debian-12', image: 'image-setup-12', uid: 1000 },
  { ...theirs, name: 'debian-13-root', image: 'image-setup-13', uid: 0 },
  { ...theirs, name: 'printed', image: 'contract-13', uid: 1000 },
  { ...theirs, name: 'reference', image: 'reference-12', uid: 1000, isGenerous: false },
  { ...plain(22), name: 'debian-12', image: 'plain-12', uid: 0 },
  { ...plain(22), name: 'debian-13', image: 'plain-13', uid: 0 },
  { ...plain(2200), name: 'debian-13-user', image: 'plain-13', uid: 1000 },
  { ...plain(22), name: 'musl', image: 'plain-musl', uid: 0 },
];
const NAMESPACES = [...new Set(COLUMNS.map(({ namespace }) => namespace))];
const titled = (columns: readonly Column[]) =>
  columns.map((column) => [`${column.namespace}: ${column.name}`, column] as const);

beforeAll(async () => {
  // Of a run that was cut short.
  await removeAll();
  await createGuests(COLUMNS);
});
afterAll(async () => {
  await removeAll();
  disposeScratch();
});
const removeAll = () => Promise.all(NAMESPACES.map(removeNamespace));

describe.each(titled(COLUMNS))('%s', (_title, column) => {
  const [root, limited] = [rootOf(column), limitedOf(column)];
  const { sessionUid } = column;
  const isOurs = column.namespace === ours.namespace;

  beforeAll(async () => {
    await waitUntilReady(column.namespace, column.name);
    await kubectl('rollout', 'status', `deployment/${column.name}`, '-n', column.namespace, '--timeout=120s');
    for (const login of [root, limited]) await loggedIn(login, 'true');
  });

  test('exec keeps stdout, stderr and the exit status apart; a signal is one', async () => {
    const { stdout, stderr, code } = await ssh(root, 'echo out; echo err >&2; exit 7');
    expect({ stdout, stderr, code }).toEqual({ stdout: 'out\n', stderr: 'err\n', code: 7 });
    const killed = await ssh(root, 'kill -TERM $$', { ssh: ['-o', 'LogLevel=DEBUG'] });
    expect(killed).toMatchObject({ code: 255, stderr: expect.stringContaining('exit-signal') });
  });

  test('a terminal has a name and a type', async () => {
    const { stdout } = await run(sshCommand(root, ['-tt'], 'tty; echo "$TERM"'), {
      env: { ...process.env, TERM: 'xterm-256color' },
    });
    expect(stdout).toMatch(/\/dev\/pts\/\d+\r\nxterm-256color\r\n$/);
  });

  test('both users are there, as the one uid that status tells', async () => {
    await eventually(async () => {
      const { users, runtime, sessionEntry } = await statusOf(column);
      expect({ runtime, sessionEntry }).toEqual({ runtime: 'main_container', sessionEntry: 'sshd' });
      expect(users.map(({ effectiveUser }) => effectiveUser)).toEqual([column.effectiveUser, column.effectiveUser]);
    });
    for (const login of [root, limited]) expect(await loggedIn(login, 'id -u')).toBe(`${sessionUid}\n`);
    const told = (type: string) => condition(column.namespace, column.name, type);
    await eventually(async () => {
      expect(await told('Ready')).toMatch(/^True/);
      expect(await told('SshdPatched')).toMatch(/^True/);
      expect(await told('PolicyEnforced')).toMatch(isOurs ? /^True/ : /^False: SftpRefused: .*read-only/);
    });
  });

  test('sftp and scp bring bytes there and back, where the image has them', async () => {
    const [up, there] = [join(scratch, 'up'), '/tmp/brought'];
    writeFileSync(up, randomBytes(300_000));
    const back = (name: string) => join(scratch, `${column.namespace}-${column.name}-${name}`);
    const batch = `put ${up} ${there}\nrename ${there} ${there}.2\nget ${there}.2 ${back('sftp')}\nrm ${there}.2\n`;
    const batched = await sftp(root, batch);
    if (!column.isGenerous) {
      expect(batched).toMatchObject({ code: 255, stderr: expect.stringMatching(/^subsystem request failed/) });
      return;
    }
    expect(batched).toMatchObject({ code: 0, stderr: '' });
    for (const protocol of column.protocols) {
      expect(await scp(root, up, `remote:${there}`, protocol)).toMatchObject({ code: 0, stderr: '' });
      expect(await scp(root, `remote:${there}`, back(protocol), protocol)).toMatchObject({ code: 0 });
    }
    for (const name of ['sftp', ...column.protocols])
      expect(readFileSync(back(name)).equals(readFileSync(up))).toBe(true);
  });

  test('limited reads by sftp where our set-up makes it read-only, and has none where nobody can', async () => {
    const back = join(scratch, `${column.namespace}-${column.name}-limited`);
    const got = await sftp(limited, `get /etc/passwd ${back}\n`);
    const put = await sftp(limited, `put ${back} /tmp/put\n`);
    expect(put.code).not.toBe(0);
    if (isOurs) {
      expect(got).toMatchObject({ code: 0 });
      expect(put.stderr).toMatch(/permission denied/i);
    } else {
      expect(got.code).not.toBe(0);
    }
  });

  test('-L leads root to the loopback of the pod, and limited nowhere', async () => {
    const through = async (login: typeof root) => {
      const command = sshCommand(login, ['-o', 'LogLevel=INFO', '-W', `127.0.0.1:${APP_PORT}`]);
      return run(command, { input: 'GET / HTTP/1.0\r\n\r\n', timeoutMs: 30_000 });
    };
    if (column.isGenerous) expect((await through(root)).stdout).toContain('hello');
    else expect((await through(root)).stderr).toMatch(/administratively prohibited/);
    expect(await through(limited)).toMatchObject({
      stdout: '',
      stderr: expect.stringContaining('administratively prohibited'),
    });
  });

  test('the container may restart: users come back in, and a host key that can stay stays', async () => {
    const before = await routeOf(column);
    const [pod] = await pods(column.namespace, column.name);
    const restarts = pod?.status.containerStatuses[0]?.restartCount ?? 0;
    // Where the container ends at once, it takes the shell along, and kubectl fails.
    await tryKubectl(['exec', '-n', column.namespace, pod?.metadata.name ?? '', '--', 'sh', '-c', 'kill 1']);
    await eventually(async () => {
      const [now] = await pods(column.namespace, column.name);
      expect(now?.metadata.uid).toBe(pod?.metadata.uid);
      expect(now?.status.containerStatuses).toMatchObject([{ restartCount: restarts + 1, ready: true }]);
    });
    for (const login of [root, limited]) await loggedIn(login, 'true');
    if (column.image !== 'plain-13' && column.image !== 'plain-musl')
      expect((await routeOf(column)).hostKeys).toEqual(before.hostKeys);
  });
});

describe.each(titled(COLUMNS.filter(({ namespace }) => namespace === ours.namespace)))('%s', (_title, column) => {
  test('each session leaves its lines in the log: who, from where, what', async () => {
    const address = await ownAddress();
    await loggedIn(rootOf(column), 'echo "by root"');
    await loggedIn(limitedOf(column), 'true');
    await sftp(rootOf(column), 'ls /\n');
    const { user: primary } = rootOf(column);
    const { user: second } = limitedOf(column);
    const escaped = address.replaceAll('.', '\\.');
    const line = (verb: string, user: string, rest: string) =>
      new RegExp(`^\\S+Z SSH_AUDIT ${verb} user=${user} src=${escaped} session=\\S+${rest}$`, 'm');
    await eventually(async () => {
      const log = await logOf(column);
      expect(log).toMatch(line('connect', primary, ''));
      expect(log).toMatch(line('exec', primary, ' cmd=echo\\\\ \\\\"by\\\\ root\\\\"'));
      expect(log).toMatch(line('exec', second, ' cmd=true'));
      expect(log).toMatch(line('exec', primary, ' subsystem=sftp'));
    }, 30_000);
  });

  test('USER and SSH_CLIENT are those of the person', async () => {
    const login = limitedOf(column);
    expect(await loggedIn(login, 'echo "$USER ${SSH_CLIENT%% *}"')).toBe(`${login.user} ${await ownAddress()}\n`);
  });
});

describe.each(titled(COLUMNS.filter(({ namespace, uid }) => namespace === ours.namespace && uid === 1000)))(
  '%s',
  (_title, column) => {
    test('ssh-audit finds nothing in our set-up but that the older exchange, which the gateway needs, is no hybrid', async () => {
      const [pod] = await pods(column.namespace, column.name);
      const { kubectl: program, kubeconfig } = demo();
      const where = ['--kubeconfig', kubeconfig, 'port-forward', '-n', column.namespace, `pod/${pod?.metadata.name}`];
      const forwarding = spawn(program, [...where, `${AUDITED_PORT}:${column.port}`], { stdio: 'ignore' });
      try {
        const found = await eventually(() => complaints('127.0.0.1', AUDITED_PORT), 120_000, 2000);
        expect(
          found.filter((complaint) => !/^warn curve25519-sha256(@libssh\.org)?: .*post-quantum/.test(complaint)),
        ).toEqual([]);
      } finally {
        forwarding.kill();
        // Its port is the next one's.
        if (forwarding.exitCode === null) await once(forwarding, 'exit');
      }
    });
  },
);

/** The address by which this machine reaches the gateway. */
const ownAddress = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(demo().sshPort, demo().sshHost, () => {
      resolve(socket.localAddress ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });

test.each(titled(COLUMNS.filter(({ image }) => /-1[23]$/.test(image) && !image.startsWith('reference'))))(
  '%s: rsync there and back',
  async (_title, column) => {
    const folder = join(scratch, `rsync-${column.namespace}-${column.name}`);
    const [program = '', ...args] = sshCommand(rootOf(column), []).slice(0, -1);
    const rsync = (...paths: string[]) => run(['rsync', '-a', '-e', [program, ...args].join(' '), ...paths]);
    const remote = `${rootOf(column).user}@${demo().sshHost}:/tmp/mirror/`;
    writeFileSync(join(scratch, 'one'), 'one\n');
    expect(await rsync(join(scratch, 'one'), remote)).toMatchObject({ code: 0, stderr: '' });
    expect(await rsync(remote, `${folder}/`)).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(join(folder, 'one'), 'utf8')).toBe('one\n');
  },
);
