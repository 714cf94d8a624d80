/** `npm run load -- IMAGE.tar …`: brings images from docker- or OCI-archives into the running demo cluster. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { messageOf, SetupError } from '../../scripts/machine/errors.ts';
import { demoCluster } from './places.ts';
import { findCluster } from './provide.ts';

async function load(archives: readonly string[]): Promise<void> {
  if (archives.length === 0) {
    throw new SetupError('USAGE', 'name an archive (from `docker save` or `buildah push`): npm run load -- IMAGE.tar');
  }
  const missing = archives.filter((archive) => !existsSync(archive));
  if (missing.length > 0) throw new SetupError('NO_ARCHIVE', `there is no file ${missing.join(', ')}`);
  const cluster = await findCluster(demoCluster);
  if (cluster === undefined) {
    throw new SetupError('NO_CLUSTER', `no cluster "${demoCluster}" runs; start it with \`npm run up\``);
  }
  for (const archive of archives) {
    const names = await cluster.loadImage(resolve(archive)).catch((cause: unknown) => {
      const advice = 'it takes archives as `docker save` and `buildah push docker-archive:` write them';
      throw new SetupError('BAD_ARCHIVE', `${archive} could not be imported; ${advice}.\n${messageOf(cause)}`, {
        cause,
      });
    });
    for (const name of names) console.log(name);
    for (const name of names.filter((each) => each.endsWith(':latest'))) {
      console.error(`${name}: give its container imagePullPolicy: IfNotPresent; Kubernetes pulls "latest" otherwise`);
    }
  }
}

try {
  await load(process.argv.slice(2));
} catch (error) {
  console.error(`npm run load: ${messageOf(error)}`);
  process.exitCode = 1;
}
