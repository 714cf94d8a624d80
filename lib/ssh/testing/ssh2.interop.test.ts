import { once } from 'node:events';
import net from 'node:net';
import ssh2 from 'ssh2';
import { describe, expect, test } from 'vitest';
import { UserAuthenticationClient } from '../authentication/client.ts';
import type { SshError } from '../errors.ts';
import { PrivateKey } from '../keys/private-key.ts';
import { TransportSocket } from '../transport/transport-socket.ts';
import { listenForLogins } from './login-server.ts';

const user = PrivateKey.generateEd25519();
const hostKey = PrivateKey.generateEd25519();

describe.each(['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes256-ctr'] as const)('ssh2 with %s', (cipher) => {
  const algorithms = { cipher: [cipher], hmac: ['hmac-sha2-256-etm@openssh.com' as const] };

  test('its client logs in to our server', async () => {
    const server = await listenForLogins([user.publicKey], { hostKeys: [hostKey] });
    const client = new ssh2.Client();
    client.on('error', () => {});
    const ready = once(client, 'ready');
    client.connect({
      host: '127.0.0.1',
      port: server.port,
      username: 'acme',
      privateKey: user.toOpenSsh(),
      algorithms,
    });
    await ready;
    expect(server.records[0]).toMatchObject({
      username: 'acme',
      fingerprint: user.publicKey.fingerprint,
      negotiated: { cipherIn: cipher, kex: 'curve25519-sha256@libssh.org' },
    });
    client.end();
    server.close();
  });

  test('our client logs in to its server', async () => {
    const usernames: string[] = [];
    const server = new ssh2.Server({ hostKeys: [hostKey.toOpenSsh()], algorithms }, (connection) => {
      connection.on('error', () => {});
      connection.on('authentication', (context) => {
        if (context.method !== 'publickey') {
          context.reject();
          return;
        }
        const key = ssh2.utils.parseKey(user.publicKey.toLine());
        if (key instanceof Error || context.blob === undefined || context.signature === undefined) {
          context.reject();
          return;
        }
        // It returns true, false or an Error, whatever its types say.
        const isRight: unknown = key.verify(context.blob, context.signature, context.hashAlgo);
        if (isRight !== true) {
          context.reject();
          return;
        }
        usernames.push(context.username);
        context.accept();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const error = await logIn(address.port);
    expect(error).toBeUndefined();
    expect(usernames).toEqual(['acme']);
    server.close();
  });
});

async function logIn(port: number): Promise<SshError | undefined> {
  const { promise, resolve } = Promise.withResolvers<SshError | undefined>();
  const side = new TransportSocket(net.connect(port, '127.0.0.1'), {
    role: 'client',
    software: 'OpenSSH_9.9 sshaccess',
    verifyHostKey: (key) => key.equals(hostKey.publicKey),
    onReady: () => authentication.start(),
    onMessage: (payload) => authentication.receive(payload),
    onClose: (error) => resolve(error),
  });
  const authentication = new UserAuthenticationClient({
    transport: side.transport,
    username: 'acme',
    key: user,
    onSuccess: () => side.transport.disconnect(11, 'done'),
    onFailure: (error) => resolve(error),
  });
  side.transport.start();
  return promise;
}
