import { expect, test } from 'vitest';
import { mountsUnder } from './clean.ts';

const mountInfo = [
  '25 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
  '40 25 0:40 / /var/lib/sshaccess/demo/a rw - tmpfs tmpfs rw',
  '41 25 0:41 / /var/lib/sshaccess/demo rw - tmpfs tmpfs rw',
  '42 25 0:42 / /var/lib/sshaccess/demo2 rw - tmpfs tmpfs rw',
].join('\n');

test('mounts of a cluster are told from those of one whose name begins alike', () => {
  expect(mountsUnder('/var/lib/sshaccess/demo', mountInfo)).toEqual([
    '/var/lib/sshaccess/demo/a',
    '/var/lib/sshaccess/demo',
  ]);
});
