import { afterAll, expect, test } from 'vitest';
import { disposeScratch } from '../support/openssh.ts';
import { DEFAULT_POLICIES } from '../../crds/session-policy.ts';
import { Client } from './client.ts';
import { COLUMNS } from './columns.ts';
import { type Feature, judge, type Subject } from './feature.ts';

afterAll(disposeScratch);

const [column] = COLUMNS;
if (column === undefined) throw new Error('no column');
const subject: Subject = {
  column,
  role: 'root',
  client: new Client({ user: 'nobody', key: '/nowhere' }),
  policy: DEFAULT_POLICIES.root,
};
const seen = /not found/;
const works = async (): Promise<void> => undefined;
const fails = (what: string) => async (): Promise<void> => Promise.reject(new Error(what));
const judged = (feature: Omit<Feature, 'title'>) => judge({ title: 'a feature', ...feature }, subject);

test('what works has passed', async () => {
  expect(await judged({ attempt: works })).toEqual({ mark: 'passed', note: undefined });
});

test('what fails is impossible or refused only where a reason was expected, and seen', async () => {
  const impossible = { attempt: fails('rsync: not found'), obstacle: () => ({ why: 'no rsync', seen }) };
  expect(await judged(impossible)).toEqual({ mark: 'impossible', why: 'no rsync' });
  const refused = { attempt: fails('rsync: not found'), obstacle: () => ({ policy: 'no', seen }) };
  expect(await judged(refused)).toEqual({ mark: 'refused', policy: 'no' });
});

test('everything else is a surprise', async () => {
  const obstacle = () => ({ why: 'no rsync', seen });
  await expect(judged({ attempt: fails('broken') })).rejects.toThrow('must pass: broken');
  await expect(judged({ attempt: works, obstacle })).rejects.toThrow('must fail (no rsync), but works');
  await expect(judged({ attempt: fails('broken'), obstacle })).rejects.toThrow(/must fail \(no rsync\) .* but: broken/);
});
