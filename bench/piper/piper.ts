/**
 * `npm run bench -- piper`: the ways to one sshd: straight, through a bare relay of bytes, through the piper, by a jump
 * over another sshd, and through the sshpiperd that SSHPIPERD names. One client, one run, in turns.
 *
 * BENCH_ROUNDS says how often (3), BENCH_MIB how much at a time (768), BENCH_PARTS which (throughput,connect,echo,crowd):
 * only a run of all parts goes into docs/.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SIDECAR_SOFTWARE } from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { say } from '../../scripts/machine/progress.ts';
import { cpuSeconds, memoryOf, peakMemory, treeCpuSeconds } from '../accounting.ts';
import { median, quantile } from '../figures.ts';
import { startSshd } from '../sshd-server.ts';
import { buildCrowd, connectionRate, idleMemory } from './crowd.ts';
import { type Gateway, startPiper, startProgram, startSshpiperd } from './gateway.ts';
import { type Direction, OpenSshClient } from './openssh-client.ts';
import { Results, writeDocuments } from './results.ts';

const PARTS = { throughput, connect, echo, crowd };
type Part = keyof typeof PARTS;
const isPart = (name: string): name is Part => Object.hasOwn(PARTS, name);

const PORTS = { sshd: 22_911, relay: 22_912, piper: 22_913, jump: 22_914, sshpiperd: 22_915, crowd: 22_916 };
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const MIB = Number(process.env['BENCH_MIB'] ?? 768);
const CONNECTS_PER_ROUND = 15;
const ECHOES = 400;
const TRANSFERS: readonly { streams: number; mib: number; direction: Direction }[] = [
  { streams: 1, mib: MIB, direction: 'download' },
  { streams: 1, mib: MIB, direction: 'upload' },
  { streams: 8, mib: MIB / 8, direction: 'download' },
  { streams: 8, mib: MIB / 8, direction: 'upload' },
];

type Bench = { gateways: readonly Gateway[]; clients: readonly OpenSshClient[]; results: Results; crowdKey: string };

export async function benchPiper(): Promise<string> {
  const wanted = (process.env['BENCH_PARTS'] ?? Object.keys(PARTS).join(',')).split(',').filter(isPart);
  const folder = await mkdtemp(join(tmpdir(), 'bench-piper-'));
  const stops: (() => Promise<void>)[] = [];
  try {
    const gateways = await start(folder, stops);
    const clients = await Promise.all(gateways.map((gateway) => OpenSshClient.for(gateway, folder)));
    const results = new Results(gateways.map(({ name }) => name));
    const bench = { gateways, clients, results, crowdKey: join(folder, 'crowd.pub') };
    for (const { name, pid } of gateways)
      if (name === 'piper') results.set('RSS when idle', 'MiB', name, memoryOf(pid ?? 0).rss);
    for (const part of wanted) {
      say(`  ${part}`);
      await PARTS[part](bench);
    }
    if (wanted.length === Object.keys(PARTS).length) await writeDocuments(results);
    return results.table();
  } finally {
    for (const stop of stops.toReversed()) await stop();
    await rm(folder, { recursive: true });
  }
}

/** Everything that runs; what must be stopped goes into `stops`. */
async function start(folder: string, stops: (() => Promise<void>)[]): Promise<Gateway[]> {
  const started = <Running extends { stop: () => Promise<void> }>(running: Running): Running => {
    stops.push(running.stop);
    return running;
  };
  const sshd = started(await startSshd(PORTS.sshd));
  const { user, key: keyFile, hostKey } = sshd.target;
  const mappingKey = await readFile(keyFile, 'utf8');
  await writeFile(`${keyFile}.pub`, PrivateKey.parse(mappingKey).publicKey.toLine());
  const crowdKey = PrivateKey.generateEd25519();
  await writeFile(join(folder, 'crowd'), crowdKey.toOpenSsh(), { mode: 0o600 });
  await writeFile(join(folder, 'crowd.pub'), crowdKey.publicKey.toLine());
  started(
    await startProgram(
      [await buildCrowd(), 'serve', `127.0.0.1:${PORTS.crowd}`, join(folder, 'crowd'), SIDECAR_SOFTWARE],
      PORTS.crowd,
    ),
  );

  const direct = { name: 'direct', port: PORTS.sshd, user, key: keyFile, hostKey, pid: undefined, stop: sshd.stop };
  const relayWords = [process.execPath, join(import.meta.dirname, 'relay.ts'), `${PORTS.relay}`, `${PORTS.sshd}`];
  const relay = started(await startProgram(relayWords, PORTS.relay));
  const piper = started(
    await startPiper(folder, mappingKey, PORTS.piper, {
      upstreams: [
        { user, runtime: 'main_container', port: PORTS.sshd, hostKey: await readFile(hostKey, 'utf8') },
        { user: 'crowd', runtime: 'sidecar', port: PORTS.crowd, hostKey: crowdKey.publicKey.toLine() },
      ],
    }),
  );
  const ways: Gateway[] = [
    direct,
    { ...direct, name: 'relay', port: PORTS.relay, ...relay },
    { ...piper, key: keyFile },
  ];
  const program = process.env['SSHPIPERD'];
  if (program !== undefined) {
    const to = { port: PORTS.sshd, user, key: keyFile };
    ways.push(started(await startSshpiperd(program, folder, PORTS.sshpiperd, to)));
  }
  const jump = started(await startSshd(PORTS.jump, { like: sshd.target }));
  ways.push({ ...direct, name: 'ProxyJump', jump: PORTS.jump, pid: jump.pid, stop: jump.stop });
  return ways;
}

