import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { projectFolder } from './places.ts';

/** The text of a table's cell, as Markdown shows it. */
export const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');

/** A Markdown table; its cells are Markdown. */
export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Fills what stands between `<!-- generated: name -->` and `<!-- end -->` in a document. */
export async function fillDocument(path: string, tables: Readonly<Record<string, string>>): Promise<void> {
  const filled = readFileSync(join(projectFolder, path), 'utf8').replaceAll(
    /(<!-- generated: (\w+) -->\n)[^]*?(<!-- end -->)/g,
    (_, head: string, name: string, end: string) => `${head}\n${tables[name] ?? ''}\n\n${end}`,
  );
  await writeGenerated(path, filled);
}

/**
 * Writes a file, in our format. With `--check` among the program's arguments nothing is written, and the program fails where
 * there is another text.
 */
export async function writeGenerated(path: string, text: string): Promise<void> {
  const file = join(projectFolder, path);
  const wanted = await format(text, { ...(await resolveConfig(file)), filepath: file });
  if (!process.argv.includes('--check')) writeFileSync(file, wanted);
  else if (readFileSync(file, 'utf8') !== wanted) {
    console.error(`${path} is not what its sources say; run: npm run generate`);
    process.exitCode = 1;
  }
}
