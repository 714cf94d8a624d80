/**
 * The conformance table: every feature, in every kind of image and at every Pod Security level, as root and as limited,
 * by OpenSSH's own client through the piper. What is found is compared with docs/conformance.md, which
 * `npm run conformance` (SSHACCESS_CONFORMANCE=write) writes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { format, resolveConfig } from 'prettier';
import { fileURLToPath } from 'node:url';
import { disposeScratch } from '../support/openssh.ts';
import { COLUMNS } from './columns.ts';
import { setUp, tearDown } from './set-up.ts';
import { Survey } from './survey.ts';
import { render } from './table.ts';

const path = fileURLToPath(new URL('../../docs/conformance.md', import.meta.url));
let survey: Survey;

beforeAll(async () => {
  survey = new Survey(await setUp());
  await survey.run();
});

afterAll(async () => {
  await tearDown();
  disposeScratch();
});

test.each(COLUMNS)('$heading: every cell is what it must be', ({ heading }) => {
  expect(survey.surprises.filter(({ column }) => column === heading)).toEqual([]);
});

test('docs/conformance.md says what was found', async () => {
  const options = { ...(await resolveConfig(path)), parser: 'markdown' };
  const found = await format(render(COLUMNS, survey.sections()), options);
  if (process.env['SSHACCESS_CONFORMANCE'] === 'write') writeFileSync(path, found);
  expect(readFileSync(path, 'utf8')).toBe(found);
});
