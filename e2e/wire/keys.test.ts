/** Options of keys, and certificates of ssh-keygen: what OpenSSH's client gets, through the real piper, of the real sidecar. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { DEFAULT_POLICIES } from '../../crds/index.ts';
import { type GeneratedKey, openSsh, sshKeygen, temporaryDirectory } from '../../lib/ssh/testing/openssh.ts';
import { run as runProgram } from '../support/process.ts';
import { startStack, type Stack, type User } from './stack.ts';

const WAIT = { timeout: 20_000 };
const directory = temporaryDirectory();
const ca = sshKeygen(directory.path, 'ca', ['-t', 'ed25519']);
const central = sshKeygen(directory.path, 'central', ['-t', 'ecdsa', '-b', '256']);
const bare = ({ publicLine }: GeneratedKey): string => publicLine.split(' ').slice(0, 2).join(' ');

let stack: Stack;
beforeAll(async () => {
  stack = await startStack({ TRUSTED_USER_CAS: central.publicLine });
}, 180_000);
afterAll(async () => {
  await stack?.stop();
  directory.remove();
});

/** All users have this line, and nothing else; resolves when the piper knows it. */
async function setLine(line: string): Promise<void> {
  const users = stack.route.users.map((user) => ({ ...user, authorizedKeys: [line] }));
  // Somebody who is only there to show that this is the route of now.
  const username = `witness-${witnesses++}`;
  const witness = { username, role: 'limited', policy: DEFAULT_POLICIES.limited, uidOffset: 0 } as const;
  const authorizedKeys = [stack.keys.limited.publicKey.toLine()];
  await stack.setRoute({ users: [...users, { ...witness, authorizedKeys }] });
  const isThere = async () => (await stack.ssh({ ...stack.limited, username }, ['true'])).code;
  await expect.poll(isThere, WAIT).toBe(0);
}
let witnesses = 0;

const own = (): string => stack.keys.root.publicKey.toLine();
const run = (...args: string[]) => stack.ssh(stack.root, args);
const records = (event: string) =>
  stack.piperLog.filter((line) => line.msg === 'connection' && line['event'] === event);

