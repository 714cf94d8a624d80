import type { Step } from './steps.ts';

/** What must hold before any test runs, cheapest first. */
export const GATE: readonly Step[] = [
  { name: 'generated files', command: ['node', 'crds/generate.ts', '--check'] },
  { name: 'generated documents', command: ['node', 'scripts/troubleshooting.ts', '--check'] },
  { name: 'generated metrics', command: ['node', 'scripts/metrics.ts', '--check'] },
  { name: 'generated CRD reference', command: ['node', 'scripts/crd-reference.ts', '--check'] },
  { name: 'generated values', command: ['node', 'scripts/values.ts', '--check'] },
  { name: 'generated log fields', command: ['node', 'scripts/logs.ts', '--check'] },
  { name: 'format', command: ['prettier', '--check', '--log-level', 'warn', '.'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'types', command: ['tsc', '-b'] },
  { name: 'unused code', command: ['knip'] },
];
