import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectFolder } from '../../scripts/places.ts';

const PAGE = 'docs/bring-your-own-image.md';
/** A fenced block of Markdown: its language, and its lines. */
const FENCED = /^```(\w+)\n(.*?)^```$/gms;
/** The app's image, which the reader fills in. */
const FIRST_FROM = /^FROM .*$/m;

/** The Dockerfile and the entrypoint of {@link PAGE} as they are printed, on another base; a file name → its content. */
export async function printedContract(): Promise<ReadonlyMap<string, string>> {
  const page = await readFile(join(projectFolder, PAGE), 'utf8');
  const blocks = [...page.matchAll(FENCED)].map(([, language = '', text = '']) => ({ language, text }));
  const dockerfile = blocks.find(({ language }) => language.toLowerCase() === 'dockerfile')?.text;
  const entrypoint = blocks.find(({ text }) => text.startsWith('#!'))?.text;
  if (dockerfile === undefined || entrypoint === undefined || !FIRST_FROM.test(dockerfile)) {
    throw new Error(`${PAGE} must show a Dockerfile with FROM, and an entrypoint that begins with #!`);
  }
  // rsync is the app's own business, so it comes with the app's image.
  const app = 'FROM ${BASE}\nRUN apt-get update && apt-get install -y --no-install-recommends rsync';
  return new Map([
    ['Dockerfile', `ARG BASE\n${dockerfile.replace(FIRST_FROM, () => app)}`],
    ['entrypoint.sh', entrypoint],
  ]);
}
