/** `npm run generate`: the tables of docs/metrics.md, from the programs' registries. `--check` writes nothing. */
import { cell, fillDocument, table } from './generated-document.ts';
import type { Refused } from '../sidecar/counts.ts';
import { LOGIN_GRACE_MS, MAX_CONNECTIONS, MAX_FORWARDS, MAX_STARTUPS } from '../sidecar/limits.ts';
import { alerts } from './monitoring/expressions.ts';
import { type DescribedMetric, describedMetrics } from './metric-registries.ts';

/** More words than these are listed elsewhere. */
const MOST_WORDS = 8;

const tableOf = (metrics: readonly DescribedMetric[]): string =>
  table(
    ['metric', 'type', 'labels', 'meaning'],
    metrics.map((metric) => [`\`${metric.name}\``, metric.type, labelsOf(metric), cell(metric.help)]),
  );

/** What each reason of sshaccess_sidecar_refused_total is. */
const REFUSED_BY_SIDECARS: Readonly<Record<Refused, string>> = {
  connections: `a connection beyond the ${MAX_CONNECTIONS} that there may be at all`,
  'start-ups': `the oldest of ${MAX_STARTUPS} that had not logged in, of the address that had most of them`,
  grace: `a login that took longer than ${LOGIN_GRACE_MS / 1_000} seconds`,
  key: "a key that is not the gateway's: somebody else knocks",
  assertion: "a user, role or policy beyond what the pod's Secret allows",
  sessions: 'more sessions at once than the policy allows',
  command: 'a shell or command that the policy does not allow',
  subsystem: 'sftp where the policy allows none',
  forward: 'a port or socket that the policy does not allow',
  forwards: `a forward beyond the ${MAX_FORWARDS} of its connection`,
};

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
/** The sidecar, which is not everywhere itself, has fewer. */
const isEverywhere = ({ name }: DescribedMetric): boolean =>
  programs.every(([program, metrics]) => program === 'sidecar' || metrics.some((metric) => metric.name === name));
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
  refused: table(
    ['reason', 'what was refused'],
    Object.entries(REFUSED_BY_SIDECARS).map(([reason, what]) => [`\`${reason}\``, what]),
  ),
  ...Object.fromEntries(
    programs.map(([program, metrics]) => [program, tableOf(metrics.filter((metric) => !isEverywhere(metric)))]),
  ),
});
