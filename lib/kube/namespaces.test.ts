import { afterEach, beforeEach, expect, test } from 'vitest';
import * as z from 'zod';
import { follow, isRead, parseNamespaces } from './namespaces.ts';
import { keyOf } from './object-key.ts';
import { SECRETS } from './resources.ts';
import { TestApiServer } from './testing/api-server.ts';

const server = new TestApiServer();
let stop = new AbortController();
const Named = z.object({ metadata: z.object({ namespace: z.string(), name: z.string() }) });
const parse = (object: unknown): string => keyOf(Named.parse(object).metadata);
const put = (namespace: string, name: string) =>
  server.put(`/api/v1/namespaces/${namespace}/secrets/${name}`, { metadata: {} });

beforeEach(async () => {
  stop = new AbortController();
  await server.start();
});
afterEach(async () => {
  stop.abort();
  await server.stop();
});

test.each([
  ['', undefined],
  ['a', ['a']],
  ['a,b,a,', ['a', 'b']],
])('%j names %j', (text, names) => {
  expect(parseNamespaces(text)).toEqual(names);
});

test('some namespaces are followed as one collection, by a watch in each, and no other is asked for', async () => {
  for (const namespace of ['a', 'b', 'c']) put(namespace, 'x');
  const changes: string[] = [];
  const secrets = follow(SECRETS, ['a', 'b'], {
    client: server.client(),
    parse,
    onChange: (key, current) => changes.push(`${keyOf(key)} ${current ?? 'gone'}`),
  });
  expect([secrets.synced, secrets.lastContact]).toEqual([false, undefined]);
  await secrets.start(stop.signal);
  expect(secrets.synced).toBe(true);
  expect(secrets.lastContact).toBeGreaterThan(0);
  expect(secrets.list().toSorted()).toEqual(['a/x', 'b/x']);
  expect(secrets.keys().map(keyOf).toSorted()).toEqual(['a/x', 'b/x']);
  expect([secrets.get('b', 'x'), secrets.get('c', 'x')]).toEqual(['b/x', undefined]);
  put('c', 'y');
  put('b', 'y');
  server.remove('/api/v1/namespaces/a/secrets/x');
  await expect.poll(() => secrets.list().toSorted()).toEqual(['b/x', 'b/y']);
  await expect.poll(() => changes.toSorted()).toEqual(['a/x a/x', 'a/x gone', 'b/x b/x', 'b/y b/y']);
  expect(new Set(server.requests)).toEqual(new Set(['a', 'b'].map((name) => `GET /api/v1/namespaces/${name}/secrets`)));
});

test.each([
  [403, 'd'],
  [404, 'e'],
])(
  'one that answers %s keeps nobody from the others, and is read when it can be',
  { timeout: 20_000 },
  async (...of) => {
    const [status, refused] = of;
    for (const namespace of ['f', refused]) put(namespace, 'x');
    server.fail(100_000, status, new RegExp(`namespaces/${refused}/`));
    const secrets = follow(SECRETS, ['f', refused], { client: server.client(), parse });
    await secrets.start(stop.signal);
    expect(secrets.synced).toBe(true);
    expect(secrets.list()).toEqual(['f/x']);
    expect(['f', refused, 'c'].map((namespace) => isRead(secrets, namespace))).toEqual([true, false, true]);
    // Others are heard of, so that nobody takes us for deaf.
    expect(secrets.lastContact).toBeGreaterThan(0);
    server.fail(0, status);
    await expect.poll(() => secrets.list().length, { timeout: 15_000 }).toBe(2);
    expect(isRead(secrets, refused)).toBe(true);
  },
);

test('any other answer is waited out', { timeout: 20_000 }, async () => {
  put('g', 'x');
  server.fail(2, 500, /namespaces\/g\//);
  const secrets = follow(SECRETS, ['g', 'h'], { client: server.client(), parse });
  await secrets.start(stop.signal);
  expect(secrets.list()).toEqual(['g/x']);
});
