import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build as bundle } from 'esbuild';
import { projectFolder } from './places.ts';
import { bundledPackages } from './supply-chain/packages.ts';
import { billOfMaterials } from './supply-chain/sbom.ts';

/** The one file of `kubectl sshaccess`, for any Node from 20.19 on: kubectl runs what is called `kubectl-sshaccess` in PATH. */
export async function bundlePlugin(folder: string): Promise<string> {
  const outfile = join(folder, 'kubectl-sshaccess');
  const { metafile } = await bundle({
    metafile: true,
    absWorkingDir: projectFolder,
    entryPoints: [join(projectFolder, 'plugin/main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    // The yaml package is CommonJS, and asks for node:process so.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    legalComments: 'eof',
    logLevel: 'warning',
  });
  await chmod(outfile, 0o755);
  const packages = await bundledPackages(projectFolder, metafile);
  await writeFile(`${outfile}.cdx.json`, await billOfMaterials('kubectl-sshaccess', packages));
  return outfile;
}
