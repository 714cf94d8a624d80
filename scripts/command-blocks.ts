/** The commands that README.md and the documents give: what to type, and which test types it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from './places.ts';

export type CommandBlock = {
  readonly document: string;
  /** Of its first line. */
  readonly line: number;
  readonly text: string;
  /** From the comment before it: `<!-- run: <file> "<title>" -->`. */
  readonly run?: { readonly file: string; readonly title: string };
  /** From the comment before it: `<!-- not run: <why> -->`. */
  readonly notRun?: string;
};

/** Also in a list, where a block is indented. */
const BLOCK = /^( *)```sh\n([^]*?)^\1```$/gm;
const RUN = /<!-- run: (\S+) "([^"]+)" -->\s*$/;
const NOT_RUN = /<!-- not run: ([^>]+?) -->\s*$/;

export const DOCUMENTS: readonly string[] = [
  'README.md',
  ...readdirSync(join(projectFolder, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .toSorted()
    .map((file) => `docs/${file}`),
];

export function commandBlocks(document: string): readonly CommandBlock[] {
  const text = readFileSync(join(projectFolder, document), 'utf8');
  return [...text.matchAll(BLOCK)].map((match) => {
    const [, indent = '', commands = ''] = match;
    const before = text.slice(0, match.index);
    const [, file, title] = RUN.exec(before) ?? [];
    const [, notRun] = NOT_RUN.exec(before) ?? [];
    return {
      document,
      line: before.split('\n').length,
      text: commands.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      ...(file !== undefined && title !== undefined && { run: { file, title } }),
      ...(notRun !== undefined && { notRun }),
    };
  });
}

/** Those that a test is said to run, in the order of the documents. */
export const blocksOf = (file: string, title: string): readonly CommandBlock[] =>
  DOCUMENTS.flatMap(commandBlocks).filter(({ run }) => run?.file === file && run.title === title);
