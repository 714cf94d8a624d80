import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import * as z from 'zod';
import { promtool } from '../machine/promtool.ts';
import { type DescribedMetric, describedMetrics, sidecarMetrics } from '../metric-registries.ts';
import { alerts, ALERTS_FILE, panels, selectorsOf } from './expressions.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 300_000 });

const folder = mkdtempSync(join(tmpdir(), 'sshaccess-monitoring-'));
let tool = '';
let metrics: ReadonlyMap<string, DescribedMetric>;
beforeAll(async () => {
  tool = await promtool();
  metrics = new Map(
    Object.values(await describedMetrics())
      .flat()
      .map((metric) => [metric.name, metric]),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

async function check(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(tool, [...args], { cwd: folder });
  return stdout;
}

/** Labels that come with scraping, and those of histograms. */
const SCRAPED = new Set(['program', 'namespace', 'pod', 'le']);

/** What of an expression is not in docs/metrics.md: metrics, labels, words of labels. */
function unknownIn(expression: string): string[] {
  return selectorsOf(expression).flatMap(({ metric: name, labels }) => {
    const metric = metrics.get(name) ?? histogramOf(name);
    if (metric === undefined) return [name];
    return [...labels].flatMap(([label, words]) => {
      if (SCRAPED.has(label)) return [];
      const known = metric.labels.find((one) => one.name === label);
      if (known === undefined) return [`${name}{${label}}`];
      const isClosed = metric.type === 'counter' && known.words.length > 0;
      return isClosed ? words.filter((word) => !known.words.includes(word)) : [];
    });
  });
}

function histogramOf(name: string): DescribedMetric | undefined {
  const metric = metrics.get(name.replace(/_(?:bucket|count|sum)$/, ''));
  return metric?.type === 'histogram' ? metric : undefined;
}

test('promtool takes the alert rules', async () => {
  expect(await check('check', 'rules', ALERTS_FILE)).toContain(`SUCCESS: ${alerts().length} rules found`);
});

test('promtool finds nothing wrong with what a sidecar answers', async () => {
  const page = sidecarMetrics().registry.metrics();
  writeFileSync(join(folder, 'metrics.txt'), page);
  const asked = ['-c', `${tool} check metrics < metrics.txt`];
  const { stdout, stderr } = await promisify(execFile)('sh', asked, { cwd: folder });
  expect([stdout, stderr]).toEqual(['', '']);
  expect(page).toContain('\nsshaccess_sidecar_programs_started_total{kind="shell",program="sidecar"} 0\n');
});

test('promtool takes every expression of the dashboard', async () => {
  const rules = panels().flatMap(({ title, expressions }) =>
    expressions.map((expr, index) => ({ record: `panel:${title.replaceAll(/\W/g, '_')}:${index}`, expr })),
  );
  expect(rules.length).toBeGreaterThan(20);
  writeFileSync(join(folder, 'panels.yaml'), stringify({ groups: [{ name: 'panels', rules }] }));
  expect(await check('check', 'rules', 'panels.yaml')).toContain(`SUCCESS: ${rules.length} rules found`);
});

test('alerts and dashboard name only metrics, labels and words that the programs have', () => {
  const expressions = [...alerts().map(({ expr }) => expr), ...panels().flatMap((panel) => panel.expressions)];
  expect(expressions.flatMap(unknownIn)).toEqual([]);
  expect(expressions.flatMap(selectorsOf).length).toBeGreaterThan(40);
});

test('what the programs do not have is found in any place of an expression', () => {
  const wrong = [
    'rate(sshaccess_piper_logins_total[5m])',
    'up == 0',
    'sum by (user) (sshaccess_ready{user="x"})',
    'sshaccess_piper_logins_refused_total{reason=~"expired|bored"} / on (pod) sshaccess_piper_sessions_count',
  ];
  expect(wrong.flatMap(unknownIn)).toEqual([
    'sshaccess_piper_logins_total',
    'up',
    'sshaccess_ready{user}',
    'bored',
    'sshaccess_piper_sessions_count',
  ]);
});

const AlertTests = z.object({
  tests: z.array(
    z.object({
      alert_rule_test: z.array(z.object({ alertname: z.string(), exp_alerts: z.array(z.unknown()) })),
    }),
  ),
});

test('each alert fires on what it is for, and is silent where all is well', async () => {
  const file = join(import.meta.dirname, 'alerts.tests.yaml');
  // Annotations are words; that their templates parse is checked with the rules.
  const rules = alerts().map(({ alert, expr, for: lasting, labels }) => ({ alert, expr, for: lasting, labels }));
  writeFileSync(join(folder, 'alerts.yaml'), stringify({ groups: [{ name: 'sshaccess', rules }] }));
  writeFileSync(join(folder, 'alerts.tests.yaml'), readFileSync(file));
  expect(await check('test', 'rules', 'alerts.tests.yaml')).toContain('SUCCESS');
  const tested = AlertTests.parse(parse(readFileSync(file, 'utf8'))).tests.flatMap((one) => one.alert_rule_test);
  for (const { alert } of alerts()) {
    const expectations = tested.filter(({ alertname }) => alertname === alert).map((one) => one.exp_alerts.length > 0);
    expect(new Set(expectations), alert).toEqual(new Set([true, false]));
  }
});
