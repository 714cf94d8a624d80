import { expect, test } from 'vitest';
import { Rounds } from './rounds.ts';

test('E1: who has very much to do holds up nobody else, and has no more than their share at once', () => {
  const rounds = new Rounds<string>({ atOnce: 4, atOnceOfOne: 2 });
  for (let index = 0; index < 1_000; index++) rounds.add('mallory', `mallory-${index}`);
  expect([rounds.take(), rounds.take(), rounds.take()]).toEqual(['mallory-0', 'mallory-1', undefined]);
  rounds.add('acme', 'acme-0');
  rounds.add('beta', 'beta-0');
  rounds.add('beta', 'beta-1');
  expect([rounds.take(), rounds.take(), rounds.take()]).toEqual(['acme-0', 'beta-0', undefined]);
  rounds.done('mallory');
  // Each in turn, and not whoever has waited with the most.
  expect(rounds.take()).toBe('mallory-2');
  rounds.done('mallory');
  expect(rounds.take()).toBe('beta-1');
});

test('what is added twice has one turn', () => {
  const rounds = new Rounds<string>({ atOnce: 4, atOnceOfOne: 2 });
  rounds.add('acme', 'one');
  rounds.add('acme', 'one');
  expect([rounds.take(), rounds.take()]).toEqual(['one', undefined]);
  rounds.done('acme');
  rounds.add('acme', 'one');
  expect(rounds.take()).toBe('one');
});
