/** What a sidecar tells everybody who asks, and what it does not; and that nobody loses ssh by it. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { DEFAULT_POLICIES, type SessionPolicy } from '../crds/session-policy.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { Writer } from '../lib/ssh/wire.ts';
import { buildEnter } from './enter/testing/build-enter.ts';
import { serveMetrics } from './metrics.ts';
import { bothRoles, type SidecarFixture, startSidecar } from './testing/sidecar-fixture.ts';
import { runSidecar } from './testing/sidecar-process.ts';
import { rootAssertion, type UserClient } from './testing/user-client.ts';

let enterPath: string;
beforeAll(async () => {
  enterPath = await buildEnter();
}, 120_000);

/** What nobody is to read there, each in a place where it could come from. */
const secrets = {
  username: 'acme-secret-username',
  fingerprint: 'SHA256:secretfingerprint',
  clientAddress: '198.51.100.23',
  connectionId: 'secret-connection',
};
const command = 'echo secret-argument';

async function asserted(sidecar: SidecarFixture, change: Partial<SessionPolicy> = {}): Promise<UserClient> {
  const client = sidecar.connect();
  await client.authenticated;
  const policy = { ...DEFAULT_POLICIES.root, ...change };
  expect(await client.assert({ ...rootAssertion, ...secrets, policy })).toBe(true);
  return client;
}

const nothing = () => ({
  onData: () => undefined,
  onEof: () => undefined,
  onRequest: () => false,
  onWritable: () => undefined,
  onClose: () => undefined,
});

