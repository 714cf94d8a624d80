import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lock } from './lock.ts';

const name = `unit-lock-${process.pid}`;
const path = join(tmpdir(), `sshaccess-${name}.lock`);

test('the lock is held until it is given back', async () => {
  const unlock = await lock(name);
  await expect(lock(name, 0)).rejects.toMatchObject({ code: 'BUSY' });
  await unlock();
  expect(existsSync(path)).toBe(false);
});

test('a holder that was killed holds nothing, even when its pid lives again', async () => {
  await writeFile(path, `${process.pid} 1 /somewhere\n`);
  const unlock = await lock(name, 0);
  await unlock();
});
