import { expect, test } from 'vitest';
import { podSettings, serverOf } from './pod-settings.ts';
import { SshAccessSpec } from './ssh-access.ts';

const spec = (changes: object = {}) =>
  SshAccessSpec.parse({
    target: { name: 'hello' },
    runtime: 'main_container',
    users: [{ secretRef: { name: 'key' } }],
    ...changes,
  });
const unmanaged = { managed: false, user: 'deploy', authorizedKeysPath: '/home/deploy/.ssh/authorized_keys' };

test.each([
  ['sidecar', { runtime: 'sidecar', mainContainer: unmanaged }],
  ['init-script', {}],
  ['init-script', { mainContainer: { setup: 'InitScript' } }],
  ['image', { mainContainer: { setup: 'Image' } }],
  ['unmanaged', { mainContainer: unmanaged }],
])('ssh is served by %s', (server, changes) => {
  expect(serverOf(spec(changes))).toBe(server);
});

test('pods with a sidecar carry no word: an upgrade rolls none of them', () => {
  expect(podSettings(spec({ runtime: 'sidecar' }))).toBeUndefined();
});

test.each([
  ['the setup', { mainContainer: { setup: 'Image' } }],
  ['a bootstrap script', { mainContainer: { bootstrap: { script: 'true' } } }],
  ['a bootstrap script that is required', { mainContainer: { bootstrap: { script: 'true', required: true } } }],
  ['the container', { target: { name: 'hello', container: 'app' } }],
  ['unmanaged', { mainContainer: unmanaged }],
  ['another file of keys', { mainContainer: { ...unmanaged, authorizedKeysPath: '/keys' } }],
])('pods must be made anew for %s', (_, changes) => {
  expect(podSettings(spec(changes))).not.toBe(podSettings(spec()));
});

test.each([
  ['users and policy', {}, { policy: { root: { maxSessions: 3 } }, enabled: false }],
  ['what is said already by default', {}, { mainContainer: { managed: true, setup: 'InitScript' } }],
  [
    'user, port and host keys, which only the route has',
    { mainContainer: unmanaged },
    { mainContainer: { ...unmanaged, user: 'other', port: 2022, hostKeys: ['ssh-ed25519 AAAA'] } },
  ],
])('pods stay as they are for %s', (_, before, after) => {
  expect(podSettings(spec(after))).toBe(podSettings(spec(before)));
});
