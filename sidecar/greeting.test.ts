import { expect, test } from 'vitest';
import { DEFAULT_POLICIES } from '../crds/session-policy.ts';
import type { Entry } from './entry.ts';
import { greeting, type GreetingInput } from './greeting.ts';

const app = {
  pid: 7,
  start: 1,
  uid: 1000,
  gid: 1000,
  groups: [],
  noNewPrivs: true,
  capabilityBound: '0',
  cwd: '/',
  environ: Buffer.alloc(0),
  passwd: Buffer.alloc(0),
  group: Buffer.alloc(0),
};
const toolbox: Entry = { kind: 'toolbox', app: undefined, notice: 'sshaccess: this is the toolbox.', unexpected: true };
const input: GreetingInput = {
  namespace: 'acme',
  podName: 'hello-5d8f',
  container: 'app',
  entry: { kind: 'chroot', app },
  account: { name: 'app' },
  uid: 1000,
  policy: DEFAULT_POLICIES.limited,
  since: new Date('2026-11-21T10:00:00Z'),
  expiresAt: undefined,
  audited: true,
};

test('in the app: where, as whom, until when, and that it is recorded', () => {
  expect(greeting(input)).toEqual([
    'sshaccess: acme/hello-5d8f, container "app"; you are app, uid 1000.',
    'sshaccess: what you run is recorded; the connection ends at 2026-11-21 18:00 UTC, or when idle for 30 min.',
  ]);
});

test('in the toolbox its notice is said once, between the others', () => {
  expect(greeting({ ...input, entry: toolbox, account: { name: 'limited' }, uid: 61_001 })).toEqual([
    'sshaccess: acme/hello-5d8f; you are limited, uid 61001.',
    'sshaccess: this is the toolbox.',
    'sshaccess: what you run is recorded; the connection ends at 2026-11-21 18:00 UTC, or when idle for 30 min.',
  ]);
});

test('the earlier end counts, and one that cannot be read does not', () => {
  const end = (expiresAt: string) => greeting({ ...input, expiresAt }).at(-1);
  expect(end('2026-11-21T17:30:59Z')).toContain('ends at 2026-11-21 17:30 UTC,');
  expect(end('2026-12-21T17:30:59Z')).toContain('ends at 2026-11-21 18:00 UTC,');
  expect(end('soon')).toContain('ends at 2026-11-21 18:00 UTC,');
});

test('what does not apply is not said', () => {
  const policy = { ...DEFAULT_POLICIES.root, idleTimeoutSeconds: 0 };
  expect(greeting({ ...input, policy, audited: false, namespace: '', podName: '' })).toEqual([
    'sshaccess: container "app"; you are app, uid 1000.',
  ]);
  expect(greeting({ ...input, policy, entry: toolbox, namespace: '', podName: '' })).toEqual([
    'sshaccess: you are app, uid 1000.',
    'sshaccess: this is the toolbox.',
    'sshaccess: what you run is recorded.',
  ]);
});
