/** Every Pod Security level gives a working login, and status tells what it is. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { z } from 'zod';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { apply, get, kubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, type Login, scratch, sftp, ssh } from './support/openssh.ts';
import { accessManifest, condition, keySecret, removeNamespace } from './support/workload.ts';

type Case = {
  /** Of the Deployment and the SshAccess. */
  name: string;
  level: 'privileged' | 'baseline' | 'restricted';
  /** securityContext of the container, and fields of the pod's spec. */
  own?: Record<string, unknown>;
  spec?: Record<string, unknown>;
  /** What role root is, and the app. */
  root: number;
  app: number;
  /** The first of the thousand that users of role limited get; undefined: refused. */
  limited?: number;
  /** Sessions open in the toolbox. */
  toolbox?: 'files' | 'isolated' | 'out-of-reach';
  readOnly?: boolean;
};

const user = { runAsUser: 1000, runAsGroup: 1000 };
const drop = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
const strict = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } };
const isolated = { shareProcessNamespace: false };

const cases: Case[] = [
  { name: 'open', level: 'privileged', own: user, root: 0, app: 1000, limited: 61_000 },
  { name: 'user', level: 'baseline', own: user, root: 0, app: 1000, limited: 61_000 },
  { name: 'zero', level: 'baseline', own: { runAsUser: 0 }, root: 0, app: 0, limited: 61_000 },
  { name: 'dropped', level: 'baseline', own: { ...user, ...drop, ...strict }, root: 1000, app: 1000, limited: 61_000 },
  {
    name: 'dropped-group',
    level: 'baseline',
    own: { ...user, ...drop },
    spec: { securityContext: { ...strict, fsGroup: 61_000 } },
    root: 1000,
    app: 1000,
    limited: 62_000,
  },
  {
    name: 'read-only',
    level: 'baseline',
    own: { ...user, readOnlyRootFilesystem: true },
    root: 0,
    app: 1000,
    limited: 61_000,
    readOnly: true,
  },
  { name: 'nameless', level: 'baseline', own: { runAsUser: 4242 }, root: 0, app: 4242, limited: 61_000 },
  { name: 'same', level: 'baseline', own: { runAsUser: 61_000 }, root: 0, app: 61_000, limited: 62_000 },
  {
    name: 'isolated',
    level: 'baseline',
    own: user,
    spec: { ...isolated, securityContext: { fsGroup: 1000 } },
    root: 1000,
    app: 1000,
    limited: 61_000,
    toolbox: 'isolated',
  },
  {
    name: 'isolated-zero',
    level: 'baseline',
    own: { runAsUser: 0 },
    spec: isolated,
    root: 65_532,
    app: 0,
    limited: 61_000,
    toolbox: 'isolated',
  },
  {
    name: 'strict',
    level: 'restricted',
    own: { ...user, ...drop, ...strict },
    root: 1000,
    app: 1000,
    toolbox: 'files',
  },
  {
    name: 'strict-group',
    level: 'restricted',
    own: drop,
    spec: { securityContext: { ...user, ...strict, fsGroup: 2000, supplementalGroups: [3000] } },
    root: 1000,
    app: 1000,
    toolbox: 'files',
  },
  {
    name: 'strict-nameless',
    level: 'restricted',
    own: { ...drop, ...strict, runAsUser: 4242 },
    root: 4242,
    app: 4242,
    toolbox: 'files',
  },
  {
    // Its group is in the image's passwd file, which nobody knows at admission.
    name: 'strict-no-group',
    level: 'restricted',
    own: { ...drop, ...strict, runAsUser: 1000 },
    root: 1000,
    app: 1000,
    toolbox: 'out-of-reach',
  },
  {
    name: 'strict-read-only',
    level: 'restricted',
    own: { ...user, ...drop, ...strict, readOnlyRootFilesystem: true },
    root: 1000,
    app: 1000,
    toolbox: 'files',
  },
  {
    name: 'strict-isolated',
    level: 'restricted',
    own: { ...user, ...drop, ...strict },
    spec: isolated,
    root: 1000,
    app: 1000,
    toolbox: 'isolated',
  },
];

