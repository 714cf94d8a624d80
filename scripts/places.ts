import { join } from 'node:path';

/** This clone of the repository. */
export const projectFolder = join(import.meta.dirname, '..');

/** What this clone makes and needs no commit: clusters, keys, image archives. */
export const localFolder = join(projectFolder, '.local');
