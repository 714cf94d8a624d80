/** The order `kill`: nothing that a session started stays alive, nor what it left behind when it ended. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { buildEnter } from './testing/build-enter.ts';
import { gone, type Session, startSession } from './testing/session.ts';

// A bound against hanging, not a measure: other tests share the machine.
vi.setConfig({ testTimeout: 120_000 });

let enter: string;
beforeAll(async () => {
  enter = await buildEnter();
  if (process.getuid?.() !== 0) throw new Error('these tests change uids: run them as root');
}, 300_000);

const as = (uid: number) => ['--uid', `${uid}`, '--gid', `${uid}`, '--groups', ''];
const start = (options: readonly string[], script: string): Session =>
  startSession([enter, 'run', ...options, '--', 'bash', '--norc', '-c', script]);

/** Programs that end by no SIGHUP, out of the session, its group, its terminal and its parents' sight. */
const stubborn = `
  exec 3>&1
  loop() { trap '' HUP TERM INT; echo $1=$BASHPID= >&3; while :; do sleep 1; done; }
  (loop child) & nohup bash -c "$(declare -f loop); loop nohup" >/dev/null 2>&1 &
  (setsid bash -c "$(declare -f loop); loop daemon" &)
  python3 -c 'import os,signal,sys,time
signal.signal(1, signal.SIG_IGN)
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
print("forked=%d=" % os.getpid(), flush=True)
time.sleep(1000)'
  echo shell=$$=; wait`;

const numbers = (session: Session): number[] =>
  [...session.output().matchAll(/=(\d+)=/g)].map((match) => Number(match[1]));

async function seesAll(session: Session): Promise<number[]> {
  for (const name of ['child', 'nohup', 'daemon', 'forked', 'shell']) await session.sees(`${name}=`);
  await session.sees(/(=\d+=[^]*){5}/);
  return numbers(session);
}

describe('kill', () => {
  test.each([[[]], [['--pty', '80x24']], [as(61_000)]])('leaves nothing of a session with %s', async (options) => {
    const session = start(options, stubborn);
    const pids = await seesAll(session);
    expect(pids.length).toBe(5);
    session.order('kill');
    await session.ended;
    await Promise.all(pids.map(gone));
  });

  test('leaves time for a goodbye', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sshaccess-goodbye-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'goodbye');
    const session = start([], `trap 'echo >${file}; exit 3' HUP; echo ready; while :; do sleep 0.05; done`);
    await session.sees('ready');
    session.order('kill');
    expect(await session.ended).toMatchObject({ code: 3 });
    expect(existsSync(file)).toBe(true);
  });

  test('gets the better of what forks as fast as it can', async () => {
    const script = `import os,signal,time
signal.signal(1, signal.SIG_IGN)
signal.signal(17, signal.SIG_IGN)
print("ready", flush=True)
while True:
    if os.fork(): os._exit(0)
    os.setsid()`;
    // Nobody else's: what another run of this test has left would look like ours.
    const uid = 1_000_000 + process.pid;
    // Should it get away, nobody else would stop it: kill(-1) is the one call that a fork cannot outrun.
    onTestFinished(() => killAllOf(uid));
    const session = startSession([enter, 'run', ...as(uid), '--', 'python3', '-c', script]);
    await session.sees('ready');
    session.order('kill');
    await session.ended;
    // One look may miss it as well.
    for (let look = 0; look < 50; look++) expect(ofUid(uid)).toEqual([]);
  });
});

const DAEMON = `setsid sh -c 'trap "" HUP; echo pid=$$=; exec sleep 1000' & sleep 0.3`;

/** A session that has ended, with a daemon of it that stays. */
async function leave(how: 'exit' | 'hangup', options: readonly string[] = ['--pty', '80x24']) {
  const session = start(options, `${DAEMON}; ${how === 'exit' ? 'exit 4' : 'echo ready; sleep 1000'}`);
  await session.sees(/pid=\d+=/);
  if (how === 'hangup') {
    await session.sees('ready');
    session.hangUp();
  }
  const [daemon = 0] = numbers(session);
  return { session, daemon, left: await session.left };
}

describe('a daemon', () => {
  test.each([
    ['exit', 'ended exit 4\n'],
    ['hangup', 'ended signal 1\n'],
  ] as const)('stays after an %s, and the helper with it: %s', async (how, ending) => {
    const { session, daemon, left } = await leave(how);
    expect(left).toBe(ending);
    expect(readFileSync(`/proc/${daemon}/comm`, 'utf8')).toBe('sleep\n');
    process.kill(daemon, 'SIGKILL');
    expect(await session.ended).toMatchObject(how === 'exit' ? { code: 4 } : { signal: 'SIGHUP' });
  });

  test.each([[[]], [['--pty', '80x24']], [as(61_000)]])(
    'that a session with %s left behind goes when access ends later, or with the sidecar',
    async (options) => {
      for (const end of ['kill', 'abandon'] as const) {
        const { session, daemon } = await leave('hangup', options);
        if (end === 'kill') session.order('kill');
        else session.abandon();
        await session.ended;
        await gone(daemon);
      }
    },
  );

  test('gives the output back to who reads it, though it holds it', async () => {
    const session = start([], `setsid sh -c 'trap "" HUP PIPE; exec >/dev/null 2>&1; sleep 1000' & echo said; exit 0`);
    const closed = new Promise((resolve) => session.stdout.once('end', resolve));
    expect(await session.left).toBe('ended exit 0\n');
    await closed;
    expect(session.output()).toBe('said\n');
    session.order('kill');
    await session.ended;
  });

  test('that dies before its session is reaped, also when the program itself is dead', async () => {
    const script = `
      for i in 1 2 3 4 5; do (sleep 0.1 &); done
      (sleep 0.2; for i in 1 2 3; do (sleep 0.1 &); done; sleep 1; echo looked; ps -o stat= --ppid $MONITOR) &
      exit 0`;
    const session = start([], `MONITOR=$PPID; ${script}`);
    await session.ended;
    // The monitor's children at the end: the program's zombie, which names the session, and who looked.
    expect(session.output().split('looked')[1]?.match(/Z/g)?.length).toBe(1);
  });
});

function killAllOf(uid: number): void {
  const became = ['--reuid', `${uid}`, '--regid', `${uid}`, '--clear-groups'];
  spawnSync('setpriv', [...became, 'sh', '-c', 'kill -KILL -1']);
}

/** The living processes of a uid. */
function ofUid(uid: number): string[] {
  return readdirSync('/proc').filter((pid) => {
    const status = /^\d+$/.test(pid) ? statusOf(pid) : '';
    return status.includes(`\nUid:\t${uid}\t`) && !status.includes('\nState:\tZ');
  });
}

function statusOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return ''; // gone meanwhile
  }
}
