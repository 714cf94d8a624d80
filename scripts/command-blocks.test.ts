import { describe, expect, test } from 'vitest';
import { commandBlocks, DOCUMENTS } from './command-blocks.ts';
import { missingTitles } from './test-titles.ts';

const blocks = DOCUMENTS.flatMap(commandBlocks).map((block) => ({
  ...block,
  where: `${block.document}:${block.line}`,
}));

describe('commands that the documents give', () => {
  test.each(blocks)('$where: a test runs it, or it is said why none does', ({ run, notRun }) => {
    expect([run === undefined, notRun === undefined].filter(Boolean)).toHaveLength(1);
    if (run !== undefined) expect(missingTitles(run.file, [run.title]), `${run.file} has no such test`).toEqual([]);
  });

  test('are found, also in a list', () => {
    expect(blocks.length).toBeGreaterThan(20);
    expect(
      blocks.find(({ document, text }) => document === 'docs/rotation.md' && text.startsWith('ssh-keygen')),
    ).toBeDefined();
  });
});
