/** Bytes arrive as they left: sftp, and scp in both protocols. bulk.e2e.ts has the 5 GiB. */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Login, disposeScratch, limitedLogin, rootLogin, scp, scratch, sftp, ssh } from './support/openssh.ts';

const MIB = 1 << 20;
const local = join(scratch, 'eight-mib');
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');

beforeAll(() => writeFileSync(local, randomBytes(8 * MIB)));
afterAll(disposeScratch);

test('sftp puts, lists, renames, gets and removes', async () => {
  const remote = '/tmp/transfer';
  const back = join(scratch, 'sftp');
  const batch = [
    `put ${local} ${remote}`,
    `rename ${remote} ${remote}.2`,
    `ls -l ${remote}.2`,
    `get ${remote}.2 ${back}`,
    `rm ${remote}.2`,
  ];
  const { code, stdout, stderr } = await sftp(rootLogin(), `${batch.join('\n')}\n`);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toContain(String(8 * MIB));
  expect(sha256(readFileSync(back))).toBe(sha256(readFileSync(local)));
});

test('scp copies there and back', () => copies(rootLogin(), '/tmp/transfer-scp'));

test('limited gets by sftp and scp what it may read, and puts nothing', async () => {
  // A file of the image: another user's key may lead to the other replica.
  const remote = '/bin/bash';
  const digest = (await ssh(limitedLogin(), `sha256sum < ${remote}`)).stdout.split(' ')[0];
  const [bySftp, byScp] = [join(scratch, 'limited.sftp'), join(scratch, 'limited.scp')];
  expect(await sftp(limitedLogin(), `get ${remote} ${bySftp}\n`)).toMatchObject({ code: 0, stderr: '' });
  expect(sha256(readFileSync(bySftp))).toBe(digest);
  expect((await scp(limitedLogin(), `remote:${remote}`, byScp)).code).toBe(0);
  expect(sha256(readFileSync(byScp))).toBe(digest);
  for (const refused of [
    await sftp(limitedLogin(), `put ${local} /tmp/transfer-limited\n`),
    await scp(limitedLogin(), local, 'remote:/tmp/transfer-limited'),
  ]) {
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/permission denied/i);
  }
});

test('scp -O copies there and back, with the scp of the image', () => copies(rootLogin(), '/tmp/transfer-O', '-O'));

test('scp -O for limited ends with a sentence: the scp of the image insists on a passwd entry', async () => {
  const { code, stderr } = await scp(limitedLogin(), local, 'remote:/tmp/transfer-O2', '-O');
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/unknown user 61\d{3}/);
});

async function copies(login: Login, remote: string, ...flags: string[]): Promise<void> {
  const back = join(scratch, basename(remote));
  const there = await scp(login, local, `remote:${remote}`, ...flags);
  expect(there.stderr).toBe('');
  expect(there.code).toBe(0);
  expect((await scp(login, `remote:${remote}`, back, ...flags)).code).toBe(0);
  expect(sha256(readFileSync(back))).toBe(sha256(readFileSync(local)));
}

test('sftp works inside the root of the app: absolute symbolic links resolve there', async () => {
  const back = join(scratch, 'hostname');
  await ssh(rootLogin(), 'ln -sfn /etc/hostname /tmp/absolute-link');
  expect((await sftp(rootLogin(), `get /tmp/absolute-link ${back}\n`)).code).toBe(0);
  expect(readFileSync(back, 'utf8')).toMatch(/^hello-/);
});
