/** The list of defences against the sources, the tests and the documents: what has moved on must be moved on here. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectFolder } from '../places.ts';
import { missingTitles } from '../test-titles.ts';
import { readDocument, render, saysSeen } from './document.ts';
import { DEFENCES } from './rows/index.ts';

const read = (file: string): string => readFileSync(join(projectFolder, file), 'utf8');

/** The chapters whose rows are held to this: in the others (F, G) only a cluster can tell. */
const ROW = /^\| ([A-E]\d+[a-z]?) /gm;
const rows = [...read('docs/security-tests.md').matchAll(ROW)].map(([, row = '']) => row);

test.each(DEFENCES)('$row, without it $without: there is that defence, and there are its tests', (defence) => {
  const { row, file, find, replace, tests } = defence;
  expect(read(file).split(find).length - 1, `how often ${file} has ${JSON.stringify(find)}`).toBe(1);
  expect(replace).not.toBe(find);
  for (const [test_, title] of tests) expect(missingTitles(test_, [title]), test_).toEqual([]);
  expect(rows).toContain(row);
});

test('each row has a defence that was taken out, and a test that names the row', () => {
  const named = (row: string) => new RegExp(`^(?:[A-E]\\d+[a-z]?, )*${row}(?:, [A-E]\\d+[a-z]?)*: `);
  const isProven = (row: string) =>
    DEFENCES.some((defence) => defence.row === row && defence.tests.some(([, title]) => named(row).test(title)));
  expect(rows.filter((row) => !isProven(row))).toEqual([]);
});

test('docs/defences.md is what the last run has written', async () => {
  const document = readDocument();
  expect(document, 'npm run defences').toBe(await render(DEFENCES, (defence) => saysSeen(document, defence)));
});
