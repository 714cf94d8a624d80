import { expect, test } from 'vitest';
import { accountOf } from './account.ts';
import { parseInspection } from './app-process.ts';
import { enterCommand, type Launch } from './enter-arguments.ts';
import { type EntryInput, sessionEntry } from './entry.ts';

const app = parseInspection(
  Buffer.from(
    'pid 17\nstart 99\nuid 1000\ngid 1000\ngroups 1000,2000\nnnp 1\ncapbnd 0\ncwd /srv/app\nenviron 0\n\npasswd 0\n\ngroup 0\n\n',
  ),
);
const input: EntryInput = {
  sessionEntry: 'chroot',
  container: 'app',
  privileged: true,
  isolated: false,
  found: app,
  history: { starts: 1, lastSeen: 0 },
  now: 12_000,
};

test('a session opens in the app', () => {
  expect(sessionEntry(input)).toEqual({ kind: 'chroot', app });
});

test('while the app has no process, the toolbox says so, and when it was last seen', () => {
  expect(sessionEntry({ ...input, found: 'not-running', history: { starts: 3, lastSeen: 0 } })).toMatchObject({
    kind: 'toolbox',
    unexpected: true,
    notice:
      'sshaccess: container "app" has no running process (last seen 12 s ago, started 3 times since this sidecar started); ' +
      "this is the toolbox, a shell in the sidecar's image.",
  });
  const never = sessionEntry({ ...input, found: 'not-running', history: { starts: 0, lastSeen: undefined } });
  expect(never).toMatchObject({ notice: expect.stringContaining('(not seen since this sidecar started)') });
});

test('a pod that allows no more opens the toolbox, which is expected, and says where the files are', () => {
  for (const change of [{ sessionEntry: 'toolbox' as const }, { privileged: false }])
    expect(sessionEntry({ ...input, ...change })).toMatchObject({
      kind: 'toolbox',
      app,
      unexpected: false,
      notice: expect.stringContaining('/proc/17/root'),
    });
});

test('what cannot be seen is not said to be missing', () => {
  const toolbox = { ...input, sessionEntry: 'toolbox' as const };
  expect(sessionEntry({ ...toolbox, isolated: true, found: 'not-running' })).toMatchObject({
    unexpected: false,
    notice: expect.stringMatching(/toolbox.*; container "app" keeps its processes and files to itself\.$/),
  });
  expect(sessionEntry({ ...toolbox, found: 'not-permitted' })).toMatchObject({
    app: undefined,
    unexpected: false,
    notice: expect.stringMatching(/does not run, or not with this uid and gid/),
  });
});

test('an app that the kernel does not let us enter opens the toolbox, and says so', () => {
  expect(sessionEntry({ ...input, found: 'not-permitted' })).toMatchObject({ kind: 'toolbox', unexpected: true });
});

const launch: Launch = {
  request: { type: 'shell' },
  entry: { kind: 'chroot', app },
  identity: { uid: 1000, gid: 1000, groups: [1000, 2000], noNewPrivs: true, capabilityBound: 'fb', umask: '022' },
  account: accountOf({ role: 'root', uid: 1000, passwd: 'a:x:1000:1::/home/a:/bin/bash', appHome: undefined }),
  terminal: undefined,
  sftp: { access: 'read-write', paths: null },
};
const common = '--uid 1000 --gid 1000 --groups 1000,2000 --umask 022 --capbnd fb --no-new-privs';

/** The command as one would type it. */
function words(of: Launch): string[] {
  const { options, argv } = enterCommand(of, '/bb');
  return [...options, '--', ...argv.map(String)];
}

test('a login shell in the app', () => {
  expect(words(launch).join(' ')).toBe(
    `run --pid 17 --start 99 ${common} --cwd /srv/app --home ${launch.account.home} --path /bin/bash --fallback /bb -- -bash`,
  );
});

test('a sidecar that may change neither groups nor capabilities does not ask for it', () => {
  const identity = { ...launch.identity, groups: undefined, capabilityBound: undefined };
  expect(words({ ...launch, identity }).join(' ')).toContain('--uid 1000 --gid 1000 --umask 022 --no-new-privs');
});

test('a command is one argument, byte for byte', () => {
  const command = Buffer.concat([Buffer.from(`$(touch /x); 'a "b" \\ \n --pid 1`), Buffer.of(0xff)]);
  const { argv } = enterCommand({ ...launch, request: { type: 'exec', command } }, '/bb');
  expect(argv).toEqual([Buffer.from('bash'), Buffer.from('-c'), command]);
});

test('a terminal has a size and modes; a toolbox has no process to enter', () => {
  const terminal = {
    term: 'xterm',
    size: { columns: 80, rows: 24, width: 640, height: 480 },
    modes: Buffer.of(1, 0xff),
  };
  const entry = { kind: 'toolbox', app: undefined, notice: '', unexpected: true } as const;
  expect(words({ ...launch, terminal, entry }).join(' ')).toBe(
    `run ${common} --cwd / --home ${launch.account.home} --pty 80x24x640x480 --modes 01ff --path /bin/bash --fallback /bb -- -bash`,
  );
});

test('sftp is built into the helper', () => {
  const argv = words({ ...launch, request: { type: 'sftp' } });
  expect(argv.join(' ')).toMatch(/--cwd \/srv\/app --home \S+ --builtin sftp -- sftp$/);
});

test('sftp that is read-only, or confined to directories, is so in the helper', () => {
  const confined = { ...launch, request: { type: 'sftp' } } as const;
  const readOnly = words({ ...confined, sftp: { access: 'read-only', paths: null } });
  expect(readOnly.join(' ')).toMatch(/--builtin sftp --read-only -- sftp$/);
  const jailed = words({ ...confined, sftp: { access: 'read-write', paths: ['/srv', '/a b'] } });
  expect(jailed.slice(-6)).toEqual(['--directory', '/srv', '--directory', '/a b', '--', 'sftp']);
});
