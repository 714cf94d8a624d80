import { expect, test } from 'vitest';
import { INIT_FAILURES, type SshdSetup } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';
import type { Outcome, ProbeTarget } from './probe/outcome.ts';
import { sshdFinding } from './sshd-findings.ts';
import { mainPod, mainRecord } from './testing/samples.ts';

const target: ProbeTarget = {
  pod: 'uid-of-web-1',
  container: 'c1',
  address: '10.0.0.1',
  port: 2222,
  username: 'acme-web',
  mappingKey: '',
  hostKeys: [],
  isLearning: true,
};
const ended = (message: string, exitCode = 1): AccessPod =>
  mainPod('web-1', { isReady: false }, { isRunning: false, ended: { exitCode, message } });
const running = (setup: SshdSetup = 'init-script') =>
  mainPod('web-1', { isReady: false, record: mainRecord(setup) }, { ports: [8080] });
const reason = (pod: AccessPod, outcome?: Outcome) => sshdFinding(pod, outcome, target)?.reason;

test.each([
  ['refused', { result: 'refused' }, 'SshdNotListening'],
  ['behind a NetworkPolicy', { result: 'unreachable', detail: 'timeout' }, 'SshdUnreachable'],
  ['silent', { result: 'silent' }, 'SshdSilent'],
  ['a web server', { result: 'not-ssh' }, 'NotSsh'],
  ['another host key', { result: 'other-host-key', ident: 'x' }, 'HostKeyMismatch'],
  ['our key is not there', { result: 'key-refused', ident: 'x' }, 'MappingKeyRefused'],
  ['no algorithm in common', { result: 'failed', ident: 'x', detail: 'nothing in common' }, 'SshdLoginFailed'],
] as const)('what a probe says: %s', (_, outcome, expected) => {
  for (const setup of ['init-script', 'image', 'unmanaged'] as const) {
    const found = sshdFinding(running(setup), outcome, target);
    expect(found?.reason).toBe(expected);
    // Which pod, and what to do.
    expect(found?.message).toMatch(/container app of pod web-1\b.*(?:must|see|let|give|correct|restart|set) /s);
  }
});

test('nobody listens: the sentence fits who sets sshd up', () => {
  const message = (setup: SshdSetup) => sshdFinding(running(setup), { result: 'refused' }, target)?.message;
  expect(message('init-script')).toMatch(
    /port 2222 .* which declares port 8080; .*\/ssh-init\/05-ssh-init\.sh .* SSH_CONTAINER_ROLE is sidecar/,
  );
  expect(message('image')).toMatch(/SSH_PORT where SSH_CONTAINER_ROLE is sidecar/);
  expect(message('unmanaged')).toMatch(/spec\.mainContainer\.port/);
});

test.each([
  [
    'sshd is not installed',
    '/entrypoint.sh: line 80: /usr/sbin/sshd: No such file or directory',
    127,
    'NoOpensshServer',
  ],
  ['a shell that does not find it', 'sh: 1: sshd: not found', 127, 'NoOpensshServer'],
  [
    'the kubelet does not find it',
    'exec: "/usr/sbin/sshd": stat /usr/sbin/sshd: no such file or directory',
    128,
    'NoOpensshServer',
  ],
  ['something is not found, and nothing is said', '', 127, 'NoOpensshServer'],
  ['another program is not found', 'sh: 1: python3: not found', 127, 'MainContainerEnded'],
  ['no wrapper', 'ERROR: libnss_wrapper.so not found — cannot resolve SSH username', 1, 'NssWrapperMissing'],
  [
    'no volume',
    'ERROR: SSH runtime dir /ssh-runtime is missing; ensure the volume is mounted',
    1,
    'RuntimeVolumeMissing',
  ],
  ['no volume, by the shell', 'line 31: /ssh-runtime/nss-passwd: No such file or directory', 1, 'RuntimeVolumeMissing'],
  ['a volume of another', 'touch: /ssh-runtime/x: Permission denied', 1, 'RuntimeVolumeMissing'],
  ['modes of a host key', "Permissions 0644 for '/k' are too open.\nbad permissions: ignore key", 1, 'WrongModes'],
  ['modes of a host key, in capitals', '@ WARNING: UNPROTECTED PRIVATE KEY FILE! @', 1, 'WrongModes'],
  ['no host key is left', 'sshd: no hostkeys available -- exiting.', 1, 'WrongModes'],
  ['a cause of its own', 'Traceback (most recent call last)', 1, 'MainContainerEnded'],
  ['killed', '', 137, 'MainContainerEnded'],
] as const)('how a container ended: %s', (_, message, exitCode, expected) => {
  expect(reason(ended(message, exitCode))).toBe(expected);
});

const said = (word: string, sentence = 'this and that; do it.') => `some log\nsshaccess: [${word}] ${sentence}\n`;

test.each(INIT_FAILURES)('our init script says why: %s', (word) => {
  const found = sshdFinding(ended(said(word)), undefined, undefined);
  expect(found?.reason).toMatch(/^(?:NoOpensshServer|RuntimeVolumeMissing|BootstrapFailed|SshdSetupFailed)$/);
  if (word !== 'no-sshd') expect(found?.message).toContain('pod web-1: this and that; do it');
});

test('of users whom nobody knows it says which package is missing', () => {
  const sentence = 'user a has no passwd entry; install libnss-wrapper and let the entrypoint preload it.';
  expect(reason(ended(said('username', sentence)))).toBe('NssWrapperMissing');
  expect(reason(ended(said('username', 'user a is uid 7, but sshd runs as uid 8.')))).toBe('SshdSetupFailed');
});

test.each([
  ['an unknown word', said('root-me')],
  ['control characters', said('tools', 'a\u001B[31mred')],
  ['too long', said('tools', 'x'.repeat(600))],
])('a line that is not of our script is nobody’s: %s', (_, message) => {
  expect(reason(ended(message))).toBe('MainContainerEnded');
});

test('the log of the app itself never gets into status', () => {
  const found = sshdFinding(ended('password=hunter2\nsshd: not found password=hunter2'), undefined, undefined);
  expect(found?.message).not.toContain('hunter2');
  expect(sshdFinding(ended('password=hunter2'), undefined, undefined)?.message).not.toContain('hunter2');
});

test('why it ended before is told while nobody listens; whatever answers now is told instead', () => {
  const again = mainPod(
    'web-1',
    { isReady: false },
    { ended: { exitCode: 1, message: 'libnss_wrapper.so not found' } },
  );
  expect(reason(again)).toBe('NssWrapperMissing');
  expect(reason(again, { result: 'refused' })).toBe('NssWrapperMissing');
  expect(reason(again, { result: 'not-ssh' })).toBe('NotSsh');
  expect(reason({ ...again, isReady: true }, { result: 'reached', ident: 'x', hostKey: 'k' })).toBeUndefined();
});

test('of a pod that is starting nothing is said', () => {
  expect(sshdFinding(running(), undefined, target)).toBeUndefined();
  expect(
    sshdFinding(mainPod('web-1', { isReady: false }, { isRunning: false, id: '' }), undefined, undefined),
  ).toBeUndefined();
});
