import { expect, test } from 'vitest';
import { render, type Row, type Verdict } from './table.ts';

const columns = [
  { heading: 'one', description: 'the first' },
  { heading: 'two', description: 'the second' },
];
const row = (title: string, ...verdicts: Verdict[]): Row => ({
  title,
  role: 'root',
  cells: new Map(verdicts.map((verdict, index) => [columns[index]?.heading ?? '', verdict])),
});
const section = (...rows: Row[]) => [{ title: 'Section', intro: 'What it is.', rows }];
const why = { mark: 'impossible', why: 'there is none' } as const;

test('a cell is a mark, and where it is not just passed, a note that is written once', () => {
  const text = render(
    columns,
    section(
      row('shell', { mark: 'passed' }, { mark: 'passed', note: 'Ours.' }),
      row('rsync', why, { mark: 'refused', policy: 'it says no' }),
      row('scp', why, why),
    ),
  );
  expect(text).toContain('|  | one | two |\n| :--- | :-: | :-: |\n| shell · **root** | ✓ | ✓[^1] |');
  expect(text).toContain('| rsync · **root** | –[^2] | ✗[^3] |\n| scp · **root** | –[^2] | –[^2] |');
  expect(text).toMatch(
    /\[\^1\]: Ours\.\n\n\[\^2\]: Impossible: there is none\.\n\n\[\^3\]: Refused by policy: it says no\.\n$/,
  );
});

test('no cell is empty', () => {
  expect(() => render(columns, section(row('shell', { mark: 'passed' })))).toThrow(
    'shell · **root**: the cell of column "two" is empty',
  );
});
