/** Editors that live on this machine and work in the pod. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { succeed } from '../support/process.ts';
import { type Bench, describeClient } from './describe-client.ts';
import { randomFile, sha256 } from './files.ts';

const folderOfScripts = join(import.meta.dirname, 'editors');

describeClient('vscode', (works) => {
  works(
    'ssh -T -D port host bash, with the script on stdin: the server answers through SOCKS5, and outlives the session',
    (bench) => installsServer(bench, 18_210, ['bash']),
  );
  works('ssh -T -D port -o ConnectTimeout=15 host sh, the same', (bench) =>
    installsServer(bench, 18_211, ['-o', 'ConnectTimeout=15', 'sh']),
  );
});

/** As the editor does: the script installs and starts a server, names its port, and ssh stays for the SOCKS connections. */
async function installsServer(bench: Bench, socksPort: number, words: readonly string[]): Promise<void> {
  const { config, inPod } = bench;
  await inPod('rm -rf ~/.vscode-server');
  const [options, shell] = [words.slice(0, -1), words.at(-1) ?? ''];
  const child = spawn('ssh', ['-F', config, '-T', '-D', String(socksPort), ...options, 'workbench', shell], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  // Its end stays open: the editor keeps it so for as long as it wants the forwarding.
  child.stdin.write(readFileSync(join(folderOfScripts, 'install-server.sh')));
  try {
    const port = await eventually(async () => {
      const [, answer = ''] = /^e2e: start\n([\s\S]*)e2e: end\n/m.exec(stdout) ?? [];
      expect(answer).toContain('osReleaseId==debian==');
      return /listeningOn==(\d+)==/.exec(answer)?.[1] ?? '';
    }, 30_000);
    const page = `http://127.0.0.1:${port}/marker`;
    const through = ['curl', '-sS', '--socks5-hostname', `127.0.0.1:${socksPort}`, page];
    expect(await succeed(through)).toBe('the editor server\n');
    await end(child);
    expect(await inPod(`python3 -c 'import urllib.request as r; print(r.urlopen("${page}").read())'`)).toBe(
      "b'the editor server\\n'\n",
    );
  } finally {
    child.kill('SIGKILL');
    await inPod('kill $(cat ~/.vscode-server/pid)');
  }
}

async function end(child: ChildProcess): Promise<void> {
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.stdin?.end();
  await closed;
  expect(child.exitCode).toBe(0);
}

describeClient('tramp', (works) => {
  works('/ssh: lists, writes, reads, copies, renames, runs a command', (bench) => edit(bench, 'ssh'));
  works('/scp: lists, writes, reads, copies, renames, runs a command', (bench) => edit(bench, 'scp'));
  works('/sshx: lists, writes, reads, copies, renames, runs a command', (bench) => edit(bench, 'sshx'));
});

async function edit({ config, folder, inPod }: Bench, method: string): Promise<void> {
  const file = join(folder, `tramp-${method}`);
  const digest = randomFile(file, 400_000);
  await inPod(`rm -rf /data/tramp-${method}; mkdir /data/tramp-${method}`);
  const env = {
    ...process.env,
    TERM: 'dumb',
    TRAMP_METHOD: method,
    TRAMP_CONFIG: config,
    TRAMP_FOLDER: `/data/tramp-${method}/`,
    TRAMP_FILE: file,
  };
  const emacs = ['emacs', '-Q', '--batch', '-l', join(folderOfScripts, 'tramp.el')];
  // Emacs keeps its history of connections at home.
  const stdout = await succeed(emacs, { env: { ...env, HOME: folder }, timeoutMs: 120_000 });
  expect(stdout).toBe(
    'home: /root/\n' +
      'files: text\n' +
      'text: from this machine: ü\n' +
      'renamed: exists, 400000 bytes\n' +
      'old name: gone\n' +
      `command: /data/tramp-${method} 0\n`,
  );
  const there = await inPod(`cd /data/tramp-${method}; ls; cat text; sha256sum <renamed`);
  expect(there).toBe(`renamed\ntext\nfrom this machine: ü\n${digest}  -\n`);
  expect(sha256(`${file}.back`)).toBe(digest);
}
