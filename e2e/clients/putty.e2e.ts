/** Clients with an SSH of their own: PuTTY's, and two that know none of the newer algorithms. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';
import { demo } from '../support/demo.ts';
import { eventually } from '../support/eventually.ts';
import { run, succeed } from '../support/process.ts';
import { type Bench, describeClient } from './describe-client.ts';
import { randomFile, sha256 } from './files.ts';

describeClient('putty', (works) => {
  works('plink: a command, its exit status; puttygen makes the key', async (bench) => {
    const { stdout, stderr, code } = await run(['plink', ...(await options(bench)), 'cat; echo no >&2; exit 3'], {
      input: 'yes',
    });
    expect({ stdout, stderr, code }).toEqual({ stdout: 'yes', stderr: 'no\n', code: 3 });
  });

  works('psftp and pscp: there and back', async (bench) => {
    const file = join(bench.folder, 'putty');
    const digest = randomFile(file, 3_000_000);
    const flags = await options(bench);
    await bench.inPod('rm -f /data/putty*');
    const batch = [`put ${file} /data/putty`, 'mv /data/putty /data/putty-2', `get /data/putty-2 ${file}.back`, 'quit'];
    await succeed(['psftp', ...flags], { input: `${batch.join('\n')}\n` });
    expect(await bench.inPod('sha256sum </data/putty-2')).toBe(`${digest}  -\n`);
    expect(sha256(`${file}.back`)).toBe(digest);
    const [host, rest] = [flags.at(-1) ?? '', flags.slice(0, -1)];
    await succeed(['pscp', ...rest, '-q', file, `${host}:/data/pscp`]);
    await succeed(['pscp', ...rest, '-q', `${host}:/data/pscp`, `${file}.pscp`]);
    expect(sha256(`${file}.pscp`)).toBe(digest);
  });

  works('plink -L reaches the loopback of the pod', async (bench) => {
    const flags = ['-L', '127.0.0.1:18231:127.0.0.1:18230', ...(await options(bench))];
    const server = 'echo from the pod >/tmp/page; cd /tmp; exec timeout 60 python3 -m http.server -b 127.0.0.1 18230';
    const child = spawn('plink', [...flags, server], { stdio: 'ignore' });
    try {
      const page = await eventually(() => succeed(['curl', '-sS', 'http://127.0.0.1:18231/page']), 20_000);
      expect(page).toBe('from the pod\n');
    } finally {
      child.kill('SIGKILL');
    }
  });
});

/** How PuTTY's programs log in: with a key in their own format, and the fingerprint of the host key. */
async function options({ host, port, root, folder }: Bench): Promise<string[]> {
  const key = join(folder, 'key.ppk');
  await succeed(['puttygen', root.key, '-O', 'private', '-o', key]);
  // Past the relay, which is to see PuTTY alone.
  const hostKeys = await succeed(['ssh-keyscan', '-t', 'ed25519', '-p', String(demo().sshPort), demo().sshHost]);
  const fingerprints = await succeed(['ssh-keygen', '-l', '-f', '-'], { input: hostKeys });
  const fingerprint = /SHA256:\S+/.exec(fingerprints)?.[0] ?? '';
  return ['-batch', '-P', String(port), '-i', key, '-hostkey', fingerprint, '-l', root.user, host];
}

describeClient('dropbear', (works) => {
  works('a command, its input and its exit status; -L reaches the loopback of the pod', async (bench) => {
    const { host, port, root, folder } = bench;
    const key = join(folder, 'key.db');
    await succeed(['dropbearconvert', 'openssh', 'dropbear', root.key, key]);
    const login = ['-y', '-y', '-i', key, '-p', String(port), '-l', root.user];
    const { stdout, code } = await run(['dbclient', ...login, host, 'cat; exit 3'], { input: 'yes' });
    expect({ stdout, code }).toEqual({ stdout: 'yes', code: 3 });
    const server = 'echo yes >/tmp/drop; cd /tmp; exec timeout 60 python3 -m http.server -b 127.0.0.1 18233';
    const flags = [...login, '-L', '127.0.0.1:18232:127.0.0.1:18233', host, server];
    const child = spawn('dbclient', flags, { stdio: 'ignore' });
    try {
      const page = await eventually(() => succeed(['curl', '-sS', 'http://127.0.0.1:18232/drop']), 20_000);
      expect(page).toBe('yes\n');
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describeClient('curl', (works) => {
  works('a file there and back', async ({ host, port, root, folder }) => {
    const file = join(folder, 'curl');
    const digest = randomFile(file, 3_000_000);
    const login = ['--insecure', '--key', root.key, '--pubkey', `${root.key}.pub`, '--user', `${root.user}:`];
    const url = `sftp://${host}:${port}/data/curl`;
    await succeed(['curl', '-sS', ...login, '-T', file, url]);
    await succeed(['curl', '-sS', ...login, '-o', `${file}.back`, url]);
    expect(sha256(`${file}.back`)).toBe(digest);
  });
});
