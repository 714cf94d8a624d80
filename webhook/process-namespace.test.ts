import { describe, expect, test } from 'vitest';
import { Pod } from './pod.ts';
import { decideProcessNamespace, withProcessNamespace } from './process-namespace.ts';

const pod = (spec: object = {}, annotations: Record<string, string> = {}): Pod =>
  Pod.parse({ metadata: { annotations }, spec: { containers: [{ name: 'app', image: 'app' }], ...spec } });
const running = (container: object): Pod => pod({ containers: [{ name: 'app' }, { name: 'other', ...container }] });

/** A pod that an earlier round of ours, or that of the pod it was copied from, has left with `share`. */
const injected = (share: boolean | undefined, processNamespaceReason?: string): Pod => {
  const record = { version: 1, access: 'a', container: 'app', sessionEntry: 'chroot', rootUid: 0, limitedUid: 61_000 };
  const spec = {
    initContainers: [{ name: 'sshaccess' }],
    ...(share !== undefined && { shareProcessNamespace: share }),
  };
  return pod(spec, { 'sshaccess.dev/injected': JSON.stringify({ ...record, processNamespaceReason }) });
};

const s6 = { command: ['/init'] };

test.each([
  ['nothing is said', pod(), undefined, 'shared', 'default', true],
  ['the SshAccess says Isolated', pod(), 'Isolated', 'isolated', 'ssh-access', undefined],
  ['the SshAccess says Shared', pod(), 'Shared', 'shared', 'ssh-access', true],
  ['the app insists', running(s6), undefined, 'isolated', 'insists-on-pid-1', undefined],
  ['the app insists, the SshAccess knows better', running(s6), 'Shared', 'shared', 'ssh-access', true],
  ['the pod says true', pod({ shareProcessNamespace: true }), 'Isolated', 'shared', 'pod-spec', true],
  ['the pod says false', pod({ shareProcessNamespace: false }), 'Shared', 'isolated', 'pod-spec', false],
  ['we said true', injected(true, 'default'), undefined, 'shared', 'default', true],
  ['we said true for what is Isolated now', injected(true, 'default'), 'Isolated', 'isolated', 'ssh-access', undefined],
  ['we said nothing for what is Shared now', injected(undefined, 'ssh-access'), 'Shared', 'shared', 'ssh-access', true],
  ['the pod said true to an earlier round', injected(true, 'pod-spec'), 'Isolated', 'shared', 'pod-spec', true],
  ['another webhook said false after us', injected(false, 'default'), 'Shared', 'isolated', 'pod-spec', false],
  ['an earlier version did not tell who said true', injected(true), 'Isolated', 'shared', 'pod-spec', true],
] as const)('%s', (...[, subject, asked, is, because, share]) => {
  const decision = decideProcessNamespace(subject, asked);
  expect(decision).toEqual({ is, because });
  expect(withProcessNamespace(subject, decision).shareProcessNamespace).toBe(share);
});

describe('known to insist on being process 1', () => {
  test.each([
    [{ command: ['/init'] }],
    [{ command: ['/sbin/init', '--log-level=err'] }],
    [{ command: ['/usr/lib/systemd/systemd'] }],
    [{ args: ['/usr/sbin/init'], image: 'debian' }],
    [{ image: 'linuxserver/nginx' }],
    [{ image: 'lscr.io/linuxserver/code-server:4.1@sha256:0123' }],
    [{ image: 'ghcr.io/home-assistant/home-assistant:stable' }],
    [{ image: 'localhost:5000/team/web-s6:1' }],
    [{ image: 'registry.access.redhat.com/ubi9/ubi-init:latest' }],
    [{ image: 'registry.access.redhat.com/ubi9-init' }],
  ])('%j', (container) => {
    expect(decideProcessNamespace(running(container), undefined).is).toBe('isolated');
  });
  test('an init container counts too, our own does not', () => {
    expect(decideProcessNamespace(pod({ initContainers: [{ name: 'first', ...s6 }] }), undefined).is).toBe('isolated');
    expect(decideProcessNamespace(pod({ initContainers: [{ name: 'sshaccess', ...s6 }] }), undefined).is).toBe(
      'shared',
    );
  });
});

test.each([
  [{ command: ['/usr/bin/tini', '--', '/app'] }],
  [{ command: ['dumb-init', '/app'] }],
  [{ image: 'hashicorp/terraform', args: ['init'] }],
  [{ command: ['/app/init'] }],
  [{ command: ['systemd-notify'] }],
  // The command replaces the entry point by which the image insists.
  [{ image: 'linuxserver/nginx', command: ['nginx'] }],
  [{ image: 'linuxserver.example.com/nginx' }],
  [{ image: 'registry.example.com/s6tools/app' }],
  [{ image: 'db-init' }],
  [{}],
])('not known to insist: %j', (container) => {
  expect(decideProcessNamespace(running(container), undefined).is).toBe('shared');
});