const LEVELS = ['privileged', 'baseline', 'restricted'] as const;
const namespaceOf = (level: Case['level']) => `e2e-psa-${level}`;
const titled = cases.map((one) => ({ ...one, title: `${one.level}, ${one.name}` }));

const keys = { root: '', limited: '' };
const login = ({ level, name }: Case, role: 'root' | 'limited' = 'root'): Login => ({
  user: `${namespaceOf(level)}-${name}${role === 'root' ? '' : '-dev'}`,
  key: keys[role],
});

const container = (name: string, securityContext: object = {}) => ({
  name,
  image: demo().appImage,
  imagePullPolicy: 'IfNotPresent',
  command: ['sleep', '3600'],
  workingDir: '/srv/hello',
  env: [{ name: 'FRUIT', value: `${name}-apple` }],
  securityContext,
});

function deployment({ name, level }: Pick<Case, 'name' | 'level'>, spec: object): string {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { terminationGracePeriodSeconds: 1, ...spec } };
  return stringify({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: namespaceOf(level), name },
    spec: { selector: { matchLabels: labels }, template },
  });
}

const users = [{ secretRef: { name: 'root-key' } }, { suffix: 'dev', secretRef: { name: 'limited-key' } }];
const both = ({ level, name }: Pick<Case, 'name' | 'level'>, spec: object = {}): string =>
  accessManifest(namespaceOf(level), name, users, spec);

const TWO = { name: 'two', level: 'baseline', root: 0, app: 2000, limited: 61_000 } as const;
const TITLED = { name: 'titled', level: 'baseline', root: 0, app: 1000, limited: 61_000 } as const;
const ONLY_LIMITED = { name: 'only-limited', level: 'restricted' } as const;

beforeAll(async () => {
  const made = { root: await generateKey('psa-root'), limited: await generateKey('psa-limited') };
  Object.assign(keys, { root: made.root.path, limited: made.limited.path });
  const base = LEVELS.flatMap((level) => [
    stringify({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: namespaceOf(level),
        // The first is a namespace without the label, as most are.
        labels: level === 'privileged' ? {} : { 'pod-security.kubernetes.io/enforce': level },
      },
    }),
    keySecret(namespaceOf(level), 'root-key', made.root.publicKey),
    keySecret(namespaceOf(level), 'limited-key', made.limited.publicKey),
  ]);
  await apply(base.join('---\n'));
  // The SshAccess first: then no pod is made twice.
  await apply(
    [
      ...cases.map((one) => both(one)),
      both(TWO, { target: { name: 'two', container: 'second' } }),
      both(TITLED),
      accessManifest(namespaceOf('restricted'), ONLY_LIMITED.name, [
        { access: 'limited', secretRef: { name: 'limited-key' } },
      ]),
    ].join('---\n'),
  );
  await apply(
    [
      ...cases.map((one) => deployment(one, { containers: [container('app', one.own)], ...one.spec })),
      deployment(TWO, {
        containers: [container('first', { runAsUser: 1000 }), container('second', { runAsUser: 2000 })],
      }),
      // Like nginx: it writes its title over its arguments and its environment.
      deployment(TITLED, {
        containers: [{ ...container('app', user), command: ['python3', '-c', OVERWRITE_ENVIRONMENT] }],
      }),
      deployment(ONLY_LIMITED, { containers: [container('app', { ...user, ...drop, ...strict })] }),
    ].join('---\n'),
  );
});

afterAll(async () => {
  await Promise.all(LEVELS.map((level) => removeNamespace(namespaceOf(level))));
  disposeScratch();
});

const OVERWRITE_ENVIRONMENT = `
import ctypes, time
fields = open("/proc/self/stat").read().rsplit(")", 1)[1].split()
start, end = int(fields[47]), int(fields[48])
title = b"titled: master process"
ctypes.memset(start, 0, end - start)
ctypes.memmove(start, title, min(len(title), end - start))
time.sleep(3600)
`;

/** Logs in as soon as that works. */
const loggedIn = (who: Login, command: string) =>
  eventually(async () => {
    const finished = await ssh(who, command);
    expect({ code: finished.code, stderr: finished.stderr }).toMatchObject({ code: 0 });
    return finished;
  });

