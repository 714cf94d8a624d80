import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { projectFolder } from '../places.ts';
import { judgeAudit } from './audit.ts';
import { bundledPackages } from './packages.ts';
import { billOfMaterials } from './sbom.ts';

/** A project with these packages in node_modules, and what esbuild would say of a bundle of all of them. */
async function projectWith(packages: Readonly<Record<string, object>>) {
  const project = await mkdtemp(join(tmpdir(), 'sshaccess-packages-'));
  onTestFinished(() => rm(project, { recursive: true }));
  for (const [folder, manifest] of Object.entries(packages)) {
    await mkdir(join(project, folder), { recursive: true });
    await writeFile(join(project, folder, 'package.json'), JSON.stringify({ version: '1.0.0', ...manifest }));
  }
  const inputs = Object.fromEntries(
    ['lib/own.ts', ...Object.keys(packages).map((folder) => `${folder}/lib/index.js`)].map((path) => [
      path,
      { bytesInOutput: 1 },
    ]),
  );
  const output = { bytes: 1, inputs, imports: [], exports: [] };
  return { project, metafile: { outputs: { 'main.mjs': output } } };
}

test('a bundle is made of the packages that files of it come from, nested and scoped ones too', async () => {
  const { project, metafile } = await projectWith({
    'node_modules/plain': { name: 'plain', license: 'MIT' },
    'node_modules/@scope/one': { name: '@scope/one', license: 'Apache-2.0' },
    'node_modules/plain/node_modules/nested': { name: 'nested', licenses: [{ type: 'ISC' }] },
  });
  const packages = await bundledPackages(project, metafile);
  expect(packages.map(({ name, licence }) => `${name} ${licence}`)).toEqual([
    '@scope/one Apache-2.0',
    'plain MIT',
    'nested ISC',
  ]);
  const bill: unknown = JSON.parse(await billOfMaterials('sshaccess-test', packages));
  expect(bill).toMatchObject({
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    metadata: { component: { name: 'sshaccess-test', licenses: [{ license: { id: 'Apache-2.0' } }] } },
    components: [
      { name: '@scope/one', purl: 'pkg:npm/%40scope/one@1.0.0', licenses: [{ license: { id: 'Apache-2.0' } }] },
      { name: 'plain', purl: 'pkg:npm/plain@1.0.0' },
      { name: 'nested' },
    ],
  });
});

test.each([['GPL-3.0-only'], ['(MIT OR GPL-3.0)'], ['SEE LICENSE IN LICENSE'], [undefined]])(
  'a package whose licence is %s comes into no bundle',
  async (license) => {
    const { project, metafile } = await projectWith({ 'node_modules/odd': { name: 'odd', license } });
    await expect(bundledPackages(project, metafile)).rejects.toThrow(/odd 1\.0\.0 has the licence .* does not allow/);
  },
);

const AUDIT = {
  vulnerabilities: {
    deep: { via: [{ source: 1, url: 'https://example.com/advisories/GHSA-1', title: 'a hole', severity: 'high' }] },
    shallow: { via: ['deep'] },
  },
};

test('an audit fails for a hole, for an exception that is over or idle, and where nobody has looked', () => {
  const exception = { advisory: 'GHSA-1', because: 'we never call it', until: '2027-01-31' };
  const report = JSON.stringify(AUDIT);
  expect(judgeAudit(report, [], '2027-01-01')).toEqual(['deep: high: a hole (https://example.com/advisories/GHSA-1)']);
  expect(judgeAudit(report, [exception], '2027-01-31')).toEqual([]);
  expect(judgeAudit(report, [exception], '2027-02-01')).toHaveLength(1);
  const none = JSON.stringify({ vulnerabilities: {} });
  expect(judgeAudit(none, [], '2027-01-01')).toEqual([]);
  expect(judgeAudit(none, [exception], '2027-01-01')).toEqual([expect.stringContaining('GHSA-1 excepts nothing')]);
  expect(judgeAudit('{"message":"405 Method Not Allowed"}', [], '2027-01-01')).toEqual([
    expect.stringContaining('NOBODY HAS LOOKED: 405'),
  ]);
  expect(judgeAudit('<html>', [], '2027-01-01')).toEqual([expect.stringContaining('NOBODY HAS LOOKED: <html>')]);
  expect(judgeAudit('', [], '2027-01-01')).toEqual([expect.stringContaining('NOBODY HAS LOOKED: npm said nothing')]);
});

test('our own three images run as nobody; the sidecar’s leaves it to the webhook, which decides in each pod', async () => {
  const text = await readFile(join(projectFolder, 'Dockerfile'), 'utf8');
  const targets = text.split(/^FROM .* AS /m).slice(1);
  const users = targets.map((target) => [target.split('\n', 1)[0], /^USER (.*)$/m.exec(target)?.[1]]);
  expect(Object.fromEntries(users)).toEqual({
    operator: '65532:65532',
    webhook: '65532:65532',
    piper: '65532:65532',
    sidecar: undefined,
  });
});
