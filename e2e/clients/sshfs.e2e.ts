/** sshfs: the pod's files as a folder of this machine. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { run, succeed } from '../support/process.ts';
import { describeClient } from './describe-client.ts';
import { randomFile } from './files.ts';

describeClient('sshfs', (works) => {
  works('a mounted folder: write, read, rename, links, modes, truncate, df, remove', async (bench) => {
    const { config, folder, inPod } = bench;
    if (!existsSync('/dev/fuse')) {
      throw new Error('sshfs cannot be tested here: there is no /dev/fuse. Load the module fuse, or give the device.');
    }
    const mount = join(folder, 'mount');
    await mkdir(mount);
    const digest = randomFile(join(folder, 'file'), 3_000_001);
    await inPod('rm -rf /data/sshfs; mkdir /data/sshfs');
    await succeed(['sshfs', '-F', config, 'workbench:/data/sshfs', mount]);
    try {
      const script = [
        `cp '${folder}/file' first`,
        'mv first second',
        'ln -s second symbolic',
        'cmp symbolic "$OLDPWD/file"',
        'chmod 600 second',
        'mkdir -p a/b',
        'echo begin >a/b/text',
        'echo end >>a/b/text',
        'cp second cut',
        'truncate -s 1000 cut',
        'touch gone',
        'rm gone',
        'df . | tail -1',
      ];
      await succeed(['sh', '-euc', `cd '${folder}'; cd mount; ${script.join('; ')}`]);
      const there = await inPod(
        "cd /data/sshfs; ls; stat -c '%a %s' second; readlink symbolic; cat a/b/text; stat -c %s cut; sha256sum <second",
      );
      expect(there).toBe(`a\ncut\nsecond\nsymbolic\n600 3000001\nsecond\nbegin\nend\n1000\n${digest}  -\n`);
    } finally {
      expect((await run(['fusermount', '-u', mount])).stderr).toBe('');
    }
  });
});