const Status = z.object({
  status: z.object({
    sessionEntry: z.string(),
    users: z.array(z.object({ access: z.string(), effectiveUser: z.string(), command: z.string().optional() })),
  }),
});
const statusOf = async ({ level, name }: Pick<Case, 'name' | 'level'>) =>
  (await get(Status, 'sshacc', '-n', namespaceOf(level), name)).status;

describe.each(titled)('$title', (one) => {
  test('root logs in', async () => {
    await loggedIn(login(one), 'true');
    // A node on which twenty pods start at once may take longer than who comes early waits for the app.
    await kubectl('rollout', 'status', `deployment/${one.name}`, '-n', namespaceOf(one.level), '--timeout=180s');
    const { stdout, stderr } = await loggedIn(login(one), 'id -u; pwd; echo "$FRUIT"');
    expect(stderr).toBe('');
    const [uid, cwd, fruit] = stdout.split('\n');
    expect(Number(uid)).toBe(one.root);
    expect(cwd).toBe(one.toolbox === undefined ? '/srv/hello' : '/');
    expect(fruit).toBe(one.toolbox === undefined || one.toolbox === 'files' ? 'app-apple' : '');
  });

  test('has a terminal, and says where it is', async () => {
    const { stdout } = await ssh(login(one), '', {
      ssh: ['-tt'],
      input: 'tty; [ -t 0 ] && echo "terminal $((40+2))"; exit\n',
    });
    expect(stdout).toMatch(/\/dev\/pts\/\d+/);
    expect(stdout).toContain('terminal 42');
    if (one.toolbox === undefined) return expect(stdout).not.toContain('toolbox');
    const where = {
      files: /this is the toolbox, .*; the files of container "app" are in \/proc\/\d+\/root\./,
      isolated: /this is the toolbox, .*; container "app" keeps its processes and files to itself\./,
      'out-of-reach':
        /this is the toolbox, .*; container "app" does not run, or not with this uid and gid: .* out of reach\./,
    };
    return expect(stdout).toMatch(where[one.toolbox]);
  });

  test('sftp takes and gives', async () => {
    const [up, back] = [join(scratch, `${one.name}-up`), join(scratch, `${one.name}-back`)];
    const remote = one.readOnly === true ? '/etc/hostname' : '/tmp/taken';
    writeFileSync(up, 'given and taken\n');
    const put = one.readOnly === true ? '' : `put ${up} ${remote}\n`;
    const finished = await sftp(login(one), `${put}get ${remote} ${back}\n`);
    expect(finished).toMatchObject({ code: 0 });
    expect(readFileSync(back, 'utf8')).toMatch(
      one.readOnly === true ? new RegExp(`^${one.name}-`) : /^given and taken/,
    );
  });

  test('status tells it', async () => {
    const limited =
      one.limited === undefined
        ? /^none: not possible at this Pod Security level$/
        : new RegExp(`^uid ${one.limited / 1000}\\d{3}$`);
    await eventually(async () => {
      const { users: told, sessionEntry } = await statusOf(one);
      expect({ sessionEntry, users: told.map(({ effectiveUser }) => effectiveUser) }).toEqual({
        sessionEntry: one.toolbox === undefined ? 'chroot' : 'toolbox',
        users: [`uid ${one.root}`, expect.stringMatching(limited)],
      });
    });
  });
});

test.each(titled.filter(({ limited }) => limited === undefined))(
  '$title: limited is refused, with a sentence',
  async (one) => {
    const { code, stderr, stdout } = await ssh(login(one, 'limited'), 'id -u');
    expect({ code, stdout }).toEqual({ code: 255, stdout: '' });
    expect(stderr).toMatch(/at Pod Security level restricted there is no role limited/);
    const ready = await condition(namespaceOf(one.level), one.name, 'Ready');
    expect(ready).toMatch(new RegExp(`^True: SshReady: .*but not for ${login(one, 'limited').user}: .*restricted`));
    expect((await statusOf(one)).users[1]?.command).toBeUndefined();
  },
);

