/** `npm run generate`: the tables of docs/metrics.md, from the programs' registries. `--check` writes nothing. */
import { cell, fillDocument, table } from './generated-document.ts';
import { alerts } from './monitoring/expressions.ts';
import { type DescribedMetric, describedMetrics } from './metric-registries.ts';

/** More words than these are listed elsewhere. */
const MOST_WORDS = 8;

const tableOf = (metrics: readonly DescribedMetric[]): string =>
  table(
    ['metric', 'type', 'labels', 'meaning'],
    metrics.map((metric) => [`\`${metric.name}\``, metric.type, labelsOf(metric), cell(metric.help)]),
  );

/** A counter has all words of its labels from the start. */
const labelsOf = ({ type, labels }: DescribedMetric): string =>
  labels
    .map(({ name, words }) =>
      type === 'counter' && words.length > 0 && words.length <= MOST_WORDS
        ? `\`${name}\` (${words.join(', ')})`
        : `\`${name}\``,
    )
    .join('; ');

const programs = Object.entries(await describedMetrics());
const [first = []] = programs.map(([, metrics]) => metrics);
const isEverywhere = ({ name }: DescribedMetric): boolean =>
  programs.every(([, metrics]) => metrics.some((metric) => metric.name === name));
const isOfProcess = ({ name }: DescribedMetric): boolean => !name.startsWith('sshaccess_');

/** What Prometheus puts in place of a template. */
const filled = (text: string): string =>
  text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, '<$1>').replaceAll(/\{\{ \$value[^}]*\}\}/g, '<value>');

await fillDocument('docs/metrics.md', {
  alerts: table(
    ['alert', 'severity', 'says', 'what to do'],
    alerts().map(({ alert, labels, annotations: { summary, description } }) => [
      `\`${alert}\``,
      labels.severity,
      cell(filled(summary)),
      cell(description),
    ]),
  ),
  all: tableOf(first.filter((metric) => isEverywhere(metric) && !isOfProcess(metric))),
  process: tableOf(first.filter(isOfProcess)),
  ...Object.fromEntries(
    programs.map(([program, metrics]) => [program, tableOf(metrics.filter((metric) => !isEverywhere(metric)))]),
  ),
});
