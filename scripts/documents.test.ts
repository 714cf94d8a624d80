/** Documents that name tests: a test that is renamed or gone must not go on proving something. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const TEST_FILE = /`([\w./-]+\.(?:test|e2e)\.ts)`/g;
/** "…" in a title stands for what a table of cases fills in. */
const TITLE = /"([^"]+)"/g;

/** What a document says of each test file: the file, and the titles that follow it up to the next file or row. */
function claims(document: string): { file: string; titles: string[] }[] {
  const text = readFileSync(join(ROOT, document), 'utf8');
  return text.split('\n').flatMap((line) => {
    const files = [...line.matchAll(TEST_FILE)];
    return files.map((match, index) => {
      const end = files[index + 1]?.index ?? line.length;
      const titles = [...line.slice(match.index, end).matchAll(TITLE)].map(([, title = '']) => title);
      return { file: match[1] ?? '', titles };
    });
  });
}

/** The text of a test file, as titles are read: without the escapes of its string literals, and with one kind of apostrophe. */
const readTest = (file: string): string =>
  readFileSync(join(ROOT, file), 'utf8').replaceAll('\\', '').replaceAll('’', "'");

test.each(claims('docs/security-tests.md'))('docs/security-tests.md: $file', ({ file, titles }) => {
  const text = readTest(file);
  for (const title of titles)
    for (const part of title.split('…'))
      expect(text.includes(part.trim()), `${file} has no test "${title}"`).toBe(true);
});
