import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { CRD_FILE, crdText } from './generate.ts';
import { SshAccessSpec } from './ssh-access.ts';
import { DEFAULT_POLICIES, acceptsEnvironment, isWithin } from './session-policy.ts';
import { structuralSchema } from './structural.ts';
import { roleOf, username } from './usernames.ts';

const examples = new URL('./examples/', import.meta.url);
const Manifest = z.object({ kind: z.literal('SshAccess'), spec: SshAccessSpec });

test('the committed CRD is the one that crds/ describes', () => {
  expect(readFileSync(CRD_FILE, 'utf8')).toBe(crdText());
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

test('a policy is within a ceiling only if nothing of it exceeds the ceiling', () => {
  const { root, limited } = DEFAULT_POLICIES;
  expect(isWithin(limited, root)).toBe(true);
  expect(isWithin(root, limited)).toBe(false);
  expect(isWithin({ ...limited, maxSessions: 3 }, limited)).toBe(false);
  expect(isWithin({ ...limited, localForwarding: 'loopback' }, limited)).toBe(false);
  expect(isWithin({ ...limited, clientEnvironment: ['LD_PRELOAD'] }, limited)).toBe(false);
});

test('a client may set what the policy names and nothing else', () => {
  const accepts = (name: string) => acceptsEnvironment(DEFAULT_POLICIES.limited, name);
  expect(['LANG', 'LC_ALL', 'TERM'].every(accepts)).toBe(true);
  expect(['LD_PRELOAD', 'PATH', 'BASH_ENV', 'LANGUAGE', 'GIT_DIR', 'lang'].some(accepts)).toBe(false);
});
