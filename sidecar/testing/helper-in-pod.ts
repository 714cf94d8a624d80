import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DEFAULT_CAPABILITIES, type Pod, SIDECAR_CAPABILITIES } from '../enter/testing/pod.ts';

/** A program that runs the helper as the sidecar's container of the pod would. */
export async function helperIn(pod: Pod, folder: string): Promise<string> {
  const [program = '', ...words] = pod.enter([], { capabilities: DEFAULT_CAPABILITIES | SIDECAR_CAPABILITIES });
  const quoted = [`/usr/bin/${program}`, ...words].map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  const path = join(folder, 'enter');
  await writeFile(path, `#!/bin/sh\nPATH=/usr/bin:/bin:/usr/sbin:/sbin exec ${quoted.join(' ')} "$@"\n`);
  await chmod(path, 0o755);
  return path;
}
