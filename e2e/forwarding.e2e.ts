/** ssh -L reaches the loopback of the pod for root, and nothing else; limited gets none. */
import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, afterEach, expect, test } from 'vitest';
import { eventually } from './support/eventually.ts';
import { type Login, disposeScratch, limitedLogin, rootLogin, ssh, sshCommand } from './support/openssh.ts';

const LOCAL_PORT = 18_080;
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});
afterAll(disposeScratch);

/** Starts `ssh -N -L`; answers what it has written to stderr so far. */
function forward(login: Login, target: string): () => string {
  const options = [
    '-N',
    '-L',
    `127.0.0.1:${LOCAL_PORT}:${target}`,
    '-o',
    'ExitOnForwardFailure=yes',
    '-o',
    'LogLevel=INFO',
  ];
  const [program = '', ...args] = sshCommand(login, options);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  children.push(child);
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return () => stderr;
}

const fetchThrough = async (): Promise<string> => (await fetch(`http://127.0.0.1:${LOCAL_PORT}/`)).text();

test('root reaches a server on the loopback of the pod', async () => {
  forward(rootLogin(), '127.0.0.1:8080');
  expect(await eventually(fetchThrough, 20_000)).toContain('hello');
});

test.each([
  ['limited', limitedLogin, '127.0.0.1:8080'],
  ['root to the metadata address', rootLogin, '169.254.169.254:80'],
  ['root to the API server', rootLogin, '10.96.0.1:443'],
  ['root to an IPv4-mapped address', rootLogin, '[::ffff:169.254.169.254]:80'],
])('%s is refused', async (_name, login, target) => {
  const stderr = forward(login(), target);
  await eventually(async () => {
    // ssh listens once it has logged in; the refusal comes with the first connection.
    await fetchThrough().catch(() => undefined);
    expect(stderr()).toMatch(/administratively prohibited/);
  }, 20_000);
});

test('remote forwarding is refused', async () => {
  const { code, stderr } = await ssh(rootLogin(), 'true', {
    ssh: ['-R', '9999:127.0.0.1:22', '-o', 'ExitOnForwardFailure=yes'],
  });
  expect(code).toBe(255);
  expect(stderr).toContain('remote port forwarding failed');
});
