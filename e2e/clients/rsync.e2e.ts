/** rsync and lftp: mirrors of folders. */
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { run, succeed } from '../support/process.ts';
import { describeClient } from './describe-client.ts';
import { listing, randomFile, sampleFolder, sha256 } from './files.ts';

const inShell = (script: string): Promise<string> => succeed(['sh', '-c', script]);

describeClient('rsync', (works) => {
  works('both ways with -z: contents, modes, links, times', async ({ ssh, folder, inPod }) => {
    const tree = join(folder, 'tree');
    await sampleFolder(tree);
    await inPod('rm -rf /data/rsync');
    await succeed(['rsync', '-az', '-e', ssh, `${tree}/`, 'workbench:/data/rsync/']);
    expect(await inPod(listing('/data/rsync'))).toBe(await inShell(listing(tree)));
    await succeed(['rsync', '-az', '-e', ssh, 'workbench:/data/rsync/', `${tree}.back/`]);
    expect(await inShell(listing(`${tree}.back`))).toBe(await inShell(listing(tree)));
  });

  works('--delete removes there what is gone here', async ({ ssh, folder, inPod }) => {
    const tree = join(folder, 'delete');
    await sampleFolder(tree);
    await succeed(['rsync', '-a', '-e', ssh, `${tree}/`, 'workbench:/data/delete/']);
    rmSync(join(tree, 'deep/er'), { recursive: true });
    const stdout = await succeed(['rsync', '-aiz', '--delete', '-e', ssh, `${tree}/`, 'workbench:/data/delete/']);
    expect(stdout).toMatch(/^\*deleting +deep\/er\/$/m);
    expect(stdout).not.toContain('three-mib');
    expect(await inPod(listing('/data/delete'))).toBe(await inShell(listing(tree)));
  });

  works('a transfer that was cut resumes where it was', async ({ ssh, folder, inPod }) => {
    const file = join(folder, 'cut');
    const digest = randomFile(file, 16 << 20);
    await inPod('rm -rf /data/cut; mkdir /data/cut');
    const slow = ['--partial', '--bwlimit=2M', '-e', ssh, file, 'workbench:/data/cut/'];
    const child = spawn('rsync', slow, { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('close', resolve));
    // While it is under way, what has arrived has a name that begins with a dot.
    await eventually(async () => {
      expect(Number(await inPod('cat /data/cut/.cut.* 2>/dev/null | wc -c'))).toBeGreaterThan(2 << 20);
    }, 30_000);
    child.kill('SIGTERM');
    await ended;
    const partial = await eventually(async () => {
      const size = Number(await inPod('stat -c %s /data/cut/cut'));
      expect(size).toBeGreaterThan(0);
      return size;
    }, 30_000);
    const resumed = ['--append-verify', '--stats', '-e', ssh, file, 'workbench:/data/cut/'];
    const stdout = await succeed(['rsync', ...resumed]);
    const literal = /Literal data: ([\d,]+)/.exec(stdout)?.[1]?.replaceAll(',', '');
    expect(Number(literal)).toBe((16 << 20) - partial);
    expect(await inPod('sha256sum </data/cut/cut')).toBe(`${digest}  -\n`);
  });

  works('limited: where its uid may write', async ({ ssh, folder }) => {
    const file = join(folder, 'limited');
    randomFile(file, 500_000);
    await succeed(['rsync', '-t', '-e', ssh, file, 'workbench-limited:/tmp/rsync-limited']);
    await succeed(['rsync', '-t', '-e', ssh, 'workbench-limited:/tmp/rsync-limited', `${file}.back`]);
    expect(sha256(`${file}.back`)).toBe(sha256(file));
    const refused = await run(['rsync', '-e', ssh, file, 'workbench-limited:/srv/app/']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('Permission denied');
  });

  works('an image without rsync: the message names what is missing', async ({ ssh, folder }) => {
    const file = join(folder, 'lonely');
    randomFile(file, 10);
    const { code, stderr } = await run(['rsync', '-e', ssh, file, 'bare:/tmp/']);
    expect(code).not.toBe(0);
    // The first line is the shell's, the others are rsync's.
    expect(stderr).toMatch(/^.*rsync: (command )?not found\n/);
  });
});

describeClient('lftp', (works) => {
  works('mirror both ways, put, get, mv, rm', async ({ ssh, folder, inPod }) => {
    const tree = join(folder, 'tree');
    await sampleFolder(tree);
    await inPod('rm -rf /data/lftp*');
    const script = [
      'set cmd:fail-exit yes',
      'set net:max-retries 2',
      `set sftp:connect-program '${ssh} -a -x'`,
      'open sftp://workbench',
      `mirror -R ${tree} /data/lftp`,
      `mirror /data/lftp ${tree}.back`,
      `put ${tree}/three-mib -o /data/lftp.one`,
      'mv /data/lftp.one /data/lftp.two',
      `get /data/lftp.two -o ${tree}.two`,
      'rm /data/lftp.two',
    ].join('\n');
    writeFileSync(join(folder, 'script'), script);
    await succeed(['lftp', '-f', join(folder, 'script')]);
    expect(await inPod(listing('/data/lftp'))).toBe(await inShell(listing(tree)));
    expect(await inShell(listing(`${tree}.back`))).toBe(await inShell(listing(tree)));
    expect(sha256(`${tree}.two`)).toBe(sha256(join(tree, 'three-mib')));
    expect(await inPod('ls /data')).not.toContain('lftp.two');
  });
});
