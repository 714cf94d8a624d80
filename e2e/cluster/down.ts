/** `npm run down`: removes the demo's cluster with everything that it made on this machine, and says what. */
import { rm } from 'node:fs/promises';
import { cacheFolder } from '../../scripts/machine/cache.ts';
import { messageOf } from '../../scripts/machine/errors.ts';
import { localFolder } from '../../scripts/places.ts';
import { environmentFile } from './demo.ts';
import { uninstall } from './deploy.ts';
import { existing } from './existing.ts';
import { nativeClusters } from './native/clean.ts';
import { clusterFolder, demoCluster } from './places.ts';
import { removeCluster } from './provide.ts';

async function down(): Promise<void> {
  const foreign = await existing.find(demoCluster);
  if (foreign !== undefined) return console.log(await uninstall(foreign));
  const removed = await removeCluster(demoCluster);
  await rm(clusterFolder(demoCluster), { recursive: true, force: true });
  await rm(environmentFile, { force: true });
  if (removed.length === 0) {
    console.log(`no cluster "${demoCluster}" was there`);
  } else {
    console.log(`cluster "${demoCluster}" is gone:`);
    for (const line of removed) console.log(`  removed ${line}`);
    console.log('  checked: none of its processes, mounts, links, cgroups or files is left');
  }
  console.log(`kept for the next time: ${cacheFolder()} (programs and base images), ${localFolder} (keys, images)`);
  for (const name of await nativeClusters()) {
    console.log(`another cluster is still there: ${name} (SSHACCESS_CLUSTER=${name} npm run down)`);
  }
}

try {
  await down();
} catch (error) {
  console.error(`npm run down: ${messageOf(error)}`);
  process.exitCode = 1;
}
