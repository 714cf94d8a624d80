/** `npm run bench -- sidecar`: the sidecar beside OpenSSH's sshd. One client, one app, one run, in turns. */
import { cpuSeconds, type Memory, memoryOf } from './accounting.ts';
import { startApp } from './app.ts';
import { measure, type Request } from './client.ts';
import { median, table } from './figures.ts';
import { idle, type Server } from './server.ts';
import { startSidecar } from './sidecar-server.ts';
import { startSshd } from './sshd-server.ts';

const ROUNDS = 5;
const CONNECTIONS = 100;
const MIB = 2 ** 20;

type Case = { name: string; streams: number; mib: number; direction: 'download' | 'upload' };

const CASES: readonly Case[] = [
  { name: 'download', streams: 1, mib: 256, direction: 'download' },
  { name: 'upload', streams: 1, mib: 256, direction: 'upload' },
  { name: 'download, 8 at once', streams: 8, mib: 64, direction: 'download' },
  { name: 'upload, 8 at once', streams: 8, mib: 64, direction: 'upload' },
];

/** One measurement of one server. */
type Run = { mibPerSecond: number; cpuPerGib: number };

/** Measures, and answers Markdown. */
export async function benchSidecar(): Promise<string> {
  const app = await startApp();
  const sidecar = await startSidecar(app, 22_901);
  const sshd = await startSshd(22_902, { app });
  try {
    const before = memoryOf(sidecar.pid);
    const [ours, theirs] = await connectLatency([sidecar, sshd]);
    const rows = [latencyRow(ours, theirs)];
    for (const wanted of CASES) rows.push(...(await throughputRows(wanted, sidecar, sshd)));
    await idle(sidecar);
    return `${table(['', 'sidecar', 'sshd', 'ratio'], rows)}\n\n${memoryTable(before, memoryOf(sidecar.pid))}\n`;
  } finally {
    await Promise.all([sidecar.stop(), sshd.stop()]);
    await app.stop();
  }
}

/** From the TCP connection to the exit status of `true`. */
async function connectLatency(servers: readonly [Server, Server]): Promise<[number, number]> {
  const request = { targets: servers.map(({ target }) => target), connect: true, streams: 1, command: 'true' };
  await measure({ ...request, rounds: 10 });
  const [ours = [], theirs = []] = await measure({ ...request, rounds: CONNECTIONS });
  return [median(ours) * 1000, median(theirs) * 1000];
}

const latencyRow = (ours: number, theirs: number): string[] => [
  'connect to exit status',
  `${ours.toFixed(1)} ms`,
  `${theirs.toFixed(1)} ms`,
  (ours / theirs).toFixed(2),
];

async function throughputRows(wanted: Case, sidecar: Server, sshd: Server): Promise<string[][]> {
  const ours: Run[] = [];
  const theirs: Run[] = [];
  // Not counted: the first run warms up the machine and the compilers.
  for (let round = 0; round <= ROUNDS; round++) {
    const runs = [await transfer(wanted, sidecar), await transfer(wanted, sshd)] as const;
    if (round === 0) continue;
    ours.push(runs[0]);
    theirs.push(runs[1]);
  }
  const row = (name: string, value: (run: Run) => number, unit: string): string[] => {
    const [our, their] = [median(ours.map(value)), median(theirs.map(value))];
    const show = (figure: number): string => `${figure.toPrecision(3)} ${unit}`;
    return [name, show(our), show(their), (our / their).toFixed(2)];
  };
  return [
    row(wanted.name, ({ mibPerSecond }) => mibPerSecond, 'MiB/s'),
    row('its CPU time', ({ cpuPerGib }) => cpuPerGib, 's/GiB'),
  ];
}

async function transfer({ direction, streams, mib }: Case, server: Server): Promise<Run> {
  const bytes = mib * MIB;
  const command = direction === 'download' ? `head -c ${bytes} /dev/zero` : 'cat >/dev/null';
  const request: Request = {
    targets: [server.target],
    rounds: 1,
    connect: false,
    streams,
    command,
    [direction]: bytes,
  };
  const before = cpuSeconds(server.pid);
  const [[seconds = Number.NaN] = []] = await measure(request);
  await idle(server);
  const total = streams * mib;
  return { mibPerSecond: total / seconds, cpuPerGib: ((cpuSeconds(server.pid) - before) / total) * 1024 };
}

function memoryTable(before: Memory, after: Memory): string {
  const row = (name: string, { rss, pss, anonymous }: Memory): string[] => [
    name,
    ...[rss, pss, anonymous].map((mib) => `${mib.toFixed(1)} MiB`),
  ];
  return table(['the sidecar', 'RSS', 'PSS', 'anonymous'], [row('idle', before), row('after all of the above', after)]);
}
