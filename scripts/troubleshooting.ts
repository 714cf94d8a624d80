/** `npm run generate`: the tables of docs/troubleshooting.md, from what the programs say. `--check` writes nothing. */
import { SENTENCES } from '../operator/findings.ts';
import { REFUSALS } from '../piper/refusals.ts';
import { SKIP_REASONS } from '../webhook/skip-reasons.ts';
import { cell, fillDocument, table } from './generated-document.ts';
import { SAMPLES } from './samples-of-findings.ts';
import { QUESTIONS, SEEDED_FAULTS } from './seeded-faults.ts';

/** The compiler cannot tie one function of many to its own parameters; the type of the samples has. */
function spoken([reason, sentence]: [string, (...all: never[]) => string]): readonly [string, string] {
  const sample = new Map<string, readonly unknown[]>(Object.entries(SAMPLES)).get(reason) ?? [];
  return [reason, Reflect.apply(sentence, undefined, sample)];
}

const byReason = (head: string, rows: readonly (readonly [string, string])[]): string =>
  table(
    ['reason', head],
    rows.map(([reason, text]) => [`\`${reason}\``, cell(text)]),
  );

/** By what one sees, since that is where a person begins. */
const faults = [...Map.groupBy(Object.values(SEEDED_FAULTS), ({ symptom }) => symptom)]
  .map(([symptom, causes]) => {
    const rows = causes.map(({ ask, says, title, remedy }) => [`\`${QUESTIONS[ask]}\``, cell(says), title, remedy]);
    return `### ${symptom}\n\n${table(['ask', 'it says', 'so', 'do'], rows)}`;
  })
  .join('\n\n');

await fillDocument('docs/troubleshooting.md', {
  faults,
  refusals: byReason(
    'what the user reads',
    Object.entries(REFUSALS).map(([code, { sentence }]) => [code, sentence]),
  ),
  findings: byReason('its message', Object.entries(SENTENCES).map(spoken)),
  skips: byReason('what the webhook says', Object.entries(SKIP_REASONS)),
});
