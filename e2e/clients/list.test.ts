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
    '| client | its line | what to know |\n| --- | --- | --- |',
    ...rows.map(({ name, line, note = '' }) => `| ${name} | \`${line}\` | ${note} |`),
    NOT_TESTED,
    ...rows.map((row) => `\n### ${row.name}\n\n${section(row)}`),
  ];
  return format(parts.join('\n'), { ...(await resolveConfig(document)), parser: 'markdown' });
}

function section({ version, source, negotiates, works }: Client): string {
  return `${version} (${source}); a connection agrees on ${negotiates}.\n\n${works.map((title) => `- ${title}`).join('\n')}`;
}

const INTRODUCTION = `# Clients

Each with the line that a user types. How to set up the larger ones (VS Code, Ansible, JetBrains, GitHub Actions): [recipes.md](recipes.md). \`hello\` stands for an entry in \`ssh_config\`:

\`\`\`
Host hello
  HostName ssh.example.com
  Port 2222
  User acme-hello
  IdentityFile ~/.ssh/hello
\`\`\`
`;

const NOT_TESTED = `| JetBrains Gateway | \`hello\` as the host of a new SSH connection | Not run by our tests. [recipes.md](recipes.md#jetbrains-gateway) |
| GitHub Actions | \`ssh -i ~/.ssh/key -p 2222 acme-hello-ci@ssh.example.com ./migrate\` | Not run by our tests. [recipes.md](recipes.md#github-actions) |
| WinSCP, FileZilla, Cyberduck | \`sftp://acme-hello@ssh.example.com:2222\` | Not run by our tests. WinSCP wants the key as a \`.ppk\`: [key-pairs.md](key-pairs.md#a-pem) |
| mosh | – | Impossible: it speaks UDP to a server on the pod, and only SSH leads there. |

## What is tested of each

Each of these logs in through the piper to a pod on a real cluster, in \`npm run test:e2e\` (\`e2e/clients\`), and what it transfers is compared. This
page is written from the tests' own list (\`e2e/clients/list.ts\`), and a test compares the two.
`;
