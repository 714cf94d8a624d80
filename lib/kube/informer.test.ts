import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import * as z from 'zod';
import { Backoff } from './backoff.ts';
import { Informer, type InformerOptions } from './informer.ts';
import { keyOf } from './object-key.ts';
import { TestApiServer } from './testing/api-server.ts';

const PATH = '/api/v1/configmaps';
const at = (name: string) => `/api/v1/namespaces/ns/configmaps/${name}`;
const Labelled = z.object({ metadata: z.object({ labels: z.record(z.string(), z.string()).optional() }) });
const colour = (object: unknown) => Labelled.parse(object).metadata.labels?.['colour'];

let server: TestApiServer;
let stop: AbortController;
let changes: string[];

beforeEach(async () => {
  server = new TestApiServer();
  await server.start();
  stop = new AbortController();
  changes = [];
});
afterEach(async () => {
  stop.abort();
  await server.stop();
});

function informer(options: Partial<InformerOptions<string>> = {}) {
  return new Informer<string>({
    client: server.client(),
    path: PATH,
    parse: colour,
    onChange: (key, current, previous) => changes.push(`${keyOf(key)} ${previous ?? '-'}>${current ?? '-'}`),
    backoff: { outage: new Backoff(20, 100), refusal: new Backoff(20, 100) },
    ...options,
  });
}
const paint = (name: string, value: string) => {
  const stored = server.get(at(name));
  server.put(at(name), { ...stored, metadata: { ...stored?.metadata, labels: { colour: value } } });
};
const soon = (check: () => void) => vi.waitFor(check, { timeout: 3_000, interval: 10 });

test('lists, then follows changes, and keeps what parse wants', async () => {
  paint('a', 'red');
  server.put(at('plain'), { metadata: {} });
  const colours = informer();
  expect(colours.synced).toBe(false);
  await colours.start(stop.signal);
  expect(colours.synced).toBe(true);
  expect(colours.get('ns', 'a')).toBe('red');
  paint('b', 'blue');
  paint('a', 'green');
  server.remove(at('b'));
  await soon(() => expect(changes).toEqual(['ns/a ->red', 'ns/b ->blue', 'ns/a red>green', 'ns/b blue>-']));
  expect(colours.list()).toEqual(['green']);
});

test('is not synced, and comes up, while the first lists fail', async () => {
  paint('a', 'red');
  server.fail(3, 500);
  const colours = informer();
  await colours.start(stop.signal);
  expect(server.requests.filter((line) => line === `GET ${PATH}`).length).toBeGreaterThanOrEqual(4);
  expect(colours.list()).toEqual(['red']);
});

test('pages through long lists', async () => {
  for (let index = 0; index < 1_201; index += 1) paint(`a${index}`, 'red');
  const colours = informer();
  await colours.start(stop.signal);
  expect(colours.list()).toHaveLength(1_201);
});

test('resumes a dropped watch without listing again', async () => {
  const colours = informer();
  await colours.start(stop.signal);
  for (let round = 0; round < 5; round += 1) {
    await soon(() => expect(server.watches).toBe(1));
    server.dropWatches();
    paint(`a${round}`, 'red');
    await soon(() => expect(colours.list()).toHaveLength(round + 1));
  }
  expect(changes).toHaveLength(5);
});

test('lists again after 410 and notices what went meanwhile', async () => {
  paint('a', 'red');
  paint('b', 'blue');
  const colours = informer();
  await colours.start(stop.signal);
  await soon(() => expect(server.watches).toBe(1));
  server.fail(4, 503);
  server.dropWatches();
  server.remove(at('a'));
  paint('c', 'white');
  server.compact();
  await soon(() => expect(colours.list()).toEqual(['blue', 'white']));
  expect(changes).toContain('ns/a red>-');
});

test('keeps the last known state while the API server is away', async () => {
  paint('a', 'red');
  const colours = informer();
  await colours.start(stop.signal);
  const contact = colours.lastContact;
  await server.stop();
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(colours.list()).toEqual(['red']);
  expect(colours.synced).toBe(true);
  expect(colours.lastContact).toBe(contact);
  paint('a', 'green');
  await server.start();
  await soon(() => expect(colours.list()).toEqual(['green']));
});

test('survives a change handler and a parser that throw', async () => {
  const colours = informer({
    onChange: () => {
      throw new Error('handler');
    },
    parse: (object) => {
      if (colour(object) === 'bad') throw new Error('parser');
      return colour(object);
    },
  });
  await colours.start(stop.signal);
  paint('a', 'red');
  paint('b', 'bad');
  paint('c', 'blue');
  await soon(() => expect(colours.list()).toEqual(['red', 'blue']));
});

test('starts once, and stops for good while it waits to reconnect', async () => {
  const colours = informer();
  await Promise.all([colours.start(stop.signal), colours.start(stop.signal)]);
  await soon(() => expect(server.watches).toBe(1));
  await server.stop();
  await new Promise((resolve) => setTimeout(resolve, 50));
  stop.abort();
  await colours.stopped;
  await server.start();
  const before = server.requests.length;
  await new Promise((resolve) => setTimeout(resolve, 250));
  expect(server.requests).toHaveLength(before);
});

test('reports everything again at the resync', async () => {
  paint('a', 'red');
  const colours = informer({ resyncMs: 50 });
  await colours.start(stop.signal);
  await soon(() => expect(changes.filter((change) => change === 'ns/a red>red').length).toBeGreaterThan(1));
});

test('start returns when it is stopped before the first list succeeds', async () => {
  server.fail(1_000, 500);
  const colours = informer();
  const started = colours.start(stop.signal);
  setTimeout(() => stop.abort(), 50);
  await started;
  expect(colours.synced).toBe(false);
});

test('reports values that somebody else keeps, and keeps none, but knows what is gone after 410', async () => {
  paint('a', 'red');
  paint('b', 'blue');
  const colours = informer({ reportOnly: true, resyncMs: 20 });
  await colours.start(stop.signal);
  expect([colours.list(), colours.get('ns', 'a'), colours.keys().length]).toEqual([[], undefined, 2]);
  await soon(() => expect(server.watches).toBe(1));
  paint('a', 'green');
  await soon(() => expect(changes).toContain('ns/a ->green'));
  server.compact();
  server.remove(at('b'));
  server.compact();
  server.dropWatches();
  await soon(() => expect(colours.keys().map(({ name }) => name)).toEqual(['a']));
  expect(changes).toEqual(['ns/a ->red', 'ns/b ->blue', 'ns/a ->green', 'ns/b ->-']);
});
