import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { UserAuthenticationClient } from '../../authentication/client.ts';
import type { SshError } from '../../errors.ts';
import { PrivateKey } from '../../keys/private-key.ts';
import { TransportSocket } from '../../transport/transport-socket.ts';
import { listenForLogins } from '../login-server.ts';
import { temporaryDirectory } from '../openssh.ts';
import { buildGoPeer } from './build-go-peer.ts';

const KEX = 'mlkem768x25519-sha256';
// A secret that enters the hash as the wrong type (mpint for string) shows only where its highest bit is set.
const LOGINS = 20;

// OpenSSH has the method from 9.9 on, later than most machines: this is the peer that always has it.
describe(`Go's SSH, with ${KEX} only`, { timeout: 120_000 }, () => {
  const directory = temporaryDirectory();
  const user = PrivateKey.generateEd25519();
  const host = PrivateKey.generateEd25519();
  const file = (name: string): string => join(directory.path, name);
  let peer = '';

  beforeAll(async () => {
    for (const [name, key] of Object.entries({ user, host })) {
      writeFileSync(file(name), key.toOpenSsh(), { mode: 0o600 });
      writeFileSync(file(`${name}.pub`), `${key.publicKey.toLine()}\n`);
    }
    peer = await buildGoPeer();
  }, 310_000);
  afterAll(() => directory.remove());

  test(`its client logs in to our server, ${LOGINS} times`, async () => {
    const server = await listenForLogins([user.publicKey], { hostKeys: [host] });
    const address = `127.0.0.1:${server.port}`;
    await promisify(execFile)(peer, ['client', address, file('user'), file('host.pub'), String(LOGINS)]);
    expect(server.records.map(({ username, negotiated }) => [username, negotiated?.kex])).toEqual(
      Array.from({ length: LOGINS }, () => ['acme', KEX]),
    );
    server.close();
  });

  test(`our client logs in to its server, ${LOGINS} times`, async () => {
    const server = spawn(peer, ['server', file('host'), file('user.pub'), String(LOGINS)]);
    const exit = once(server, 'exit');
    const complaints = text(server.stderr);
    onTestFinished(() => void server.kill());
    const [line] = await once(createInterface(server.stdout), 'line');
    const outcomes: Outcome[] = [];
    for (let login = 0; login < LOGINS; login++) outcomes.push(await logIn(Number(line), user, host));
    expect(outcomes).toEqual(Array.from({ length: LOGINS }, () => ({ kex: KEX, error: undefined })));
    // It ends by itself, content, when it has let us in as often as that.
    expect(await exit).toEqual([0, null]);
    expect(await complaints).toBe('');
  });
});

type Outcome = { kex: string | undefined; error: SshError | undefined };

async function logIn(port: number, user: PrivateKey, host: PrivateKey): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let kex: string | undefined;
  const side = new TransportSocket(net.connect(port, '127.0.0.1'), {
    role: 'client',
    software: 'OpenSSH_9.9 sshaccess',
    verifyHostKey: (key) => key.equals(host.publicKey),
    onReady: () => {
      kex = side.transport.negotiated.kex;
      authentication.start();
    },
    onMessage: (payload) => authentication.receive(payload),
    onClose: (error) => resolve({ kex, error }),
  });
  const authentication = new UserAuthenticationClient({
    transport: side.transport,
    username: 'acme',
    key: user,
    onSuccess: () => side.transport.disconnect(11, 'done'),
    onFailure: (error) => side.transport.abort(error),
  });
  side.transport.start();
  return promise;
}
