/** What is asked of Prometheus in the chart: the alerts and the dashboard. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { projectFolder } from '../places.ts';

export const ALERTS_FILE = join(projectFolder, 'charts/sshaccess/rules/alerts.yaml');
const DASHBOARD_FILE = join(projectFolder, 'charts/sshaccess/dashboards/sshaccess.json');

const Rule = z.strictObject({
  alert: z.string(),
  expr: z.string(),
  for: z.string().optional(),
  labels: z.object({ severity: z.enum(['critical', 'warning']) }),
  annotations: z.object({ summary: z.string(), description: z.string() }),
});
const Rules = z.object({ groups: z.array(z.object({ name: z.string(), rules: z.array(Rule) })) });
export type Alert = z.infer<typeof Rule>;

export const alerts = (): Alert[] =>
  Rules.parse(parse(readFileSync(ALERTS_FILE, 'utf8'))).groups.flatMap(({ rules }) => rules);

const Dashboard = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })).default([]) })),
});

/** As Grafana sends them: with its variables filled in. */
export const panels = (): { title: string; expressions: string[] }[] =>
  Dashboard.parse(JSON.parse(readFileSync(DASHBOARD_FILE, 'utf8'))).panels.map(({ title, targets }) => ({
    title,
    expressions: targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '2m').replaceAll('$namespace', '.*')),
  }));

/** A metric as an expression names it, with its matchers. */
export type Selector = {
  readonly metric: string;
  /** Label → the words that it is compared with. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
};

const WORDS = new Set('and or unless by without on ignoring bool offset group_left group_right inf nan'.split(' '));

/**
 * Selectors of a PromQL expression that parses. Simple on purpose: strings hold no braces, and a name that is neither called nor
 * a word of the language nor a label of a grouping is a metric.
 */
export function selectorsOf(expression: string): Selector[] {
  const plain = expression
    .replaceAll(/\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ');
  return [...plain.matchAll(/\b([a-zA-Z_:][\w:]*)\b\s*(\{[^}]*\})?(?!\s*\()(?![^{]*\})/g)].flatMap(
    ([, metric = '', matchers = '']) => (WORDS.has(metric) ? [] : [{ metric, labels: labelsIn(matchers) }]),
  );
}

const labelsIn = (matchers: string): Map<string, string[]> =>
  new Map(
    [...matchers.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(([, label = '', operator = '', text = '']) => [
      label,
      operator.includes('~') ? text.split('|') : [text],
    ]),
  );
