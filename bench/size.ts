/** `npm run bench -- size`: what a sidecar costs the pod that it is in; as by default, and where it serves metrics. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Memory, memoryOf } from './accounting.ts';
import { type App, startApp } from './app.ts';
import { median, table } from './figures.ts';
import { sidecarImageMib } from './image.ts';
import { startSidecar } from './sidecar-server.ts';

const STARTS = 20;
const SETTLE_MS = 1000;
const PORT = 22_903;
const METRICS_PORT = 22_904;
/** As often as Prometheus asks in a quarter of an hour, by default. */
const SCRAPES = 30;

type Start = { listeningMs: number; memory: Memory };

export async function benchSize(): Promise<string> {
  const image = await sidecarImageMib();
  const app = await startApp();
  try {
    const [plain, measured]: [Start[], Start[]] = [[], []];
    // In turns: what else the machine does is the same for both.
    for (let count = 0; count < STARTS; count++) {
      plain.push(await start(app, 0));
      measured.push(await start(app, METRICS_PORT));
    }
    const row = (name: string, valueOf: (one: Start) => number, text: (value: number) => string): string[] => [
      name,
      ...[plain, measured].map((starts) => text(median(starts.map(valueOf)))),
    ];
    const mib = (value: number): string => `${value.toFixed(1)} MiB`;
    return table(
      ['the sidecar', `median of ${STARTS}`, 'with metrics'],
      [
        row(
          'start to listening',
          ({ listeningMs }) => listeningMs,
          (value) => `${value.toFixed(0)} ms`,
        ),
        row('idle: RSS', ({ memory }) => memory.rss, mib),
        row('idle: PSS', ({ memory }) => memory.pss, mib),
        row('idle: anonymous', ({ memory }) => memory.anonymous, mib),
        ['image: its layers', mib(image.all), 'the same'],
        ['those of it alone', mib(image.own), 'the same'],
      ],
    );
  } finally {
    await app.stop();
  }
}

async function start(app: App, metricsPort: number): Promise<Start> {
  const { listeningMs, pid, stop } = await startSidecar(app, PORT, metricsPort);
  await sleep(SETTLE_MS);
  if (metricsPort !== 0) await scrape(metricsPort);
  const memory = memoryOf(pid);
  await stop();
  return { listeningMs, memory };
}

async function scrape(port: number): Promise<void> {
  for (let count = 0; count < SCRAPES; count++) {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    if (!answer.ok) throw new Error(`the sidecar answers ${answer.status} to a question for its metrics`);
    await answer.text();
  }
}
