/** OpenSSH's own programs, beyond what session.e2e.ts and forwarding.e2e.ts prove. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { run, succeed } from '../support/process.ts';
import { type Bench, describeClient } from './describe-client.ts';
import { listing, randomFile, sampleFolder, sha256 } from './files.ts';

const inShell = (script: string): Promise<string> => succeed(['sh', '-c', script]);

describeClient('openssh', (works) => {
  works('a command: its output, its errors, its exit status', async ({ config }) => {
    const { stdout, stderr, code } = await run(['ssh', '-F', config, 'workbench', 'cat; echo no >&2; exit 5'], {
      input: 'yes',
    });
    expect({ stdout, stderr, code }).toEqual({ stdout: 'yes', stderr: 'no\n', code: 5 });
  });

  works('scp of a folder, both protocols, with modes and times', async (bench) => {
    const { config, folder, inPod } = bench;
    await sampleFolder(join(folder, 'scp'));
    for (const protocol of ['-s', '-O']) {
      await inPod('rm -rf /data/scp');
      await succeed(['scp', '-F', config, protocol, '-rpq', join(folder, 'scp'), 'workbench:/data/']);
      await succeed(['scp', '-F', config, protocol, '-rpq', 'workbench:/data/scp', join(folder, `back${protocol}`)]);
      // scp follows links, so a link arrives as a file.
      const [here, there] = [listing(join(folder, `back${protocol}`)), await inPod(listing('/data/scp'))];
      expect(await inShell(here)).toBe(there);
      expect(await inShell(listing(join(folder, 'scp'), { withLinks: false }))).toBe(
        there.replaceAll(/.*deep\/link.*\n/g, ''),
      );
    }
  });

  works('sftp: put and get -r, resume, rename, chmod, links, df', async (bench) => {
    const { config, folder, inPod } = bench;
    const tree = join(folder, 'sftp');
    await sampleFolder(tree);
    const digest = randomFile(join(folder, 'big'), 2_000_000);
    await inPod('rm -rf /data/sftp; mkdir /data/sftp');
    await succeed([
      'sh',
      '-c',
      `head -c 700000 '${join(folder, 'big')}' | ${bench.ssh} workbench 'cat >/data/sftp/big'`,
    ]);
    const batch = [
      `put -rp ${tree} /data/sftp/tree`,
      `get -rp /data/sftp/tree ${tree}.back`,
      `reput ${join(folder, 'big')} /data/sftp/big`,
      'rename /data/sftp/big /data/sftp/renamed',
      'chmod 640 /data/sftp/renamed',
      'symlink renamed /data/sftp/symbolic',
      'ln /data/sftp/renamed /data/sftp/hard',
      'df /data',
      'ls -l /data/sftp',
    ];
    const stdout = await succeed(['sftp', '-F', config, '-b', '-', 'workbench'], { input: `${batch.join('\n')}\n` });
    expect(stdout).toMatch(/^-rw-r-----.* 2000000 .*renamed$/m);
    const state = await inPod("cd /data/sftp; stat -c '%a %h %s' renamed; readlink symbolic; sha256sum <hard");
    expect(state).toBe(`640 2 2000000\nrenamed\n${digest}  -\n`);
    expect(await inShell(listing(`${tree}.back`))).toBe(await inPod(listing('/data/sftp/tree')));
    expect(sha256(join(`${tree}.back`, 'three-mib'))).toBe(sha256(join(tree, 'three-mib')));
  });

  works('sftp and scp of limited read', async ({ config, folder, inPod }) => {
    await inPod('head -c 300000 /dev/urandom >/tmp/readable; chmod 644 /tmp/readable');
    const there = (await inPod('sha256sum </tmp/readable')).slice(0, 64);
    for (const [program, ...options] of [['sftp'], ['scp', '-q', '-s']]) {
      const here = join(folder, `limited-${program}`);
      await succeed([program ?? '', '-F', config, ...options, 'workbench-limited:/tmp/readable', here]);
      expect(sha256(here)).toBe(there);
    }
  });

  works('ssh -O check, forward, cancel, exit: many sessions over one connection', async (bench) => {
    const { config, folder, inPod } = bench;
    await withMaster(bench, async (control) => {
      expect((await control('check')).stderr).toMatch(/^Master running \(pid=\d+\)/);
      const session = (n: number) => run(['ssh', '-F', config, '-S', join(folder, 'master'), 'workbench', `echo ${n}`]);
      const echoed = await Promise.all([1, 2, 3, 4, 5, 6].map(async (n) => (await session(n)).stdout));
      expect(echoed).toEqual(['1\n', '2\n', '3\n', '4\n', '5\n', '6\n']);

      await inPod('echo through the forwarding >/data/page');
      const pid = await inPod(startServer(18_200, '/data'));
      const forward = ['-L', '127.0.0.1:18201:127.0.0.1:18200'];
      await control('forward', ...forward);
      expect(await succeed(['curl', '-sS', 'http://127.0.0.1:18201/page'])).toBe('through the forwarding\n');
      expect((await control('cancel', ...forward)).code).toBe(0);
      expect((await run(['curl', '-sS', 'http://127.0.0.1:18201/page'])).stderr).toContain('connect');
      await inPod(`kill ${pid}`);
    });
    const ended = await run(['ssh', '-S', join(folder, 'master'), '-O', 'check', 'workbench']);
    expect(ended.stderr).toMatch(/No such file or directory|Connection refused/);
  });

  works('ssh -O proxy: another ssh inside of the connection', async (bench) => {
    const { config, folder } = bench;
    await withMaster(bench, async () => {
      const proxied = await run(
        ['ssh', '-F', config, '-S', join(folder, 'master'), '-O', 'proxy', 'workbench', 'cat; exit 6'],
        { input: 'by proxy' },
      );
      expect([proxied.stdout, proxied.code]).toEqual(['by proxy', 6]);
    });
  });

  works('tmux outlives the connection', async ({ inPod }) => {
    await inPod('tmux new-session -d -s kept -x 80 -y 24 cat');
    await inPod('tmux send-keys -t kept "still here" Enter');
    expect(await inPod('sleep 1; tmux capture-pane -p -t kept; tmux kill-session -t kept')).toMatch(
      /still here\nstill here/,
    );
  });
});

/** Shell that starts a web server on the pod's loopback, waits until it listens, and prints its process id. */
const startServer = (port: number, folder: string): string =>
  `cd ${folder} && { nohup python3 -m http.server --bind 127.0.0.1 ${port} >/dev/null 2>&1 & echo $!; } && ` +
  `python3 -c 'import socket, time\nwhile socket.socket().connect_ex(("127.0.0.1", ${port})): time.sleep(0.05)'`;

type Control = (command: string, ...options: string[]) => ReturnType<typeof run>;

/** With one connection in the background, and `ssh -O` to it. */
async function withMaster({ config, folder }: Bench, work: (control: Control) => Promise<void>): Promise<void> {
  const socket = join(folder, 'master');
  const log = join(folder, 'master.log');
  await succeed(['ssh', '-F', config, '-MNf', '-S', socket, '-E', log, 'workbench']);
  const control: Control = (command, ...options) =>
    run(['ssh', '-F', config, '-S', socket, '-O', command, ...options, 'workbench']);
  try {
    await work(control);
  } finally {
    const { stderr } = await control('exit');
    expect(stderr).toContain('Exit request sent');
  }
  expect(readFileSync(log, 'utf8')).toBe('');
}
