/** `npm run generate`: the tables of docs/troubleshooting.md, from what the programs say. `--check` writes nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { SENTENCES } from '../operator/findings.ts';
import { REFUSALS } from '../piper/refusals.ts';
import { projectFolder } from './places.ts';
import { SAMPLES } from './samples-of-findings.ts';

const file = join(projectFolder, 'docs/troubleshooting.md');

/** The compiler cannot tie one function of many to its own parameters; the type of the samples has. */
function spoken([reason, sentence]: [string, (...all: never[]) => string]): readonly [string, string] {
  const sample = new Map<string, readonly unknown[]>(Object.entries(SAMPLES)).get(reason) ?? [];
  return [reason, Reflect.apply(sentence, undefined, sample)];
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');

const table = (head: string, rows: readonly (readonly [string, string])[]): string =>
  [`| reason | ${head} |`, '| --- | --- |', ...rows.map(([reason, text]) => `| \`${reason}\` | ${cell(text)} |`)].join(
    '\n',
  );

const TABLES: Readonly<Record<string, string>> = {
  refusals: table(
    'what the user reads',
    Object.entries(REFUSALS).map(([code, { sentence }]) => [code, sentence]),
  ),
  findings: table('its message', Object.entries(SENTENCES).map(spoken)),
};

async function generated(document: string): Promise<string> {
  const filled = document.replaceAll(
    /(<!-- generated: (\w+) -->\n)[^]*?(<!-- end -->)/g,
    (_, head: string, name: string, end: string) => `${head}\n${TABLES[name] ?? ''}\n\n${end}`,
  );
  return await format(filled, { ...(await resolveConfig(file)), parser: 'markdown' });
}

const found = readFileSync(file, 'utf8');
const wanted = await generated(found);
if (!process.argv.includes('--check')) writeFileSync(file, wanted);
else if (found !== wanted) {
  console.error('docs/troubleshooting.md is not what the programs say; run: npm run generate');
  process.exitCode = 1;
}
