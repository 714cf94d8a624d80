/** Verdicts, and the Markdown that they make. Pure. */
import type { Role } from '../../crds/session-policy.ts';

export type Verdict =
  | { mark: 'passed'; note?: string | undefined }
  | { mark: 'refused'; policy: string }
  | { mark: 'impossible'; why: string };

/** One row: a feature, for a role or (facts of the pod) for none, with a verdict for each column by its heading. */
export type Row = { title: string; role: Role | undefined; cells: ReadonlyMap<string, Verdict> };
export type Section = { title: string; intro: string; rows: readonly Row[] };
type Heading = { heading: string; description: string };

const MARKS = { passed: '✓', refused: '✗', impossible: '–' } as const;

/** The document. @throws where a cell is missing: no cell is empty. */
export function render(columns: readonly Heading[], sections: readonly Section[]): string {
  const notes = new Footnotes();
  const body = sections.flatMap(({ title, intro, rows }) => [
    `## ${title}`,
    intro,
    tableOf(
      ['', ...columns.map(({ heading }) => heading)],
      rows.map((row) => [titleOf(row), ...columns.map(({ heading }) => notes.cell(cellOf(row, heading)))]),
    ),
  ]);
  const legend = columns.map(({ heading, description }) => `- **${heading}**: ${description}`).join('\n');
  return `${[INTRO, legend, ...body, ...notes.lines()].join('\n\n')}\n`;
}

const INTRO = `# Conformance

Written by \`npm run conformance\` from what OpenSSH's client and a client of ours found on a real cluster, through the piper;
every e2e run compares. Do not edit.

✓ works · ✗ refused by policy, and the note names the policy · – impossible, and the note says why.

The columns:`;

const titleOf = ({ title, role }: Row): string => (role === undefined ? title : `${title} · **${role}**`);

function cellOf(row: Row, heading: string): Verdict {
  const verdict = row.cells.get(heading);
  if (verdict === undefined) throw new Error(`${titleOf(row)}: the cell of column "${heading}" is empty`);
  return verdict;
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? ':---' : ':-:'))), ...rows.map(line)].join('\n');
}

/** The same reason is written once. */
class Footnotes {
  readonly #numbers = new Map<string, number>();

  cell(verdict: Verdict): string {
    const text = reasonOf(verdict);
    if (text === undefined) return MARKS[verdict.mark];
    const number = this.#numbers.get(text) ?? this.#numbers.size + 1;
    this.#numbers.set(text, number);
    return `${MARKS[verdict.mark]}[^${number}]`;
  }

  lines(): string[] {
    return [...this.#numbers].map(([text, number]) => `[^${number}]: ${text}`);
  }
}

function reasonOf(verdict: Verdict): string | undefined {
  if (verdict.mark === 'passed') return verdict.note;
  return verdict.mark === 'refused' ? `Refused by policy: ${verdict.policy}.` : `Impossible: ${verdict.why}.`;
}
