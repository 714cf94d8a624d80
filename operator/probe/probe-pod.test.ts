/** One look at real servers: OpenSSH's, and things that are none. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { ACCOUNT, listen, ownAddress, startSshd } from '../testing/sshd.ts';
import type { ProbeTarget } from './outcome.ts';
import { probePod } from './probe-pod.ts';

const mappingKey = PrivateKey.generateEd25519();
const authorizedKeys = [mappingKey.publicKey.toLine()];
const never = new AbortController().signal;
const targetAt = (address: string, port = 2222, changes: Partial<ProbeTarget> = {}): ProbeTarget => ({
  pod: 'p1',
  container: 'c1',
  address,
  port,
  username: ACCOUNT,
  hostKeys: [],
  isLearning: true,
  mappingKey: mappingKey.toOpenSsh(),
  ...changes,
});

test("gets into OpenSSH's sshd, and learns its ident and host key", { timeout: 60_000 }, async () => {
  const address = ownAddress();
  const { hostKey } = await startSshd({
    address,
    port: 2222,
    authorizedKeys,
    lines: ['VersionAddendum sshaccess-setup-1'],
  });
  const reached = { result: 'reached', hostKey, ident: expect.stringMatching(/^OpenSSH_[0-9.]+.* sshaccess-setup-1$/) };
  expect(await probePod(targetAt(address), never)).toEqual(reached);
  expect(await probePod(targetAt(address, 2222, { hostKeys: [hostKey] }), never)).toEqual(reached);
  const another = PrivateKey.generateEd25519().publicKey.toLine();
  expect(await probePod(targetAt(address, 2222, { hostKeys: [another] }), never)).toMatchObject({
    result: 'other-host-key',
  });
});

test('is told that the key is refused, for a user who is not there as well', { timeout: 60_000 }, async () => {
  const address = ownAddress();
  await startSshd({ address, port: 2222, authorizedKeys: [] });
  expect(await probePod(targetAt(address), never)).toMatchObject({ result: 'key-refused' });
  expect(await probePod(targetAt(address, 2222, { username: 'nobody-of-that-name' }), never)).toMatchObject({
    result: 'key-refused',
  });
});

test('an sshd that gives only one try says the same', { timeout: 60_000 }, async () => {
  const address = ownAddress();
  await startSshd({ address, port: 2222, authorizedKeys: [], lines: ['MaxAuthTries 1'] });
  expect(await probePod(targetAt(address), never)).toMatchObject({ result: 'key-refused' });
});

test('an sshd that has none of our algorithms', { timeout: 60_000 }, async () => {
  const address = ownAddress();
  await startSshd({ address, port: 2222, authorizedKeys, lines: ['KexAlgorithms diffie-hellman-group14-sha256'] });
  expect(await probePod(targetAt(address), never)).toMatchObject({
    result: 'failed',
    detail: expect.stringContaining('in common'),
  });
});

test('nobody listens', async () => {
  expect(await probePod(targetAt(ownAddress()), never)).toEqual({ result: 'refused' });
});

test('no answer to a SYN, as behind a NetworkPolicy', { timeout: 60_000 }, async () => {
  const address = ownAddress();
  const port = await deafPort(address);
  expect(await probePod(targetAt(address, port), never)).toEqual({ result: 'unreachable', detail: 'timeout' });
});

/** A port whose queue of connections is full, of a program that is stopped: Linux drops what comes on top. */
async function deafPort(address: string): Promise<number> {
  const program = `require('net').createServer().listen({ port: 0, host: '${address}', backlog: 1 }, function () {
    console.log(this.address().port);
  })`;
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  const port = Number(String(line));
  child.kill('SIGSTOP');
  const sockets = Array.from({ length: 8 }, () => connect({ host: address, port }).on('error', () => undefined));
  onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
  await once(sockets[0] ?? child, 'connect');
  return port;
}

test.each([
  ['a web server', 'HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(100), 'not-ssh'],
  ['SSH 1', 'SSH-1.5-old\r\n', 'not-ssh'],
  ['an endless line', 'x'.repeat(4_096), 'not-ssh'],
  ['one that closes at once', '', 'silent'],
  ['one that says why not', 'Not allowed at this time\r\n', 'silent'],
  ['an ident and nothing else', 'SSH-2.0-OpenSSH_9.9\r\n', 'failed'],
  ['an ident and noise', `SSH-2.0-OpenSSH_9.9\r\n${'\xff'.repeat(200_000)}`, 'failed'],
])('%s', async (_, text, result) => {
  const address = ownAddress();
  const port = await listen(address, (socket) => void socket.resume().end(text, 'latin1'));
  expect(await probePod(targetAt(address, port), never)).toMatchObject({ result });
});

test('who talks for ever before a login is cut off', { timeout: 60_000 }, async () => {
  const address = ownAddress();
  let isClosed = false;
  const port = await listen(address, (socket) => {
    socket.on('close', () => (isClosed = true));
    // Lines before the ident are allowed (RFC 4253 section 4.2); these never end.
    const talk = (): void => void (socket.writable && socket.write('x'.repeat(1_000), () => setImmediate(talk)));
    talk();
  });
  expect(await probePod(targetAt(address, port), never)).toMatchObject({ result: 'not-ssh' });
  await expect.poll(() => isClosed, { timeout: 10_000 }).toBe(true);
});

test('ends when nobody wants to know any more', async () => {
  const address = ownAddress();
  const stop = new AbortController();
  const port = await listen(address, () => stop.abort());
  expect(await probePod(targetAt(address, port), stop.signal)).toMatchObject({ result: expect.any(String) });
  expect(await probePod(targetAt(address, port), stop.signal)).toMatchObject({ result: 'unreachable' });
});
