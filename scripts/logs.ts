/** `npm run generate`: the table of docs/logs.md, from the vocabulary. `--check` writes nothing. */
import { LOG_FIELDS } from '../lib/process/log-vocabulary.ts';
import { cell, fillDocument, table } from './generated-document.ts';

await fillDocument('docs/logs.md', {
  fields: table(
    ['field', 'what it holds'],
    Object.entries(LOG_FIELDS).map(([name, meaning]) => [`\`${name}\``, cell(meaning)]),
  ),
});
