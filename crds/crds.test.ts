import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { crdFiles } from './generate.ts';
import { SshAccessSpec } from './ssh-access.ts';
import { isWithin, narrow } from './policy-bounds.ts';
import {
  acceptsCommand,
  acceptsEnvironment,
  acceptsLocalPort,
  DEFAULT_POLICIES,
  type SessionPolicy,
} from './session-policy.ts';
import { structuralSchema } from './structural.ts';
import { roleOf, username, usernamesOf } from './usernames.ts';

const examples = new URL('./examples/', import.meta.url);
const Manifest = z.object({ kind: z.literal('SshAccess'), spec: SshAccessSpec });

test.each(crdFiles())('the committed $name is the one that crds/ describes', ({ file, text }) => {
  expect(readFileSync(file, 'utf8')).toBe(text);
});

test.each(readdirSync(examples))('example %s parses', (file) => {
  const parsed = Manifest.safeParse(parse(readFileSync(new URL(file, examples), 'utf8')));
  expect(parsed.error).toBeUndefined();
});

test('defaults are the ones the API server applies', () => {
  const spec = SshAccessSpec.parse({ target: { name: 'hello' }, users: [{ secretRef: { name: 'key' } }] });
  expect(spec).toEqual({
    enabled: true,
    target: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'hello' },
    runtime: 'sidecar',
    rollout: 'Automatic',
    users: [{ secretRef: { name: 'key' } }],
    audit: { logging: true },
  });
});

const Described = z.looseObject({
  description: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).default({}),
  items: z.looseObject({ properties: z.unknown().optional() }).optional(),
});

/** Fields of the spec that `kubectl explain` could say nothing about. */
function undescribed(schema: unknown, path: string): string[] {
  const { description, properties, items } = Described.parse(schema);
  return [
    ...(description === undefined ? [path] : []),
    ...Object.entries(properties).flatMap(([name, field]) => undescribed(field, `${path}.${name}`)),
    ...(items?.properties === undefined ? [] : undescribed(items, `${path}[]`)),
  ];
}

test('kubectl explain has a sentence for every field of the spec', () => {
  expect(undescribed(structuralSchema(SshAccessSpec.describe('The spec.')), 'spec')).toEqual([]);
});

test('a schema that the API server would refuse is refused here', () => {
  expect(() => structuralSchema(z.object({ either: z.union([z.string(), z.int()]) }))).toThrow('anyOf');
});

test('usernames and roles follow from organization, slug and suffix', () => {
  expect(username('acme', 'my-llm')).toBe('acme-my-llm');
  expect(username('acme', 'my-llm', 'dev')).toBe('acme-my-llm-dev');
  expect(roleOf({ secretRef: { name: 'k' } })).toBe('root');
  expect(roleOf({ suffix: 'dev', secretRef: { name: 'k' } })).toBe('limited');
  expect(roleOf({ suffix: 'dev', access: 'root', secretRef: { name: 'k' } })).toBe('root');
});

test('all usernames, the primary one first; none where the label of the namespace can begin none', () => {
  const named = (spec: object, label?: string) => {
    const users = [{ suffix: 'dev' }, {}, { suffix: 'a' }];
    const metadata = { name: 'my-llm', namespace: 'team', uid: 'u' };
    return usernamesOf({ metadata, spec: { users, ...spec } }, label);
  };
  expect(named({})).toEqual(['team-my-llm', 'team-my-llm-dev', 'team-my-llm-a']);
  expect(named({ slug: 'bot' }, 'acme')[0]).toBe('acme-bot');
  expect(named({ organization: 'own' }, 'Acme.Inc')[0]).toBe('own-my-llm');
  for (const label of ['Acme', 'a.b', 'a-', '', 'a\n', 'a'.repeat(64)]) expect(named({}, label)).toEqual([]);
});

test.each(['relative', '/', '/dir/', '/a/../b', '/a/./b', '/..', '/../b', '/a\n/../b', '/a:b'])(
  'authorizedKeysPath %j names no file',
  (authorizedKeysPath) => {
    const mainContainer = { managed: false, user: 'deploy', authorizedKeysPath };
    const spec = { target: { name: 'hello' }, users: [{ secretRef: { name: 'key' } }], mainContainer };
    expect(SshAccessSpec.safeParse(spec).success).toBe(false);
  },
);

test('D1: a policy is within a ceiling only if nothing of it exceeds the ceiling', () => {
  const { root, limited } = DEFAULT_POLICIES;
  expect(isWithin(limited, root)).toBe(true);
  expect(isWithin(root, limited)).toBe(false);
  expect(isWithin({ ...limited, maxSessions: 3 }, limited)).toBe(false);
  expect(isWithin({ ...limited, localForwarding: 'loopback' }, limited)).toBe(false);
  expect(isWithin({ ...limited, clientEnvironment: ['LD_PRELOAD'] }, limited)).toBe(false);
});

