import { join } from 'node:path';
import { localFolder } from '../../scripts/places.ts';

/** What a cluster keeps in this clone: its kubeconfig and its logs. */
export function clusterFolder(name: string): string {
  return join(localFolder, 'clusters', name);
}

/** Another name makes another cluster, beside the first. */
export const demoCluster = process.env['SSHACCESS_CLUSTER'] ?? 'demo';
