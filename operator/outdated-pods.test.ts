import { expect, test } from 'vitest';
import { podSettings } from '../crds/index.ts';
import { outdatedBy } from './outdated-pods.ts';
import { access, mainPod, mainRecord, pod, record } from './testing/samples.ts';

const spec = (changes: object = {}) => access(changes).spec;
const main = { runtime: 'main_container' };
const image = { ...main, mainContainer: { setup: 'Image' } };
const bootstrap = (script: string) => ({ ...main, mainContainer: { bootstrap: { script } } });
const madeWith = (changes: object) =>
  mainPod('web-1', { record: mainRecord('init-script', { settings: podSettings(spec(changes)) }) });

test.each([
  ['a sidecar is asked for, and there', pod('web-1'), {}, undefined],
  ['a sidecar of an earlier version', pod('web-1', { record: { ...record, mainContainer: undefined } }), {}, undefined],
  ['to main_container', pod('web-1'), main, 'spec.runtime is main_container'],
  ['and back', madeWith(main), {}, 'spec.runtime is sidecar'],
  ['main_container is asked for, and there', madeWith(main), main, undefined],
  ['another set-up', madeWith(main), image, 'what spec.target.container or spec.mainContainer says has changed'],
  ['another bootstrap script', madeWith(bootstrap('a')), bootstrap('b'), /spec\.mainContainer says has changed/],
  ['the same bootstrap script', madeWith(bootstrap('a')), bootstrap('a'), undefined],
  ['users, policy and audit are not in pods', madeWith(main), { ...main, enabled: false, policy: {} }, undefined],
  [
    'the process namespace, with a sidecar',
    pod('web-1'),
    { processNamespace: 'Isolated' },
    /processNamespace is Isolated/,
  ],
  ['the process namespace, without one', madeWith(main), { ...main, processNamespace: 'Isolated' }, undefined],
  ['no ssh in it at all', pod('web-1', { record: undefined }), main, undefined],
] as const)('what a pod is outdated by: %s', (_, subject, asked, expected) => {
  const because = outdatedBy(subject, spec(asked));
  if (expected instanceof RegExp) expect(because).toMatch(expected);
  else expect(because).toBe(expected);
});
