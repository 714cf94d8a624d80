import { expect, test } from 'vitest';
import { cgroupRoots } from './cgroups.ts';

test('every hierarchy of cgroup v1 is found', () => {
  const mounts = [
    '30 25 0:26 / /sys/fs/cgroup rw,nosuid - tmpfs tmpfs rw,mode=755',
    '31 30 0:27 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu',
    '32 30 0:28 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory',
  ].join('\n');
  expect(cgroupRoots(mounts)).toEqual(['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/memory']);
});

test('so is the one of cgroup v2', () => {
  expect(cgroupRoots('31 25 0:27 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw\n')).toEqual(['/sys/fs/cgroup']);
});
