import { expect, test } from 'vitest';
import { importedNames } from './images.ts';

test('the names are read from what ctr prints', () => {
  const output = [
    'unpacking localhost/sshaccess/piper:1 (sha256:ab)...done',
    'unpacking registry.example/app:2 (sha256:cd)...done',
    '',
  ].join('\n');
  expect(importedNames(output)).toEqual(['localhost/sshaccess/piper:1', 'registry.example/app:2']);
});