describe('A7: options of a key', { timeout: 60_000 }, () => {
  test('restrict leaves a command, and no terminal and no forwarding', async () => {
    await setLine(`restrict ${own()}`);
    expect(await run('echo here')).toMatchObject({ stdout: 'here\n', code: 0 });
    const terminal = await run('-tt', 'tty');
    expect(terminal.stdout).toBe('');
    expect(terminal.stderr).toContain('PTY allocation request failed');
    expect(await run('-W', '127.0.0.1:22', '')).toMatchObject({ code: 255 });
  });

  test('permitopen= leads to its port, and to no other', async () => {
    const server = createServer((socket) => socket.end('hello'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = z.object({ port: z.number() }).parse(server.address());
    await setLine(`restrict,port-forwarding,permitopen="localhost:${port}" ${own()}`);
    expect(await run('-W', `127.0.0.1:${port}`, '')).toMatchObject({ stdout: 'hello', code: 0 });
    expect((await run('-W', '127.0.0.1:1', '')).stderr).toContain('stdio forwarding failed');
    await expect.poll(() => JSON.stringify(records('end').at(-1)), WAIT).toContain('direct-tcpip: localPorts');
    server.close();
  });

  test('command= runs in place of a command, a shell and sftp, and hears what was asked for', async () => {
    await setLine(`command="echo asked: \\"\${SSH_ORIGINAL_COMMAND-nothing}\\"" ${own()}`);
    expect(await run("ls -l 'my files'; id")).toMatchObject({ stdout: "asked: ls -l 'my files'; id\n", code: 0 });
    expect(await run('-T', '')).toMatchObject({ stdout: 'asked: nothing\n', code: 0 });
    expect(await run('-s', 'sftp')).toMatchObject({ stdout: 'asked: internal-sftp\n', code: 0 });
    const mine = await run('-o', 'SetEnv=SSH_ORIGINAL_COMMAND=mine', 'true');
    expect(mine.stdout).toBe('asked: true\n');
  });

  test('command="internal-sftp" serves sftp, whatever is asked for', async () => {
    await setLine(`command="internal-sftp",restrict ${own()}`);
    writeFileSync(join(stack.remote, 'file'), 'content');
    const batch = join(directory.path, 'batch');
    writeFileSync(batch, `get ${join(stack.remote, 'file')} ${join(directory.path, 'copy')}\n`);
    const where = ['-P', String(stack.port), '-b', batch, `${stack.root.username}@127.0.0.1`];
    expect(await runProgram(['sftp', ...stack.options(stack.root), ...where])).toMatchObject({ code: 0 });
    expect(readFileSync(join(directory.path, 'copy'), 'utf8')).toBe('content');
    expect((await run('id; echo never')).stdout).not.toContain('never');
  });

  test('expiry-time= lets in until then, and ends what runs, with a sentence', async () => {
    const soon = new Date(Date.now() + 6_000).toISOString().replaceAll(/\D/g, '').slice(0, 14);
    await setLine(`expiry-time="${soon}Z" ${own()}`);
    expect((await run('sleep 30')).stderr).toMatch(/\[expired, connection|Permission denied/);
    expect(await run('true')).toMatchObject({ code: 255, stderr: expect.stringContaining('Permission denied') });
    await expect.poll(() => JSON.stringify(records('refused').at(-1)), WAIT).toContain('(expired)');
  });

  test('from= another address: refused like a wrong key', async () => {
    await setLine(`from="198.51.100.0/24" ${own()}`);
    expect((await run('true')).stderr).toContain('Permission denied (publickey)');
    await setLine(`from="198.51.100.0/24,127.0.0.0/8" ${own()}`);
    expect(await run('true')).toMatchObject({ code: 0 });
  });
});

describe('A6: certificates of ssh-keygen', { timeout: 60_000 }, () => {
  const types = [
    ['ed25519', ['-t', 'ed25519'], 'ssh-ed25519-cert-v01@openssh.com'],
    ['ecdsa', ['-t', 'ecdsa', '-b', '384'], 'ecdsa-sha2-nistp384-cert-v01@openssh.com'],
    ['rsa', ['-t', 'rsa', '-b', '2048'], 'rsa-sha2-512-cert-v01@openssh.com'],
  ] as const;
  const users = new Map<string, User>();
  beforeAll(() => {
    for (const [name, type] of types)
      users.set(name, { username: 'acme-hello', keyFile: sshKeygen(directory.path, name, type).path });
  }, 60_000);

  /** ssh finds it beside the key. */
  function certify(name: string, options: readonly string[] = ['-n', 'acme-hello'], authority = ca): User {
    const user = users.get(name) ?? stack.root;
    rmSync(`${user.keyFile}-cert.pub`, { force: true });
    const args = ['-q', '-s', authority.path, '-I', `id of ${name}`, '-z', '7', ...options];
    execFileSync(openSsh('ssh-keygen'), [...args, `${user.keyFile}.pub`]);
    return user;
  }

  test.each(types)('of %s: logs in, and the record shows it', async (name, _type, algorithm) => {
    await setLine(`cert-authority ${bare(ca)}`);
    const { stdout, stderr } = await stack.ssh(certify(name), ['-v', '-o', 'LogLevel=DEBUG1', 'echo in']);
    expect(stdout).toBe('in\n');
    expect(stderr).toMatch(new RegExp(`server-sig-algs=<[^>]*${algorithm}[,>]`));
    expect(stderr).toMatch(/Server accepts key: .*-CERT/);
    const certificate = { keyId: `id of ${name}`, serial: '7', authority: expect.stringMatching(/^SHA256:/) };
    await expect.poll(() => records('start').at(-1), WAIT).toMatchObject({ username: 'acme-hello', certificate });
  });

  test.each([
    ['for another user', ['-n', 'acme-hello-dev'], '(principal)'],
    ['for nobody', [], '(principal)'],
    ['that has expired', ['-n', 'acme-hello', '-V', '20200101:20200102'], '(expired)'],
    ['that is not valid yet', ['-n', 'acme-hello', '-V', '20900101:20900102'], '(not-yet-valid)'],
    ['with what only another server knows', ['-n', 'acme-hello', '-O', 'critical:hurry=1'], '(certificate-options)'],
    ['for another address', ['-n', 'acme-hello', '-O', 'source-address=198.51.100.7'], '(address)'],
  ])('%s: refused', async (_what, options, detail) => {
    await setLine(`cert-authority ${bare(ca)}`);
    const { code, stderr } = await stack.ssh(certify('ed25519', options), ['true']);
    expect({ code, stderr }).toEqual({ code: 255, stderr: expect.stringContaining('Permission denied (publickey)') });
    // The client has gone on to the bare key (and never shows a certificate of a host); the record says what was wrong with the certificate all the same.
    await expect.poll(() => JSON.stringify(records('refused').at(-1)), WAIT).toContain(detail);
  });

  test('what it does not permit is refused, and what it forces runs', async () => {
    await setLine(`cert-authority,principals="ops" ${bare(ca)}`);
    const options = ['-n', 'ops', '-O', 'clear', '-O', 'force-command=echo forced'];
    const user = certify('ed25519', options);
    expect(await stack.ssh(user, ['id'])).toMatchObject({ stdout: 'forced\n' });
    expect((await stack.ssh(user, ['-tt', 'id'])).stderr).toContain('PTY allocation request failed');
  });

  test("of an authority of the gateway's: under the username that it names", async () => {
    await setLine(own());
    expect(await stack.ssh(certify('rsa', ['-n', 'acme-hello'], central), ['echo in'])).toMatchObject({
      stdout: 'in\n',
    });
    expect(await stack.ssh(certify('rsa', ['-n', 'root'], central), ['true'])).toMatchObject({ code: 255 });
  });

  test('as docs/keys.md says to make one', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/keys.md'), 'utf8');
    const commands = page.split('\n').filter((line) => line.startsWith('ssh-keygen '));
    const folder = mkdtempSync(join(directory.path, 'docs-'));
    const keyFile = sshKeygen(folder, 'alice', ['-t', 'ed25519']).path;
    // Only a person is asked for a passphrase.
    for (const command of commands)
      execFileSync('sh', ['-c', command.replace('-t ed25519', "-t ed25519 -N ''")], { cwd: folder, stdio: 'pipe' });
    expect(commands).toHaveLength(2);
    await setLine(`cert-authority ${readFileSync(join(folder, 'user-ca.pub'), 'utf8').trim()}`);
    expect(await stack.ssh({ username: 'acme-hello', keyFile }, ['echo in'])).toMatchObject({ stdout: 'in\n' });
    await expect.poll(() => JSON.stringify(records('start').at(-1)), WAIT).toContain('alice@acme');
  });
});
