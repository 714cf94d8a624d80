import { expect, test } from 'vitest';
import { SshAccessSpec } from './ssh-access.ts';
import { settingsAmong, templateSettings } from './template-settings.ts';

const spec = (changes: object = {}) =>
  SshAccessSpec.parse({ target: { name: 'web' }, users: [{ secretRef: { name: 'alice' } }], ...changes });
const image = { runtime: 'main_container', mainContainer: { setup: 'Image' } };

test('the template of a sidecar has nothing that it had not before there was another runtime', () => {
  expect(templateSettings(spec())).toEqual({});
  expect(templateSettings(spec({ processNamespace: 'Isolated' }))).toEqual({
    'sshaccess.dev/process-namespace': 'Isolated',
  });
});

test('what is on a template is what was put there', () => {
  const settings = templateSettings(spec(image));
  expect(settings).toEqual({ 'sshaccess.dev/pod-settings': expect.stringMatching(/^image-[0-9a-f]{16}$/) });
  expect(settingsAmong({ ...settings, 'sshaccess.dev/rolled-at': 'then', theirs: 'x' })).toEqual(settings);
});
