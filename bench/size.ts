/** `npm run bench -- size`: what a sidecar costs the pod that it is in. */
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryOf } from './accounting.ts';
import { startApp } from './app.ts';
import { median, table } from './figures.ts';
import { sidecarImageMib } from './image.ts';
import { startSidecar } from './sidecar-server.ts';

const STARTS = 20;
const SETTLE_MS = 1000;

export async function benchSize(): Promise<string> {
  const image = await sidecarImageMib();
  const app = await startApp();
  try {
    const starts: number[] = [];
    const memory = [];
    for (let count = 0; count < STARTS; count++) {
      const sidecar = await startSidecar(app, 22_903);
      starts.push(sidecar.listeningMs);
      await sleep(SETTLE_MS);
      memory.push(memoryOf(sidecar.pid));
      await sidecar.stop();
    }
    const mib = (values: number[]): string => `${median(values).toFixed(1)} MiB`;
    return table(
      ['the sidecar', `median of ${STARTS}`],
      [
        ['start to listening', `${median(starts).toFixed(0)} ms`],
        ['idle: RSS', mib(memory.map(({ rss }) => rss))],
        ['idle: PSS', mib(memory.map(({ pss }) => pss))],
        ['idle: anonymous', mib(memory.map(({ anonymous }) => anonymous))],
        ['image: its layers', `${image.all.toFixed(1)} MiB`],
        ['those of it alone', `${image.own.toFixed(1)} MiB`],
      ],
    );
  } finally {
    await app.stop();
  }
}
