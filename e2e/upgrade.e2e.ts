/**
 * From the chart's previous version to this one and back, as docs/operations.md says: keys, certificates, SshAccesses and
 * sessions stay. The programs are today's: an older version's images are not there.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { HeldShell } from './support/held-shell.ts';
import { helm, HELM_TEST_MS, helmAndWait, helmUpgrade } from './support/helm.ts';
import { get, kubectl } from './support/kubectl.ts';
import { disposeScratch, rootLogin, ssh } from './support/openssh.ts';
import { succeed } from './support/process.ts';

const PREVIOUS = 'e2e/testdata/sshaccess-0.1.0.tgz';
const folder = mkdtempSync(join(tmpdir(), 'sshaccess-upgrade-'));
const shells: HeldShell[] = [];

const applyCrds = (...from: string[]): Promise<string> =>
  kubectl('apply', '--server-side', '--force-conflicts', ...from.flatMap((path) => ['-f', path]));

const Secret = z.object({ metadata: z.object({ name: z.string() }), data: z.record(z.string(), z.string()) });
const Secrets = z.object({ items: z.array(Secret) });
const Configuration = z.object({
  webhooks: z.array(z.object({ name: z.string(), clientConfig: z.object({ caBundle: z.string() }) })),
});
const Access = z.object({
  metadata: z.object({ uid: z.string(), generation: z.int() }),
  status: z.object({ users: z.array(z.object({ username: z.string() })) }),
});

/** What users and the API server have learned to trust, and what users have asked for. */
async function lasting(): Promise<unknown> {
  const secrets = await get(
    Secrets,
    'secrets',
    '-n',
    demo().systemNamespace,
    '-l',
    'app.kubernetes.io/part-of=sshaccess',
  );
  const { webhooks } = await get(Configuration, 'mutatingwebhookconfiguration', 'sshaccess-webhook');
  return {
    secrets: Object.fromEntries(secrets.items.map(({ metadata, data }) => [metadata.name, data])),
    trusted: webhooks[0],
    access: await get(Access, 'sshacc', 'hello', '-n', 'acme'),
  };
}

/** All Secrets of ours, but for those in which Helm keeps its releases, and the keys of the demo's pods. */
async function everySecret(): Promise<unknown> {
  const noRelease = ['--field-selector', 'type!=helm.sh/release.v1'];
  const { items } = await get(Secrets, 'secrets', '-n', demo().systemNamespace, ...noRelease);
  const { data } = await get(Secret, 'secret', 'hello-sshaccess', '-n', 'acme');
  return [...items.map((secret) => [secret.metadata.name, secret.data]), data];
}

const version = async (): Promise<string> => {
  const Releases = z.array(z.object({ chart: z.string() }));
  return Releases.parse(JSON.parse(await helm('list', '--output', 'json')))[0]?.chart ?? '';
};

/** Of the same gateway, by its host key; with a program of the operator's work between, since the route is read anew. */
async function serves(): Promise<void> {
  await eventually(async () => expect(await ssh(rootLogin(), 'echo in')).toMatchObject({ code: 0, stdout: 'in\n' }));
  for (const shell of shells) await shell.prove();
}

let before: unknown;
let previousRevision = '';

beforeAll(async () => {
  const Values = z.object({
    image: z.object({ tag: z.string() }),
    endpoint: z.object({ host: z.string(), port: z.int() }),
  });
  const { image, endpoint } = Values.parse(
    JSON.parse(await helm('get', 'values', 'sshaccess', '--all', '--output', 'json')),
  );
  writeFileSync(join(folder, 'values.json'), JSON.stringify({ image: { tag: image.tag }, endpoint }));
  before = await lasting();
  expect(before).toMatchObject({
    secrets: {
      'sshaccess-piper-host-keys': { 'ed25519-host-key': expect.any(String) },
      'sshaccess-webhook-tls': { 'tls.crt': expect.any(String) },
    },
  });
  await succeed(['tar', '-xzf', PREVIOUS, '-C', folder]);
  await applyCrds(join(folder, 'sshaccess/crds'));
  await helmAndWait('upgrade', 'sshaccess', PREVIOUS, '--reset-values', ...given());
  const History = z.array(z.object({ revision: z.int() }));
  const history = History.parse(JSON.parse(await helm('history', 'sshaccess', '--output', 'json')));
  previousRevision = String(history.at(-1)?.revision);
  shells.push(...(await HeldShell.openAll([rootLogin(), rootLogin()])));
});

const given = (): string[] => ['--values', 'e2e/demo/values.yaml', '--values', join(folder, 'values.json')];

afterAll(async () => {
  for (const shell of shells) shell.end();
  // What the other files find: this version, with what the demo gives it.
  await applyCrds('charts/sshaccess/crds');
  await helmAndWait('upgrade', 'sshaccess', 'charts/sshaccess', '--reset-then-reuse-values', ...given());
  rmSync(folder, { recursive: true });
  disposeScratch();
});

test(
  'an upgrade from the previous version drops nobody, and changes no key, certificate or SshAccess',
  { timeout: HELM_TEST_MS },
  async () => {
    expect(await version()).toBe('sshaccess-0.1.0');
    await serves();
    await applyCrds('charts/sshaccess/crds');
    // With the values of before only, which know nothing of what is new.
    await helmUpgrade();
    expect(await version()).not.toBe('sshaccess-0.1.0');
    await serves();
    expect(await lasting()).toMatchObject(Object(before));
  },
);

test('nor does a rollback', { timeout: HELM_TEST_MS }, async () => {
  await helmAndWait('rollback', 'sshaccess', previousRevision);
  expect(await version()).toBe('sshaccess-0.1.0');
  await serves();
  expect(await lasting()).toMatchObject(Object(before));
});

test('nor do helm upgrade and a restart of every program', { timeout: HELM_TEST_MS }, async () => {
  const kept = await everySecret();
  await helmUpgrade();
  const where = ['-n', demo().systemNamespace];
  await kubectl('rollout', 'restart', 'deployment', ...where);
  for (const name of (await kubectl('get', 'deployments', ...where, '-o', 'name')).trim().split('\n'))
    await kubectl('rollout', 'status', ...where, name, '--timeout=150s');
  expect(await everySecret()).toEqual(kept);
  await serves();
});
