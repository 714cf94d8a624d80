/** The real API server accepts every example and answers bad objects with sentences that help. */
import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { tryKubectl } from './support/kubectl.ts';

const examples = new URL('../crds/examples/', import.meta.url);
const dryRun = (manifest: string) => tryKubectl(['apply', '--dry-run=server', '-n', 'default', '-f', '-'], manifest);

test.each(readdirSync(examples))('example %s is accepted', async (file) => {
  const { code, stderr } = await dryRun(readFileSync(new URL(file, examples), 'utf8'));
  expect(stderr).toBe('');
  expect(code).toBe(0);
});

const primary = { secretRef: { name: 'key' } };
const named = (suffix: string) => ({ suffix, secretRef: { name: 'key' } });
const object = (spec: object, name = 'bad') => ({
  apiVersion: 'sshaccess.dev/v1alpha1',
  kind: 'SshAccess',
  metadata: { name },
  spec: { target: { name: 'app' }, users: [primary], ...spec },
});

describe('refused, with a sentence:', () => {
  test.each([
    ['two primary users', object({ users: [primary, primary] }), /exactly one user has no suffix/],
    ['no primary user', object({ users: [named('dev')] }), /exactly one user has no suffix/],
    ['a suffix twice', object({ users: [primary, named('dev'), named('dev')] }), /two users have the same suffix/],
    ['six users', object({ users: [primary, ...['a', 'b', 'c', 'd', 'e'].map(named)] }), /must have at most 5 items/],
    ['no user', object({ users: [] }), /should have at least 1 items/],
    ['a capital letter in a suffix', object({ users: [primary, named('Dev')] }), /use only a-z, 0-9 and -/],
    ['a dot in the organization', object({ organization: 'acme.com' }), /use only a-z, 0-9 and -/],
    ['a runtime that does not exist', object({ runtime: 'main' }), /supported values: "sidecar"/],
    [
      'a kind that is no workload',
      object({ target: { kind: 'Service', name: 'app' } }),
      /supported values: "Deployment", "StatefulSet", "DaemonSet"/,
    ],
    [
      'an access that does not exist',
      object({ users: [{ ...primary, access: 'admin' }] }),
      /supported values: "root", "limited"/,
    ],
    ['a date that is none', object({ users: [{ ...primary, expiresAt: 'tomorrow' }] }), /date-time/],
    ['too many sessions', object({ policy: { root: { maxSessions: 65 } } }), /should be less than or equal to 64/],
    ['a name too long for a Service', object({}, 'a'.repeat(54)), /more than 53 characters; choose a shorter name/],
    ['a name with a dot', object({}, 'my.llm'), /character other than a-z, 0-9 and -/],
    ['an unknown field', object({ shell: '/bin/zsh' }), /unknown field "spec.shell"/],
  ])('%s', async (_name, manifest, sentence) => {
    const { code, stderr } = await dryRun(stringify(manifest));
    expect(code).toBe(1);
    expect(stderr).toMatch(sentence);
  });
});
