import { expect, test } from 'vitest';
import { BOOTSTRAP_FAILED_MARK, SETUP_MARK } from '../crds/index.ts';
import { servingOf } from './serving.ts';
import { sshdConditions } from './sshd-conditions.ts';
import { access, mainPod } from './testing/samples.ts';

const user = (username: string, role: 'root' | 'limited') => ({
  username,
  role,
  uidOffset: 0,
  secretName: 'k',
  expiresAt: undefined,
  isPrimary: role === 'root',
});
const users = [user('acme-web', 'root'), user('acme-web-dev', 'limited')];
const main = { runtime: 'main_container' };
const image = { ...main, mainContainer: { setup: 'Image' } };
const patched = 'OpenSSH_10.0p1 Debian-7';

/** The conditions of an SshAccess with a pod for each ident, as `type reason message`. */
function told(spec: object, ...idents: readonly string[]) {
  const asked = access(spec).spec;
  const pods = idents.map((_, index) => mainPod(`web-${index}`));
  const sightings = pods.map((pod, index) => ({
    pod: pod.uid,
    container: pod.main?.id ?? '',
    hostKey: 'k',
    ident: idents[index] ?? '',
  }));
  const serving = servingOf(asked, pods, undefined);
  const found = sshdConditions({ spec: asked, users, serving, sightings, settingsSince: undefined });
  return Object.fromEntries(
    found.map(({ type, holds, finding }) => [type, `${holds} ${finding.reason}: ${finding.message}`]),
  );
}

test('with a sidecar there is nothing to say', () => {
  expect(told({})).toEqual({});
});

test('all is well', () => {
  const bootstrap = { ...main, mainContainer: { bootstrap: { script: 'true' } } };
  expect(told(bootstrap, `${patched} ${SETUP_MARK}`)).toEqual({
    PolicyEnforced: expect.stringMatching(/^true PolicyEnforceable: /),
    SshdPatched: expect.stringMatching(/^true NoKnownHoles: /),
    Bootstrapped: expect.stringMatching(/^true BootstrapSucceeded: /),
  });
});

test('before a probe has got in, only what the spec itself says', () => {
  expect(Object.keys(told(main))).toEqual(['PolicyEnforced']);
  expect(told(main)['PolicyEnforced']).toMatch(/^true/);
  expect(told(image)['PolicyEnforced']).toMatch(/^false SftpRefused: sftp is refused for acme-web-dev: /);
});

test('who may write files and run only what is named is told to be held by nothing', () => {
  const root = (may: string) => ({ policy: { root: { commands: ['uptime'], sftp: { access: may } } } });
  expect(told({ ...main, ...root('read-write') })['PolicyEnforced']).toMatch(/^false SftpRunsCommands: .* acme-web: /);
  for (const may of ['read-only', 'none'])
    expect(told({ ...main, ...root(may) }, `${patched} ${SETUP_MARK}`)['PolicyEnforced']).toMatch(/^true/);
  expect(told(root('read-write'))).toEqual({});
});

const jailed = { policy: { root: { sftp: { paths: ['/data'] } } } };
test.each([
  ['directories, whoever sets sshd up', { ...main, ...jailed }, SETUP_MARK, /for acme-web: .*directories/],
  ['read-only, without our ForceCommand', image, '', /for acme-web-dev: .*read-only/],
  ['read-only, in an image that ignores our script', main, '', /for acme-web-dev: .*read-only/],
  ['both', { ...image, ...jailed }, '', /for acme-web: .*directories.*\n.*for acme-web-dev: .*read-only/s],
])('whom the piper refuses sftp: %s', (_, spec, mark, sentence) => {
  expect(told(spec, `${patched} ${mark}`.trim())['PolicyEnforced']).toMatch(sentence);
});

test.each([
  ['read-only, by our script', main],
  ['nobody has any', { ...image, policy: { limited: { sftp: { access: 'none' } } } }],
  ['read-write for all', { ...image, policy: { limited: { sftp: { access: 'read-write' } } } }],
])('nobody is refused sftp: %s', (_, spec) => {
  expect(told(spec, `${patched} ${SETUP_MARK}`)['PolicyEnforced']).toMatch(/^true/);
});

test('a hole is told with its name, the software and the pods that run it, and without our marks', () => {
  const old = `OpenSSH_9.2p1 Debian-2+deb12u2 ${SETUP_MARK}`;
  const told1 = told(main, old, patched, old)['SshdPatched'];
  expect(told1).toMatch(
    /^false SshdVulnerable: the sshd of web-0, web-2 is OpenSSH_9\.2p1 Debian-2\+deb12u2, which has CVE-2024-6387/,
  );
  expect(told1).not.toContain('unless');
  expect(told(main, 'OpenSSH_9.7')['SshdPatched']).toMatch(
    /CVE-2024-6387.*and CVE-2025-26466.*unless its distribution has closed/,
  );
});

test('a bootstrap script that failed is told, wherever it came from', () => {
  expect(told(main, `${patched} ${SETUP_MARK} ${BOOTSTRAP_FAILED_MARK}`)['Bootstrapped']).toMatch(
    /^false BootstrapFailed: web-0: /,
  );
  expect(told(main, `${patched} ${SETUP_MARK}`)['Bootstrapped']).toBeUndefined();
});

test('pods whose sshd was started with earlier settings are named', () => {
  const { spec } = access(main);
  const pods = ['09:59:59', '10:00:01'].map((time) => mainPod(`at-${time}`, {}, { startedAt: `2026-01-01T${time}Z` }));
  const facts = { spec, users, serving: servingOf(spec, pods, undefined), sightings: [] };
  const [before, after] = [undefined, '2026-01-01T10:00:00.000Z'].map((settingsSince) =>
    sshdConditions({ ...facts, settingsSince }).map(
      ({ holds, finding }) => `${holds} ${finding.reason}: ${finding.message}`,
    ),
  );
  expect(before).toEqual([expect.stringMatching(/^true /)]);
  expect(after).toEqual([
    expect.stringMatching(/^false SshdSettingsOutdated: the sshd of at-09:59:59 was started before/),
  ]);
});
