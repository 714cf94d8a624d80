import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { xauthority } from './xauthority.ts';

test('xauth reads the file: one entry for this host, one for any', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'xauthority-'));
  const cookie = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
  const path = join(folder, 'xauthority');
  await writeFile(path, xauthority(hostname(), 10, { protocol: 'MIT-MAGIC-COOKIE-1', cookie }));
  const { stdout } = await promisify(execFile)('xauth', ['-f', path, 'list']);
  const entry = `MIT-MAGIC-COOKIE-1  ${cookie.toString('hex')}`;
  expect(stdout.split('\n')).toEqual([`${hostname()}/unix:10  ${entry}`, `#ffff##:10  ${entry}`, '']);
  await rm(folder, { recursive: true });
});
