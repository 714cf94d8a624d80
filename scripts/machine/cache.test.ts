import { expect, test } from 'vitest';
import { cacheFolder, fingerprint } from './cache.ts';

test('parts of a fingerprint do not run together', () => {
  expect(fingerprint('ab', 'c')).not.toBe(fingerprint('a', 'bc'));
  expect(fingerprint('ab', 'c')).toBe(fingerprint('ab', Buffer.from('c')));
});

test('the cache is where XDG_CACHE_HOME says', () => {
  expect(cacheFolder({ XDG_CACHE_HOME: '/big/disk' })).toBe('/big/disk/sshaccess');
});
