import { expect, test } from 'vitest';
import { Questions, TooManyQuestions } from './questions.ts';

/** Questions that are answered, and rest, when the test says so. */
function questionsOf(atOnce = 10) {
  const asked: { subject: string; answer: (answer: string) => void; fail: (error: Error) => void }[] = [];
  const rests: (() => void)[] = [];
  const ask = (subject: string): Promise<string> => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    asked.push({ subject, answer: resolve, fail: reject });
    return promise;
  };
  const rest = () => new Promise<void>((resolve) => rests.push(resolve));
  const questions = new Questions(ask, { atOnce, rest });
  const subjects = () => asked.map(({ subject }) => subject);
  const endRests = (): void => rests.splice(0).forEach((end) => end());
  return { asked, questions, subjects, endRests };
}

/** What was promised by now has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('who comes while a question is under way is told by the next, which knows what has come to be since', async () => {
  const { asked, questions, subjects, endRests } = questionsOf();
  const first = [questions.about('acme'), questions.about('acme')];
  await settled();
  const later = [questions.about('acme'), questions.about('acme')];
  await settled();
  expect(subjects()).toEqual(['acme']);
  asked[0]?.answer('nothing');
  expect(await Promise.all(first)).toEqual(['nothing', 'nothing']);
  endRests();
  await settled();
  expect(subjects()).toEqual(['acme', 'acme']);
  asked[1]?.answer('here');
  expect(await Promise.all(later)).toEqual(['here', 'here']);
});

test('that there is no answer is heard by all who wait, and nobody else', async () => {
  const { asked, questions, endRests } = questionsOf();
  const failing = [questions.about('acme'), questions.about('acme')];
  await settled();
  asked[0]?.fail(new Error('away'));
  for (const { status } of await Promise.allSettled(failing)) expect(status).toBe('rejected');
  const again = questions.about('acme');
  await settled();
  endRests();
  await settled();
  asked[1]?.answer('here');
  expect(await again).toBe('here');
});

test('a thousand reviews in the name of a tenant are one question, and the tenant hears its answer', async () => {
  const { asked, questions, endRests } = questionsOf();
  const flood = Array.from({ length: 1_000 }, () => questions.about('acme'));
  await settled();
  asked[0]?.answer('before');
  await Promise.all(flood);
  const tenants = questions.about('acme');
  const more = Array.from({ length: 1_000 }, () => questions.about('acme'));
  await settled();
  expect(asked).toHaveLength(1);
  endRests();
  await settled();
  expect(asked).toHaveLength(2);
  asked[1]?.answer('now');
  expect(new Set(await Promise.all([tenants, ...more]))).toEqual(new Set(['now']));
});

test('subjects take turns: whoever names many makes the others wait, and keeps nobody out', async () => {
  const { asked, questions, subjects, endRests } = questionsOf(10);
  const flood = Array.from({ length: 25 }, (_, index) => questions.about(`mallory-${index}`));
  const tenants = questions.about('acme');
  const more = Array.from({ length: 25 }, (_, index) => questions.about(`trudy-${index}`));
  for (const end of [10, 20, 30]) {
    await settled();
    expect(asked).toHaveLength(end);
    for (const { answer } of asked) answer('here');
    await settled();
    // Nor does an answer make room: how often we ask is a rate.
    expect(asked).toHaveLength(end);
    endRests();
  }
  expect(subjects()).toContain('acme');
  expect(await tenants).toBe('here');
  for (let rounds = 0; rounds < 5; rounds++) {
    await settled();
    for (const { answer } of asked) answer('here');
    await settled();
    endRests();
  }
  await Promise.all([...flood, ...more]);
});

test('F2: who asks again and again, about many subjects, stands behind who asks now and then', async () => {
  const { asked, questions, subjects, endRests } = questionsOf(10);
  const answers: Promise<string>[] = [];
  const flood = (): void => {
    for (let index = 0; index < 500; index++) answers.push(questions.about(`mallory-${index}`));
  };
  const round = async (): Promise<void> => {
    await settled();
    for (const { answer } of asked) answer('here');
    await settled();
    endRests();
    await settled();
    flood();
  };
  flood();
  for (let count = 0; count < 50; count++) await round();
  // All of Mallory's have had a turn, and wait for the next.
  const tenants = questions.about('acme');
  const before = asked.length;
  await round();
  expect(subjects().slice(before)).toContain('acme');
  await round();
  expect(await tenants).toBe('here');
  // And again after a while: it is Mallory's turn only where nobody else has waited longer.
  for (let count = 0; count < 5; count++) await round();
  const again = questions.about('acme');
  for (let count = 0; count < 46; count++) await round();
  expect(await Promise.race([again, Promise.resolve('waits')])).toBe('here');
  void Promise.allSettled(answers);
});

test('F2: whose subjects are many has no more turns than whose subject is one, though none was asked about before', async () => {
  const { asked, questions, subjects, endRests } = questionsOf(10);
  const flood = Array.from({ length: 500 }, (_, index) => questions.about(`team-${index}`, 'mallory'));
  const tenants = questions.about('acme');
  await settled();
  for (const { answer } of asked) answer('here');
  await settled();
  endRests();
  await settled();
  expect(subjects().slice(10)).toContain('acme');
  asked.at(subjects().indexOf('acme'))?.answer('here');
  expect(await tenants).toBe('here');
  void Promise.allSettled(flood);
});

test('no more than a thousand subjects wait', async () => {
  const { asked, questions } = questionsOf(10);
  const flood = Array.from({ length: 2_000 }, (_, index) => questions.about(`mallory-${index}`).catch(String));
  await settled();
  const refused = flood.slice(1_000);
  expect(new Set(await Promise.all(refused))).toEqual(
    new Set([String(new TooManyQuestions('too many questions to the API server at once'))]),
  );
  expect(asked).toHaveLength(10);
  // Who names what waits already is heard with it.
  const joined = questions.about('mallory-5');
  await settled();
  for (const { answer } of asked) answer('here');
  await expect(flood[5]).resolves.toBe('here');
  void joined;
});
