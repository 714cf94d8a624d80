/** `npm run generate`: writes the CRD into the chart. `--check` writes nothing and fails if it would have changed. */
import { readFileSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { customResourceDefinition } from './custom-resource-definition.ts';

export const CRD_FILE = new URL('../charts/sshaccess/crds/sshaccesses.yaml', import.meta.url);
const HEADER = '# GENERATED from crds/ssh-access.ts by npm run generate. Do not edit.\n';

/** The text of the committed CRD file. */
export function crdText(): string {
  return HEADER + stringify(customResourceDefinition(), { lineWidth: 0, aliasDuplicateObjects: false });
}

if (import.meta.main) {
  const text = crdText();
  if (!process.argv.includes('--check')) writeFileSync(CRD_FILE, text);
  else if (readFileSync(CRD_FILE, 'utf8') !== text) {
    console.error('charts/sshaccess/crds/sshaccesses.yaml is not what crds/ says; run: npm run generate');
    process.exit(1);
  }
}
