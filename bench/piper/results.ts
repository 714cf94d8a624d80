import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { projectFolder } from '../../scripts/places.ts';
import { median, table } from '../figures.ts';
import { barChart } from './chart.ts';

type Row = { unit: string; values: Map<string, number[]> };

const CHART = 'figures-piper.svg';
const HEADING = '## The piper beside other ways to a pod';

/** Figures by what was measured and whose they are. */
export class Results {
  readonly names: readonly string[];
  readonly #rows = new Map<string, Row>();

  constructor(names: readonly string[]) {
    this.names = names;
  }

  /** One of several, whose median counts. */
  add(what: string, unit: string, name: string, value: number): void {
    const row = this.#rows.get(what) ?? { unit, values: new Map<string, number[]>() };
    this.#rows.set(what, row);
    row.values.set(name, [...(row.values.get(name) ?? []), value]);
  }

  set(what: string, unit: string, name: string, value: number): void {
    this.#rows.get(what)?.values.delete(name);
    this.add(what, unit, name, value);
  }

  figure(what: string, name: string): number {
    return median(this.#rows.get(what)?.values.get(name) ?? []);
  }

  line(what: string): string {
    const unit = this.#rows.get(what)?.unit ?? '';
    return this.names.map((name) => `${name} ${show(this.figure(what, name), unit)}`).join(', ');
  }

  table(): string {
    const rows = [...this.#rows].map(([what, { unit }]) => [
      `${what}, ${unit}`,
      ...this.names.map((name) => show(this.figure(what, name), unit)),
    ]);
    return table(['', ...this.names], rows);
  }
}

const show = (value: number, unit: string): string => {
  if (Number.isNaN(value)) return '';
  return unit === 's/GiB' || unit === 'ms' ? value.toFixed(2) : value.toFixed(value < 10 ? 1 : 0);
};

/** Puts the table and a chart into docs/. */
export async function writeDocuments(results: Results): Promise<void> {
  const docs = join(projectFolder, 'docs');
  const figures = join(docs, 'figures.md');
  const text = await readFile(figures, 'utf8');
  await writeFile(figures, withSection(text, `${HEADING}\n\n${section(results)}\n`));
  const groups = ['download', 'upload'].flatMap((direction) => [
    { title: `${direction}, MiB/s`, bars: bars(results, direction) },
    { title: `${direction}, CPU seconds of the gateway per GiB`, bars: bars(results, `${direction}: CPU time`) },
  ]);
  await writeFile(join(docs, CHART), barChart(groups));
}

const bars = (results: Results, what: string): { name: string; value: number }[] =>
  results.names
    .map((name) => ({ name, value: results.figure(what, name) }))
    .filter(({ value }) => !Number.isNaN(value));

const section = (results: Results): string =>
  [
    '`npm run bench -- piper`: the same OpenSSH client and the same sshd, on loopback, aes128-gcm, in turns; medians;',
    `${cpus().length} cores for client, gateway and sshd together, Node ${process.version}. The relay is a bare \`pipe()\` of bytes in Node: the floor for`,
    'what runs in Node. CPU time is the gateway’s alone, user and system; of a jump, that of the sshd in between.',
    '',
    results.table(),
    '',
    `![throughput and CPU time](${CHART})`,
  ].join('\n');

/** The document with the section of this heading replaced, or put in front of the others. */
function withSection(text: string, written: string): string {
  const sections = text.split(/^(?=## )/m);
  const others = sections.filter((one) => !one.startsWith(`${HEADING}\n`));
  const [title = '', ...rest] = others;
  return [title, `${written}\n`, ...rest].join('').trimEnd() + '\n';
}