test.each(titled.filter(({ limited }) => limited !== undefined))(
  '$title: limited is somebody else, and learns nothing of the app',
  async (one) => {
    const script = [
      'id -u',
      'for pid in /proc/[0-9]*; do echo "$pid $(stat -c %u $pid)"; cat $pid/environ 2>/dev/null | tr "\\0" "\\n" | grep FRUIT; done',
      'echo "[$FRUIT]"; ls /proc/[0-9]*/root/etc/hostname',
      'find / -xdev -name host-key -type f -exec cat {} \\;; cat /run/sshaccess/secret/host-key',
    ].join('\n');
    const { stdout } = await ssh(login(one, 'limited'), script);
    const uid = Number(stdout.split('\n')[0]);
    expect(Math.floor(uid / 1000) * 1000).toBe(one.limited);
    expect(uid).not.toBe(one.app);
    if (one.toolbox !== 'isolated') expect(stdout).toMatch(new RegExp(`^/proc/\\d+ ${one.app}$`, 'm'));
    expect(stdout).toContain('[]');
    expect(stdout).not.toMatch(/FRUIT=|PRIVATE KEY/);
    const own = stdout.split('\n').filter((line) => line.endsWith('/root/etc/hostname'));
    // Its own processes it may look into.
    for (const line of own) expect(stdout).toContain(`${line.replace('/root/etc/hostname', '')} ${uid}`);
    expect(await sftp(login(one, 'limited'), 'ls /\n')).toMatchObject({ code: 0 });
    const terminal = await ssh(login(one, 'limited'), 'tty', { ssh: ['-tt'] });
    expect(terminal.stdout).toMatch(/\/dev\/pts\/\d+\r\n$/);
  },
);

test.each(titled.filter(({ toolbox, level }) => toolbox === 'isolated' && level === 'baseline'))(
  '$title: not even root reads the host key of the pod',
  async (one) => {
    const { stdout, stderr } = await ssh(login(one), 'ls /run/sshaccess/secret; cat /run/sshaccess/secret/host-key');
    expect(stdout).not.toContain('PRIVATE KEY');
    expect(stderr).toMatch(/Permission denied/);
  },
);

test.each(titled.filter(({ toolbox }) => toolbox === 'files'))(
  '$title: root reads the files of the app',
  async (one) => {
    const { stdout, stderr } = await ssh(
      login(one),
      'for root in /proc/[0-9]*/root; do cat $root/srv/hello/hello.py 2>/dev/null && exit; done | wc -c',
    );
    expect(stderr).toBe('');
    expect(Number(stdout)).toBeGreaterThan(100);
  },
);

test('two containers: the session is in the one that the SshAccess names', async () => {
  const { stdout } = await loggedIn(login(TWO), 'id -u; echo "$FRUIT"');
  expect(stdout).toBe('0\nsecond-apple\n');
  const processes = 'for pid in /proc/[0-9]*; do tr "\\0" "\\n" < $pid/environ | grep FRUIT; done';
  const limited = await ssh(login(TWO, 'limited'), `id -u; ${processes}`);
  expect(limited.stdout).toMatch(/^61\d{3}\n$/);
});

test('an app that wrote over its environment is entered, with a PATH of ours', async () => {
  const { stdout, stderr } = await loggedIn(login(TITLED), 'id -u; pwd; echo "[$FRUIT]"; echo "$PATH"; ls /srv');
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^0\n\/srv\/hello\n\[\]\n\/usr\/local\/sbin:.*\nhello\n$/);
  expect((await ssh(login(TITLED, 'limited'), 'id -u')).stdout).toMatch(/^61\d{3}\n$/);
});

test('where only limited users are, and none is possible, Ready says so', async () => {
  await eventually(async () =>
    expect(await condition(namespaceOf('restricted'), ONLY_LIMITED.name, 'Ready')).toMatch(
      /^False: LimitedNotPossible: .*give access root/,
    ),
  );
  const events = await kubectl('describe', 'sshacc', '-n', namespaceOf('restricted'), ONLY_LIMITED.name);
  expect(events).toMatch(/Warning +LimitedNotPossible/);
});
