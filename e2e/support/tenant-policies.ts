import { readFileSync } from 'node:fs';

/** The NetworkPolicies of docs/network-policies.md, as they stand there: for a namespace that has policies, and for one that has none. */
export function tenantPolicies(): [string, string] {
  const text = readFileSync(new URL('../../docs/network-policies.md', import.meta.url), 'utf8');
  const documents = [...text.matchAll(/^```yaml\n([^]*?)^```/gm)].map(([, yaml = '']) => yaml);
  const [closed, open, ...more] = documents.filter((yaml) => yaml.includes('kind: NetworkPolicy'));
  if (closed === undefined || open === undefined || more.length > 0) throw new Error('it has another number of them');
  return [closed, open];
}
