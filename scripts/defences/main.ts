/**
 * `npm run defences [-- ROW…]`: takes one defence after the other out of a copy of the sources, and demands that a test
 * notices. Writes into docs/defences.md what it has seen; of rows that were not tried, what was seen before stays.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../places.ts';
import type { Defence } from './defence.ts';
import { DOCUMENT, lineOf, readDocument, render, saysSeen } from './document.ts';
import { DEFENCES } from './rows/index.ts';
import { Tree } from './tree.ts';
import { passes, tryWithout } from './trial.ts';

/** @returns those whose loss a test has noticed */
function tryAll(tree: Tree, defences: readonly Defence[]): Defence[] {
  console.log('First, with everything in place.');
  const sound = passes(
    tree,
    defences.flatMap(({ tests }) => tests),
  );
  if (!sound.isCaught) throw new Error(`tests fail with everything in place: ${sound.sentence}`);
  return defences.filter((defence) => {
    const { isCaught, sentence } = tryWithout(tree, defence);
    console.log(`${lineOf(defence, isCaught)}\n  ${sentence}`);
    return isCaught;
  });
}

async function main(rows: readonly string[]): Promise<boolean> {
  const chosen = DEFENCES.filter(({ row }) => rows.length === 0 || rows.includes(row));
  const tree = new Tree();
  try {
    const caught = tryAll(tree, chosen);
    console.log(`of ${chosen.length} defences that were out, tests have noticed ${caught.length}`);
    const before = readDocument();
    const isSeen = (defence: Defence): boolean =>
      chosen.includes(defence) ? caught.includes(defence) : saysSeen(before, defence);
    writeFileSync(join(projectFolder, DOCUMENT), await render(DEFENCES, isSeen));
    return chosen.length > 0 && caught.length === chosen.length;
  } finally {
    tree.remove();
  }
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1;
