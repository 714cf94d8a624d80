/** `npm run generate`: writes the CRDs into the chart. `--check` writes nothing and fails if it would have changed one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { sessionReportDefinition, sshAccessDefinition } from './custom-resource-definition.ts';

const folder = new URL('../charts/sshaccess/crds/', import.meta.url);

const GENERATED = [
  { name: 'sshaccesses.yaml', source: 'crds/ssh-access.ts', definition: sshAccessDefinition },
  { name: 'sessionreports.yaml', source: 'crds/session-report.ts', definition: sessionReportDefinition },
];

/** The committed CRD files, and the text that each has to have. */
export const crdFiles = (): { name: string; file: URL; text: string }[] =>
  GENERATED.map(({ name, source, definition }) => ({
    name,
    file: new URL(name, folder),
    text:
      `# GENERATED from ${source} by npm run generate. Do not edit.\n` +
      stringify(definition(), { lineWidth: 0, aliasDuplicateObjects: false }),
  }));

if (import.meta.main) {
  for (const { file, text } of crdFiles()) {
    if (!process.argv.includes('--check')) writeFileSync(file, text);
    else if (readFileSync(file, 'utf8') !== text) {
      console.error(`${file.pathname} is not what crds/ says; run: npm run generate`);
      process.exitCode = 1;
    }
  }
}
