/** When pods are looked at, and how many at once: with real connections to ports on loopback. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { ACCOUNT, listen, ownAddress, startSshd } from '../testing/sshd.ts';
import type { ProbeTarget } from './outcome.ts';
import { probePod } from './probe-pod.ts';
import { Prober } from './prober.ts';

vi.setConfig({ testTimeout: 60_000 });
const mappingKey = PrivateKey.generateEd25519();
// Each rendering of a key is another text; that of a Secret stays.
const pem = mappingKey.toOpenSsh();
const authorizedKeys = [mappingKey.publicKey.toLine()];
const soon = (check: () => void) => vi.waitFor(check, { timeout: 20_000, interval: 20 });

const target = (address: string, changes: Partial<ProbeTarget> = {}): ProbeTarget => ({
  pod: 'p1',
  container: 'c1',
  address,
  port: 2222,
  username: ACCOUNT,
  hostKeys: [],
  isLearning: true,
  mappingKey: pem,
  ...changes,
});

function startProber(firstRetryMs = 10) {
  const touched: string[] = [];
  /** How many there had been, each time. */
  const touchedAfter: number[] = [];
  let probes = 0;
  const prober = new Prober({
    touch: (key) => {
      touched.push(key);
      touchedAfter.push(probes);
    },
    probe: async (...parameters) => {
      probes += 1;
      return await probePod(...parameters);
    },
    firstRetryMs,
  });
  onTestFinished(() => prober.stop());
  return { prober, touched, touchedAfter, probes: () => probes };
}

/** A port that counts who is connected, and answers nobody until `release`. */
async function holdingPort(address: string) {
  let [now, most, all] = [0, 0, 0];
  const held = new Set<() => void>();
  let isReleased = false;
  const port = await listen(address, (socket) => {
    all += 1;
    most = Math.max(most, ++now);
    socket.on('close', () => now--).resume();
    if (isReleased) socket.destroy();
    else held.add(() => socket.destroy());
  });
  const release = (): void => {
    isReleased = true;
    for (const end of held) end();
  };
  return { port, now: () => now, most: () => most, all: () => all, release };
}

test('a pod is looked at once, and again for another container, user or port', async () => {
  const address = ownAddress();
  const { hostKey } = await startSshd({ address, port: 2222, authorizedKeys });
  const { prober, touched, probes } = startProber();
  const first = target(address);
  expect(prober.follow('acme/web', [first])).toEqual(new Map());
  await soon(() => expect(touched).toEqual(['acme/web']));
  const reached = { result: 'reached', hostKey, ident: expect.stringMatching(/^OpenSSH_/) };
  expect(prober.follow('acme/web', [first]).get('p1')).toEqual(reached);
  // That its key has been learned meanwhile is no news.
  expect(prober.follow('acme/web', [{ ...first, hostKeys: [hostKey] }]).get('p1')).toEqual(reached);
  expect(probes()).toBe(1);
  for (const [index, changes] of [{ container: 'c2' }, { username: 'nobody-of-that-name' }].entries()) {
    expect(prober.follow('acme/web', [{ ...first, ...changes }])).toEqual(new Map());
    await soon(() => expect(probes()).toBeGreaterThan(index + 1));
  }
});

test('a failure counts when it has come again and again, and is told once; a success counts at once', async () => {
  const address = ownAddress();
  const { prober, touched, touchedAfter, probes } = startProber();
  prober.follow('acme/web', [target(address)]);
  await soon(() => expect(touched).toEqual(['acme/web']));
  expect(touchedAfter).toEqual([4]);
  expect(prober.follow('acme/web', [target(address)]).get('p1')).toEqual({ result: 'refused' });
  await soon(() => expect(probes()).toBeGreaterThan(5));
  expect(touched).toEqual(['acme/web']);
  await startSshd({ address, port: 2222, authorizedKeys });
  await soon(() => expect(touched).toHaveLength(2));
  const after = probes();
  await sleep(200);
  expect(probes()).toBe(after);
});

test('one that nobody follows any more is let go, whatever it was in the middle of', async () => {
  const address = ownAddress();
  const { port, now } = await holdingPort(address);
  const { prober, touched } = startProber();
  prober.follow('acme/web', [target(address, { port })]);
  await soon(() => expect(now()).toBe(1));
  prober.follow('acme/web', []);
  await soon(() => expect(now()).toBe(0));
  prober.follow('acme/web', [target(address, { port })]);
  await soon(() => expect(now()).toBe(1));
  prober.stop();
  await soon(() => expect(now()).toBe(0));
  expect(touched).toEqual([]);
});

test('of one SshAccess few pods at once, of all no more than the bound, and those with many wait for nobody else', async () => {
  const address = ownAddress();
  const crowd = await holdingPort(address);
  const { prober } = startProber(600_000);
  const pods = (count: number) =>
    Array.from({ length: count }, (_, index) => target(address, { pod: `p${index}`, port: crowd.port }));
  prober.follow('acme/many', pods(50));
  await soon(() => expect(crowd.now()).toBe(2));
  for (let index = 0; index < 20; index++) prober.follow(`${index % 4}/${index}`, pods(2));
  await soon(() => expect(crowd.now()).toBe(16));
  await sleep(200);
  expect(crowd.most()).toBe(16);
  crowd.release();
  await soon(() => expect(crowd.all()).toBe(90));
  expect(crowd.most()).toBe(16);
});

test('C8: a namespace with any number of them leaves places to the others', async () => {
  const address = ownAddress();
  const crowd = await holdingPort(address);
  const other = await holdingPort(address);
  const { prober } = startProber(600_000);
  for (let index = 0; index < 30; index++)
    prober.follow(`evil/${index}`, [target(address, { pod: `p${index}`, port: crowd.port })]);
  await soon(() => expect(crowd.now()).toBe(8));
  prober.follow('acme/web', [target(address, { port: other.port })]);
  await soon(() => expect(other.now()).toBe(1));
  expect(crowd.all()).toBe(8);
});
