import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UserAuthenticationClient } from '../authentication/client.ts';
import type { SshError } from '../errors.ts';
import { PrivateKey } from '../keys/private-key.ts';
import { MSG } from '../numbers.ts';
import { DEFAULT_ALGORITHMS } from '../transport/algorithms.ts';
import type { TransportOptions } from '../transport/options.ts';
import type { Negotiated } from '../transport/transport.ts';
import { TransportSocket } from '../transport/transport-socket.ts';
import { Reader, Writer } from '../wire.ts';
import { bestKexWithOpenSsh, openSsh, sshKeygen, temporaryDirectory } from './openssh.ts';

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

type Outcome = {
  error: SshError | undefined;
  negotiated: Negotiated | undefined;
  bytes: number;
  signatures: readonly string[];
};

describe("OpenSSH's server", { timeout: 60_000 }, () => {
  const directory = temporaryDirectory();
  const user = PrivateKey.generateEd25519();
  const rsa = { key: user };
  let hostKey = user;
  let port = 0;
  let sshd: ChildProcess | undefined;

  beforeAll(async () => {
    hostKey = PrivateKey.parse(sshKeygen(directory.path, 'host', ['-t', 'ed25519']).privateKey);
    rsa.key = PrivateKey.parse(sshKeygen(directory.path, 'rsa', ['-t', 'rsa', '-b', '2048']).privateKey);
    const keys = [user, rsa.key].map(({ publicKey }) => publicKey.toLine()).join('\n');
    writeFileSync(join(directory.path, 'authorized_keys'), `${keys}\n`);
    chmodSync(directory.path, 0o755);
    // Debian's sshd wants it, and its service makes it.
    if (userInfo().uid === 0 && !existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 });
    port = await freePort();
    const config = [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${join(directory.path, 'host')}`,
      `AuthorizedKeysFile ${join(directory.path, 'authorized_keys')}`,
      'PidFile none',
      'UsePAM no',
      'StrictModes no',
      'PermitRootLogin yes',
      'RekeyLimit 4M',
      'Banner none',
    ];
    writeFileSync(join(directory.path, 'sshd_config'), config.join('\n'));
    sshd = spawn(openSsh('sshd'), ['-D', '-e', '-f', join(directory.path, 'sshd_config')], { stdio: 'ignore' });
    for (let tries = 0; tries < 200; tries++) {
      if (await canConnect(port)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('sshd does not listen');
  });
  afterAll(() => {
    sshd?.kill();
    directory.remove();
  });

  /** Logs in; with a command it also reads the command's output to the end. */
  async function connect(options: {
    key?: PrivateKey;
    command?: string;
    transport?: Partial<TransportOptions>;
  }): Promise<Outcome> {
    const outcome: Outcome = { error: undefined, negotiated: undefined, bytes: 0, signatures: [] };
    const ended = Promise.withResolvers<void>();
    let isIn = false;
    const side = new TransportSocket(net.connect(port, '127.0.0.1'), {
      role: 'client',
      software: 'OpenSSH_9.9 sshaccess',
      verifyHostKey: (key) => key.equals(hostKey.publicKey),
      onReady: () => {
        outcome.negotiated = side.transport.negotiated;
        authentication.start();
      },
      onMessage: (payload) => {
        if (!isIn) authentication.receive(payload);
        else receiveChannel(side, payload, outcome, options.command ?? '');
      },
      onClose: (error) => {
        outcome.error ??= error;
        ended.resolve();
      },
      ...options.transport,
    });
    const authentication = new UserAuthenticationClient({
      transport: side.transport,
      username: userInfo().username,
      key: options.key ?? user,
      onSuccess: () => {
        isIn = true;
        outcome.signatures = side.transport.peerSignatureAlgorithms;
        if (options.command === undefined) side.transport.disconnect(11, 'done');
        else side.transport.send(openSession());
      },
      onFailure: (error) => {
        outcome.error = error;
        side.close();
      },
    });
    side.transport.start();
    await ended.promise;
    return outcome;
  }

  test.each(DEFAULT_ALGORITHMS.cipher)('takes our key, with %s', async (cipher) => {
    const { error, negotiated, signatures } = await connect({ transport: { algorithms: { cipher: [cipher] } } });
    expect(error).toBeUndefined();
    expect(negotiated).toMatchObject({ cipherIn: cipher, cipherOut: cipher, hostKey: 'ssh-ed25519' });
    expect(signatures).toContain('rsa-sha2-512');
  });

  test.each(['curve25519-sha256', 'curve25519-sha256@libssh.org'])('with %s', async (kex) => {
    const { error } = await connect({ transport: { algorithms: { kex: [kex] } } });
    expect(error).toBeUndefined();
  });

  const best = bestKexWithOpenSsh();
  test(`negotiates ${best} by itself, the best that this OpenSSH has`, async () => {
    const { error, negotiated } = await connect({});
    expect(error).toBeUndefined();
    expect(negotiated?.kex).toBe(best);
  });

  test('takes an RSA key with SHA-2', async () => {
    expect((await connect({ key: rsa.key })).error).toBeUndefined();
  });

  test('refuses a key that is not registered', async () => {
    expect((await connect({ key: PrivateKey.generateEd25519() })).error).toMatchObject({ code: 'authentication' });
  });

  test('is refused by us when its host key is not the pinned one', async () => {
    expect((await connect({ transport: { verifyHostKey: () => false } })).error).toMatchObject({ code: 'host-key' });
  });

  test.each(['aes128-gcm@openssh.com', 'aes256-ctr'])(
    '64 MiB arrive whole through rekeys of both sides, with %s',
    async (cipher) => {
      const { error, bytes } = await connect({
        command: 'head -c 67108864 /dev/zero',
        transport: { algorithms: { cipher: [cipher] }, rekeyAfterBytes: 3_000_000 },
      });
      expect(error).toBeUndefined();
      expect(bytes).toBe(67_108_864);
    },
  );
});

async function canConnect(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  const result = await promise;
  socket.destroy();
  return result;
}

// Just enough of RFC 4254 for one command: an endless window, and no care for the exit status.
function openSession(): Buffer {
  return new Writer().byte(MSG.CHANNEL_OPEN).string('session').uint32(0).uint32(0xffffffff).uint32(32_768).bytes();
}

function receiveChannel(side: TransportSocket, payload: Buffer, outcome: Outcome, command: string): void {
  const reader = new Reader(payload, 1);
  switch (payload.readUInt8(0)) {
    case MSG.CHANNEL_OPEN_CONFIRMATION: {
      reader.uint32();
      const remote = reader.uint32();
      side.transport.send(
        new Writer().byte(MSG.CHANNEL_REQUEST).uint32(remote).string('exec').boolean(false).string(command).bytes(),
      );
      break;
    }
    case MSG.CHANNEL_DATA: {
      reader.uint32();
      const data = reader.string();
      if (data.some((byte) => byte !== 0)) throw new Error('the data was changed on the way');
      outcome.bytes += data.length;
      break;
    }
    case MSG.CHANNEL_CLOSE:
      side.transport.disconnect(11, 'done');
      break;
    default:
  }
}
