import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { localFolder, projectFolder } from '../places.ts';
import type { Defence } from './defence.ts';

/** A copy of the sources as they are now, committed or not, in which something may be broken. */
export class Tree {
  readonly folder = mkdtempSync(join(tmpdir(), 'sshaccess-defences-'));

  constructor() {
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: projectFolder,
      encoding: 'utf8',
    });
    for (const file of listed.split('\0')) {
      // Listed, and gone: deleted since the last commit.
      if (file === '' || !existsSync(join(projectFolder, file))) continue;
      mkdirSync(dirname(join(this.folder, file)), { recursive: true });
      cpSync(join(projectFolder, file), join(this.folder, file));
    }
    // What is there for every copy alike: packages, and C programs by the hash of their sources.
    mkdirSync(localFolder, { recursive: true });
    symlinkSync(join(projectFolder, 'node_modules'), join(this.folder, 'node_modules'));
    symlinkSync(localFolder, join(this.folder, '.local'));
  }

  /** Does something while a defence is out. */
  without<Result>({ file, find, replace }: Defence, act: () => Result): Result {
    const path = join(this.folder, file);
    const text = readFileSync(path, 'utf8');
    writeFileSync(
      path,
      text.replace(find, () => replace),
    );
    try {
      return act();
    } finally {
      writeFileSync(path, text);
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
