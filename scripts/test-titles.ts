/** What a document or a list says of tests by their titles, against the text of the test files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from './places.ts';

/** "…" in a title stands for what a table of cases fills in. */
const GAP = '…';

/** The text of a test file, as titles are read: without the escapes of its string literals, and with one kind of apostrophe. */
const readTest = (file: string): string =>
  readFileSync(join(projectFolder, file), 'utf8').replaceAll('\\', '').replaceAll('’', "'");

/** Those of the titles that the file does not have. */
export function missingTitles(file: string, titles: readonly string[]): string[] {
  const text = readTest(file);
  return titles.filter((title) => !title.split(GAP).every((part) => text.includes(part.trim())));
}

/** What finds the tests of these titles among the whole names that vitest gives them. */
export function patternOf(titles: readonly string[]): string {
  return titles.map((title) => title.split(GAP).map(escaped).join('.*')).join('|');
}

const escaped = (text: string): string => text.trim().replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