describe('metrics', () => {
  let sidecar: SidecarFixture;
  let port: number;
  const stop = new AbortController();
  beforeAll(async () => {
    sidecar = await startSidecar({ enterPath, busyboxPath: '/bin/busybox' });
    port = await serveMetrics(0, sidecar, stop.signal);
  });
  afterAll(async () => {
    stop.abort();
    await sidecar.close();
  });

  const ask = async (path: string): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${port}/${path}`);
    return `${answer.status} ${await answer.text()}`;
  };
  /** Without its prefix and the label of all. */
  const valueOf = async (series: string): Promise<number> => {
    const lines = (await ask('metrics')).split('\n').map((line) => line.replace(/,?program="sidecar"/, ''));
    const found = lines.find((line) => line.replace('{}', '').startsWith(`sshaccess_sidecar_${series} `));
    return Number(found?.split(' ').at(-1));
  };
  const becomes = (series: string, value: number) =>
    expect.poll(() => valueOf(series), { message: series }).toBe(value);

  test('count connections, sessions, programs and forwards while they are there', async () => {
    const logins = await valueOf('logins_total');
    const client = await asserted(sidecar);
    await becomes('logins_total', logins + 1);
    await becomes('connections', 1);
    await becomes('start_ups', 0);

    const session = await client.session();
    await session.request('exec', new Writer().string('sleep 1000').bytes());
    await becomes('sessions', 1);
    await becomes('programs', 1);
    await becomes('programs_started_total{kind="exec"}', 1);

    const echo = net.createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    onTestFinished(() => void echo.close());
    await once(echo, 'listening');
    const address = echo.address();
    const channel = await client.forward('127.0.0.1', typeof address === 'object' ? (address?.port ?? 0) : 0, nothing);
    await becomes('forwards', 1);
    channel.close();
    await becomes('forwards', 0);

    expect(await (await client.session()).request('shell')).toBe(true);
    await becomes('programs_started_total{kind="shell"}', 1);
    await becomes('sessions', 2);
    await client.close();
    for (const gone of ['connections', 'sessions', 'programs']) await becomes(gone, 0);
  });

  test('count what is refused, by reason', async () => {
    const before = new Map<string, number>();
    const reasons = ['key', 'assertion', 'command', 'subsystem', 'forward', 'sessions'];
    for (const reason of reasons) before.set(reason, await valueOf(`refused_total{reason="${reason}"}`));

    await expect(sidecar.connect(PrivateKey.generateEd25519()).authenticated).rejects.toThrow();
    const beyond = sidecar.connect();
    await beyond.authenticated;
    expect(await beyond.assert({ ...rootAssertion, policy: { ...DEFAULT_POLICIES.root, maxSessions: 1000 } })).toBe(
      false,
    );
    const client = await asserted(sidecar, {
      commands: ['true'],
      sftp: { ...DEFAULT_POLICIES.root.sftp, access: 'none' },
      localForwarding: 'none',
      maxSessions: 1,
    });
    const session = await client.session();
    await expect(client.session()).rejects.toThrow();
    await expect(client.forward('127.0.0.1', 1, nothing)).rejects.toThrow();
    expect(await session.request('subsystem', new Writer().string('sftp').bytes())).toBe(false);
    expect(await session.request('exec', new Writer().string(command).bytes())).toBe(true);
    expect(await session.done).toMatchObject({ code: 126 });
    for (const reason of reasons) await becomes(`refused_total{reason="${reason}"}`, (before.get(reason) ?? 0) + 1);
    await client.close();
  });

  test('E4: hold nothing of who came, from where, with which key, and what they did', async () => {
    const client = await asserted(sidecar);
    expect(await client.exec(command)).toMatchObject({ stdout: 'secret-argument\n' });
    const session = await client.session();
    await session.env('LC_SECRET', 'secret-value');
    await session.request('exec', new Writer().string('sleep 1000').bytes());
    await becomes('sessions', 1);
    const text = (await Promise.all(['metrics', 'readyz', 'livez', 'secret'].map(ask))).join('\n');
    const { config } = sidecar.place;
    for (const word of ['secret', '198.51.100', '127.0.0.1', 'acme', 'root', config.container, config.podName])
      expect(text.replaceAll('sshaccess_', ''), word).not.toMatch(new RegExp(`\\b${word}`));
    for (const key of [sidecar.mappingKey, sidecar.hostKey]) expect(text).not.toContain(key.publicKey.fingerprint);
    // Numbers and words of ours, and no more of them than there are here.
    const labels = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', word = '']) => [label, word]);
    for (const [label, word] of labels) {
      expect(['program', 'version', 'kind', 'reason']).toContain(label);
      expect(word).toMatch(/^[a-z-]{1,12}$/);
    }
    await client.close();
  });

  test('are ready while ssh is served, and not while nobody has access', async () => {
    expect(await ask('livez')).toBe('200 ok\n');
    await becomesReady('200 ok\n');
    const { hostKey, mappingKey, server } = sidecar;
    await server.setAccess(undefined);
    await becomesReady('503 nobody has access to this pod, or the port of ssh is taken\n');
    await expect.poll(() => ask('metrics')).toContain('\nsshaccess_ready{program="sidecar"} 0\n');
    await server.setAccess({ hostKey, mappingKeys: [mappingKey.publicKey], ceiling: bothRoles });
    await becomesReady('200 ok\n');
  });
  const becomesReady = (answer: string) => expect.poll(() => ask('readyz')).toBe(answer);
});

describe('nobody loses ssh by them', () => {
  /** MiB that the flood may add: a hundred connections with what they have sent and have not read. */
  const MOST_MIB = 96;

  const served = 'serving metrics';
  const notServed = 'metrics cannot be served here; ssh is';
  type Sidecar = Awaited<ReturnType<typeof runSidecar>>;

  /** With access, and with its decision on metrics made. */
  async function running(metricsPort: number): Promise<Sidecar> {
    const sidecar = await runSidecar(enterPath, metricsPort);
    onTestFinished(async () => void (await sidecar.stop()));
    await sidecar.publish();
    const said = () => sidecar.log.map(({ msg }) => msg);
    await vi.waitFor(() => expect(said()).toContain('listening'), { timeout: 30_000 });
    await vi.waitFor(() => expect(said().some((msg) => msg === served || msg === notServed)).toBe(true), {
      timeout: 30_000,
    });
    return sidecar;
  }

  async function login(sidecar: Sidecar): Promise<UserClient> {
    const client = sidecar.connect();
    await client.authenticated;
    expect(await client.assert(rootAssertion)).toBe(true);
    return client;
  }

  test('a port that is taken costs one warning', async () => {
    const app = net.createServer().listen(0);
    onTestFinished(() => void app.close());
    await once(app, 'listening');
    const address = app.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const sidecar = await running(port);
    await (await login(sidecar)).close();
    expect(sidecar.log.filter(({ level }) => level === 'warn')).toEqual([
      expect.objectContaining({ msg: notServed, port }),
    ]);
    expect(await sidecar.stop()).toBe(0);
  });

  test(
    'F9: a flood of questions, never read, holds little, and who logs in is served',
    { timeout: 120_000 },
    async () => {
      const { sidecar, port } = await onAFreePort();
      const idle = sidecar.memory('VmRSS');
      const sockets = new Set<net.Socket>();
      const questions = Buffer.from('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(2000));
      let isOver = false;
      let count = 0;
      const flood = (): void => {
        if (isOver) return;
        // On Linux all of 127.0.0.0/8 is ours to call from.
        const socket = net.connect({ host: '127.0.0.1', port, localAddress: `127.0.0.${2 + (count++ % 100)}` });
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.once('close', () => {
          sockets.delete(socket);
          setTimeout(flood, 5);
        });
        const ask = (): void => {
          if (isOver || socket.destroyed) return;
          if (socket.write(questions)) setImmediate(ask);
          else socket.once('drain', ask);
        };
        socket.once('connect', ask);
      };
      for (let each = 0; each < 120; each++) flood();
      onTestFinished(() => {
        isOver = true;
        for (const socket of sockets) socket.destroy();
      });
      await expect.poll(() => count, { timeout: 60_000 }).toBeGreaterThan(500);
      for (let logins = 0; logins < 5; logins++) await (await login(sidecar)).close();
      expect(await (await login(sidecar)).exec('echo alive')).toMatchObject({ stdout: 'alive\n' });
      expect(sidecar.memory('VmHWM') - idle).toBeLessThan(MOST_MIB);
    },
  );

  /** Nobody can be asked for a port that a program is told to listen on: where the one that is drawn is taken, it is another's. */
  async function onAFreePort(): Promise<{ sidecar: Sidecar; port: number }> {
    for (;;) {
      const port = randomInt(20_000, 30_000);
      const sidecar = await running(port);
      if (sidecar.log.some(({ msg }) => msg === served)) return { sidecar, port };
      await sidecar.stop();
    }
  }
});
