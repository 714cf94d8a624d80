import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { projectFolder } from '../places.ts';
import type { Defence } from './defence.ts';

export const DOCUMENT = 'docs/defences.md';
const SEEN = 'failed as it must';

const INTRODUCTION = `# Defences that were taken out, to see who notices

Written by \`npm run defences\`; do not edit. For each line here the script made a copy of the sources, took that one defence out
of the file that is named, ran the tests that are named, and saw at least one of them fail because of what it expects: not
because something could not be read, imported or compiled. Before, it saw all of them pass. What says _not seen yet_
has still to be tried. The rows are those of [security-tests.md](security-tests.md). \`npm run defences -- A7\` does it for
one row; the mutations themselves are in [scripts/defences/rows](../scripts/defences/rows). A unit test sees to it that they still
fit the sources, and that each row has one.
`;

/** The line of a table. `isSeen`: tests were seen to notice that the defence was out. */
export function lineOf({ row, without, file, tests }: Defence, isSeen: boolean): string {
  const files = new Map<string, string[]>();
  for (const [test, title] of tests) files.set(test, [...(files.get(test) ?? []), `"${title}"`]);
  const proofs = [...files].map(([test, titles]) => `\`${test}\` ${titles.join(', ')}`);
  return `| ${row} | ${without} | \`${file}\` | ${proofs.join('; ')} | ${isSeen ? SEEN : 'not seen yet'} |`;
}

/** The document, as the formatter wants it. */
export async function render(defences: readonly Defence[], isSeen: (defence: Defence) => boolean): Promise<string> {
  const head = ['| row | without it | taken out of | tests | seen |', '| --- | --- | --- | --- | --- |'];
  const lines = defences.map((defence) => lineOf(defence, isSeen(defence)));
  return format([INTRODUCTION, ...head, ...lines, ''].join('\n'), { parser: 'markdown', printWidth: 120 });
}

export const readDocument = (): string => readFileSync(join(projectFolder, DOCUMENT), 'utf8');

/** Whether a document says that tests were seen to notice, however wide its columns are. */
export const saysSeen = (document: string, defence: Defence): boolean =>
  document.split('\n').some((line) => line.replaceAll(/ +/g, ' ') === lineOf(defence, true).replaceAll(/ +/g, ' '));
