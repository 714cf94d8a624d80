import { expect, test } from 'vitest';
import { MOST_KICKS, parseKicks } from './kicks.ts';

const now = new Date('2026-01-01T12:00:00Z');
const kick = { username: 'acme-hello', before: '2026-01-01T11:59:00Z' };

test('a kick is a user and a time, and there may be several', () => {
  const other = { username: 'acme-hello-dev', before: '2026-01-01T12:00:30.5Z' };
  const text = `${kick.username}@${kick.before}, ${other.username}@${other.before}`;
  expect(parseKicks(text, now)).toEqual([kick, other]);
});

test.each([
  ['nothing', undefined],
  ['a name alone', 'acme-hello'],
  ['a time that is none', 'acme-hello@soon'],
  ['a time that would keep the user out from now on', 'acme-hello@2026-01-01T12:02:00Z'],
  ['more than an annotation of ours has', `${'x'.repeat(20_000)},acme-hello@2026-01-01T11:59:00Z`],
])('%s kicks nobody', (_what, text) => {
  expect(parseKicks(text, now)).toEqual([]);
});

test('what is no kick does not hide the next, and there are only so many', () => {
  const text = `acme-hello@${kick.before}`;
  expect(parseKicks(`?,${text}`, now)).toEqual([kick]);
  expect(parseKicks(`${text},`.repeat(200), now)).toHaveLength(MOST_KICKS);
});
