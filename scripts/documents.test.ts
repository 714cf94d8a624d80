/** Documents that name tests: a test that is renamed or gone must not go on proving something. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { DOCUMENTS } from './command-blocks.ts';
import { projectFolder } from './places.ts';
import { missingTitles } from './test-titles.ts';

const TEST_FILE = /`([\w./-]+\.(?:test|e2e)\.ts)`/g;
const TITLE = /"([^"]+)"/g;

/** What a document says of each test file: the file, and the titles that follow it up to the next file or row. */
function claims(document: string): { file: string; titles: string[] }[] {
  const text = readFileSync(join(projectFolder, document), 'utf8');
  return text.split('\n').flatMap((line) => {
    const files = [...line.matchAll(TEST_FILE)];
    return files.map((match, index) => {
      const end = files[index + 1]?.index ?? line.length;
      const titles = [...line.slice(match.index, end).matchAll(TITLE)].map(([, title = '']) => title);
      return { file: match[1] ?? '', titles };
    });
  });
}

test.each(claims('docs/security-tests.md'))('docs/security-tests.md: $file', ({ file, titles }) => {
  expect(missingTitles(file, titles), `${file} has no such test`).toEqual([]);
});

/** Of Markdown, but for those to the web. */
const LINK = /\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g;

test.each([...DOCUMENTS, 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'charts/sshaccess/README.md'])(
  '%s: its links lead to files',
  (document) => {
    const links = [...readFileSync(join(projectFolder, document), 'utf8').matchAll(LINK)].map(([, path = '']) => path);
    expect(links.filter((path) => !existsSync(join(projectFolder, dirname(document), path)))).toEqual([]);
  },
);