const { limited: ceiling } = DEFAULT_POLICIES;
const confined = {
  ...ceiling,
  localForwarding: 'loopback',
  localPorts: [80, 443],
  commands: ['date', 'uptime'],
} as const;
const policy = (changes: Partial<SessionPolicy>): SessionPolicy => ({
  ...confined,
  localPorts: [...confined.localPorts],
  commands: [...confined.commands],
  sftp: { access: 'read-only', paths: ['/data', '/srv/www'] },
  ...changes,
});

test.each<[string, Partial<SessionPolicy>, boolean]>([
  ['the same', {}, true],
  ['fewer ports', { localPorts: [80] }, true],
  ['another port', { localPorts: [80, 22] }, false],
  ['every port', { localPorts: null }, false],
  ['no command', { commands: [] }, true],
  ['another command', { commands: ['date', 'sh'] }, false],
  ['a shell', { commands: null }, false],
  ['a directory below', { sftp: { access: 'read-only', paths: ['/data/a'] } }, true],
  ['a directory that begins alike', { sftp: { access: 'read-only', paths: ['/database'] } }, false],
  ['a directory above', { sftp: { access: 'read-only', paths: ['/'] } }, false],
  ['every directory', { sftp: { access: 'read-only', paths: null } }, false],
  ['writing', { sftp: { access: 'read-write', paths: ['/data'] } }, false],
  ['no sftp', { sftp: { access: 'none', paths: null } }, true],
  ['sooner idle', { idleTimeoutSeconds: 60 }, true],
  ['never idle', { idleTimeoutSeconds: 0 }, false],
  ['longer', { maxDurationSeconds: 9 * 3600 }, false],
  ['-R', { remoteForwarding: 'loopback' }, false],
  ['sockets', { socketForwarding: true }, false],
  ['the agent', { agentForwarding: true }, false],
  ['X11', { x11Forwarding: true }, false],
  ['no terminal', { pty: false }, true],
  ['a forced command', { forceCommand: true }, true],
])('bounds: %s', (_what, changes, expected) => {
  expect(isWithin(policy(changes), policy({}))).toBe(expected);
  // What both allow is always within both.
  const both = narrow(policy(changes), policy({}));
  expect(isWithin(both, policy({}))).toBe(true);
  expect(isWithin(both, policy(changes))).toBe(true);
});

test('a directory and one in it are one', () => {
  const nested = policy({ sftp: { access: 'read-only', paths: ['/data', '/data/a', '/data'] } });
  expect(narrow(nested, nested).sftp.paths).toEqual(['/data']);
  expect(isWithin(nested, policy({}))).toBe(true);
  expect(isWithin(policy({ sftp: { access: 'read-only', paths: ['/data'] } }), nested)).toBe(true);
});

test('a command is compared byte for byte, a port with the list', () => {
  const listed = policy({});
  expect(['date', 'uptime'].every((text) => acceptsCommand(listed, Buffer.from(text)))).toBe(true);
  for (const text of ['', 'date ', ' date', 'date; sh', 'date\0', 'dat', 'DATE'])
    expect(acceptsCommand(listed, Buffer.from(text))).toBe(false);
  expect(acceptsCommand(policy({ commands: null }), Buffer.from([0xff]))).toBe(true);
  expect([80, 22, 0, 65_536].map((port) => acceptsLocalPort(listed, port))).toEqual([true, false, false, false]);
  expect(acceptsLocalPort(policy({ localForwarding: 'none' }), 80)).toBe(false);
});

test('a client may set what the policy names and nothing else', () => {
  const accepts = (name: string) => acceptsEnvironment(DEFAULT_POLICIES.limited, name);
  expect(['LANG', 'LC_ALL', 'TERM'].every(accepts)).toBe(true);
  expect(['LD_PRELOAD', 'PATH', 'BASH_ENV', 'LANGUAGE', 'GIT_DIR', 'lang'].some(accepts)).toBe(false);
  const { root } = DEFAULT_POLICIES;
  expect(acceptsEnvironment(root, 'GIT_SSH_COMMAND')).toBe(true);
  const generous = { ...root, clientEnvironment: ['S*', 'SSHACCESS_*', 'SSHACCESS_ROLE'] };
  expect(acceptsEnvironment(generous, 'SHLVL')).toBe(true);
  expect(acceptsEnvironment(generous, 'SSHACCESS_ROLE')).toBe(false);
  const listed = { ...root, commands: ['git pull'] };
  expect(['LC_ALL', 'GIT_SSH_COMMAND', 'GIT_CONFIG_COUNT'].map((name) => acceptsEnvironment(listed, name))).toEqual([
    true,
    false,
    false,
  ]);
});
