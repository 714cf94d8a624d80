import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { expect, test } from 'vitest';
import { type Client, CLIENTS } from './list.ts';

const document = join(import.meta.dirname, '../../docs/clients.md');

test('docs/clients.md is what the list says (npx vitest run --project unit e2e/clients -u)', async () => {
  await expect(await clientsDocument()).toMatchFileSnapshot(document);
});

test('every row of the list has its tests', () => {
  const files = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.e2e.ts'));
  const sources = files.map((file) => readFileSync(join(import.meta.dirname, file), 'utf8')).join('\n');
  const described = [...sources.matchAll(/^describeClient\('(\w+)'/gm)].map(([, id]) => id);
  expect(new Set(described)).toEqual(new Set(Object.keys(CLIENTS)));
  expect(described).toHaveLength(Object.keys(CLIENTS).length);
});

async function clientsDocument(): Promise<string> {
  const rows: Client[] = Object.values(CLIENTS);
  const parts = [
    INTRODUCTION,
    '| client | tested | from | a connection agrees on |\n| --- | --- | --- | --- |',
    ...rows.map((row) => `| ${row.name} | ${row.version} | ${row.source} | ${row.negotiates} |`),
    ...rows.map((row) => `\n## ${row.name}\n\n${section(row)}`),
    NOT_TESTED,
  ];
  return format(parts.join('\n'), { ...(await resolveConfig(document)), parser: 'markdown' });
}

function section({ line, works, note }: Client): string {
  const parts = [`\`\`\`\n${line}\n\`\`\``, works.map((title) => `- ${title}`).join('\n'), note ?? ''];
  return parts.filter((part) => part !== '').join('\n\n');
}

const INTRODUCTION = `# Clients

Every client here logs in through the piper to a pod on a real cluster, in \`npm run test:e2e\` (\`e2e/clients\`), and what it
transfers is compared. This page is written from the tests' own list (\`e2e/clients/list.ts\`), and a test compares the two.
\`hello\` stands for an entry in \`ssh_config\`:

\`\`\`
Host hello
  HostName ssh.example.com
  Port 2222
  User acme-hello
  IdentityFile ~/.ssh/hello
\`\`\`
`;

const NOT_TESTED = `
## Not here

- JetBrains Gateway, WinSCP, FileZilla, Cyberduck: exec, sftp and \`-L\`, as the rows above; not run here.
- mosh: impossible. It speaks UDP to a server on the pod, and only SSH leads there.
`;
