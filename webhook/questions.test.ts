import { expect, test } from 'vitest';
import { Questions } from './questions.ts';

/** Questions that are answered when the test says so. */
function questionsOf() {
  const clock = { time: 0 };
  const asked: { name: string; answer: (answer: string | undefined) => void; fail: (error: Error) => void }[] = [];
  const ask = (_namespace: string, name: string): Promise<string | undefined> => {
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    asked.push({ name, answer: resolve, fail: reject });
    return promise;
  };
  return { clock, asked, questions: new Questions(ask, () => clock.time) };
}

test('the same question is asked once, and all who wait hear the answer, or that there is none', async () => {
  const { asked, questions } = questionsOf();
  const both = [questions.about('acme', 'web'), questions.about('acme', 'web')];
  expect(asked).toHaveLength(1);
  asked[0]?.answer('here');
  expect(await Promise.all(both)).toEqual(['here', 'here']);
  const failing = [questions.about('acme', 'web'), questions.about('acme', 'web')];
  asked[1]?.fail(new Error('away'));
  for (const { status } of await Promise.allSettled(failing)) expect(status).toBe('rejected');
  expect(asked).toHaveLength(2);
});

test('that there is nothing is believed for a second, that there is something never', async () => {
  const { clock, asked, questions } = questionsOf();
  const first = questions.about('acme', 'web');
  asked[0]?.answer(undefined);
  expect(await first).toBeUndefined();
  clock.time += 999;
  expect(await questions.about('acme', 'web')).toBeUndefined();
  expect(asked).toHaveLength(1);
  clock.time += 1;
  for (let times = 2; times <= 3; times++) {
    const again = questions.about('acme', 'web');
    asked.at(-1)?.answer('here');
    expect([await again, asked.length]).toEqual(['here', times]);
  }
});

test('a namespace has its share of the questions, and all together have no more than there are', async () => {
  const { asked, questions } = questionsOf();
  const ask = (namespace: string, count: number): Promise<unknown>[] =>
    Array.from({ length: count }, (_, index) => questions.about(namespace, `web-${index}`).catch(() => 'too many'));
  const flood = ask('mallory', 1_000);
  expect(asked).toHaveLength(10);
  const others = ['a', 'b', 'c', 'd', 'e'].flatMap((namespace) => ask(namespace, 10));
  expect(asked).toHaveLength(50);
  for (const { answer } of asked) answer('here');
  expect((await Promise.all(flood)).filter((answer) => answer === 'too many')).toHaveLength(990);
  expect((await Promise.all(others)).filter((answer) => answer === 'too many')).toHaveLength(10);
  const later = questions.about('mallory', 'web');
  asked.at(-1)?.answer('here');
  expect(await later).toBe('here');
});
