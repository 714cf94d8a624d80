import { join } from 'node:path';

/** This clone of the repository. */
export const projectFolder = join(import.meta.dirname, '../..');

/** What a cluster keeps in this clone: its kubeconfig and its logs. */
export function localFolder(name: string): string {
  return join(projectFolder, '.local/clusters', name);
}