async function throughput({ clients, results }: Bench): Promise<void> {
  for (const { streams, mib, direction } of TRANSFERS) {
    const name = streams === 1 ? direction : `${direction}, ${streams} at once`;
    // Round 0 warms up the machine and the compilers.
    for (let round = 0; round <= ROUNDS; round++) {
      for (const client of clients) {
        const { gateway } = client;
        const connections = await client.open(streams);
        const before = gateway.pid === undefined ? Number.NaN : treeCpuSeconds(gateway.pid);
        const seconds = await connections.transfer(direction, mib);
        const cpu = (gateway.pid === undefined ? Number.NaN : treeCpuSeconds(gateway.pid)) - before;
        await connections.close();
        if (round === 0) continue;
        results.add(name, 'MiB/s', gateway.name, (streams * mib) / seconds);
        results.add(`${name}: CPU time`, 's/GiB', gateway.name, (cpu / (streams * mib)) * 1024);
      }
      say(`  ${name}, round ${round}: ${results.line(`${name}: CPU time`)}`);
    }
  }
  for (const { gateway } of clients)
    if (gateway.pid !== undefined && gateway.jump === undefined)
      results.set('RSS, the peak of all that', 'MiB', gateway.name, peakMemory(gateway.pid));
}

async function connect({ clients, results }: Bench): Promise<void> {
  const seconds = new Map(clients.map((client) => [client, new Array<number>()]));
  const cpu = new Map<string, number>();
  for (let round = 0; round <= ROUNDS * CONNECTS_PER_ROUND; round++)
    for (const client of clients) {
      const { pid, name } = client.gateway;
      const before = pid === undefined ? Number.NaN : cpuSeconds(pid);
      const taken = await client.connect();
      if (round === 0) continue;
      seconds.get(client)?.push(taken);
      if (client.gateway.jump === undefined && pid !== undefined)
        cpu.set(name, (cpu.get(name) ?? 0) + cpuSeconds(pid) - before);
    }
  for (const [{ gateway }, taken] of seconds) {
    results.set('connect to exit status', 'ms', gateway.name, median(taken) * 1000);
    results.set('connect to exit status, p99', 'ms', gateway.name, quantile(taken, 0.99) * 1000);
    const spent = cpu.get(gateway.name);
    if (spent !== undefined) results.set('connect: CPU time, mean', 'ms', gateway.name, (spent / taken.length) * 1000);
  }
}

async function echo({ clients, results }: Bench): Promise<void> {
  for (const client of clients) {
    const { name } = client.gateway;
    const record = (what: string, seconds: readonly number[]): void => {
      results.set(`${what}, median`, 'ms', name, median(seconds) * 1000);
      results.set(`${what}, p99`, 'ms', name, quantile(seconds, 0.99) * 1000);
    };
    record('echo', await client.echo(ECHOES));
    const load = await client.open(1);
    // It ends with its connection.
    const loading = load.transfer('download', 4096).catch(() => undefined);
    record('echo beside a download', await client.echo(ECHOES));
    await load.close();
    await loading;
  }
}

/** Only what has one process can be measured so. */
async function crowd({ gateways, results, crowdKey }: Bench): Promise<void> {
  for (const gateway of gateways) {
    if (gateway.name === 'direct') {
      const straight = { ...gateway, port: PORTS.crowd, hostKey: crowdKey };
      results.set('connections per second', '1/s', gateway.name, (await connectionRate(straight)).perSecond);
    }
    if (gateway.name !== 'piper') continue;
    const target = { ...gateway, user: 'crowd' };
    results.set('idle session, of 2,000', 'KiB', gateway.name, await idleMemory(target));
    const { perSecond, cpuMs } = await connectionRate(target);
    results.set('connections per second', '1/s', gateway.name, perSecond);
    results.set('each: CPU time (ML-KEM on both sides)', 'ms', gateway.name, cpuMs);
  }
}
