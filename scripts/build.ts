/**
 * `npm run build`: the four programs as bundles, and the sidecar's native helpers, in dist/, ready to be copied into images;
 * and kubectl's plugin, ready to be copied into a PATH.
 */
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { build as bundle, type BuildOptions, type Plugin } from 'esbuild';
import { buildEnter } from '../sidecar/enter/testing/build-enter.ts';
import { INIT_SCRIPT_FILE } from '../operator/init-script/init-script.ts';
import { bundlePlugin } from './build-plugin.ts';
import { fingerprint } from './machine/cache.ts';
import { ensurePackages } from './machine/apt.ts';
import { messageOf, SetupError } from './machine/errors.ts';
import { say } from './machine/progress.ts';
import manifest from '../package.json' with { type: 'json' };
import { projectFolder } from './places.ts';
import { type BundledPackage, bundledPackages } from './supply-chain/packages.ts';
import { billOfMaterials, toolsOfSidecar } from './supply-chain/sbom.ts';

export const programs = ['operator', 'webhook', 'piper', 'sidecar'] as const;
type Program = (typeof programs)[number];

const dist = join(projectFolder, 'dist');

/** Compiled by the postinstall, and copied beside the bundles that use it. */
const addon = join(projectFolder, 'node_modules/ssh2/lib/protocol/crypto/build/Release/sshcrypto.node');

/** Names the sources that dist/ was made from. */
const stamp = join(dist, 'sources');

/** Makes dist/ from these sources; `anew` even if it was made from the very same. */
export async function build(anew = false): Promise<void> {
  const sources = fingerprint(...(await sourceFiles()));
  if (!anew && existsSync(stamp) && (await readFile(stamp, 'utf8')) === sources) return;
  await rm(dist, { recursive: true, force: true });
  const tools = buildTools();
  await Promise.all([...programs.map((program) => buildProgram(program, tools)), bundlePlugin(dist), tools]);
  await copyFile(INIT_SCRIPT_FILE, join(dist, 'operator', basename(INIT_SCRIPT_FILE)));
  await writeFile(stamp, sources);
}

/** Everything that decides what a bundle holds: names and contents. */
async function sourceFiles(): Promise<(string | Buffer)[]> {
  const folders = [...programs, 'plugin', 'lib', 'crds'].map((folder) => join(projectFolder, folder));
  const entries = await Promise.all(folders.map((path) => readdir(path, { recursive: true, withFileTypes: true })));
  const inFolders = entries.flat().filter((entry) => entry.isFile() && /\.(?:ts|c|h|sh)$/.test(entry.name));
  const paths = inFolders.map((entry) => join(entry.parentPath, entry.name));
  const all = [...paths.toSorted(), join(projectFolder, 'package-lock.json'), addon, import.meta.filename];
  return (await Promise.all(all.map(async (path) => [relative(projectFolder, path), await readFile(path)]))).flat();
}

/** With its bill of materials, which goes into the image. */
async function buildProgram(program: Program, tools: Promise<void>): Promise<void> {
  const packages = await bundleProgram(program, { project: projectFolder, output: join(dist, program) });
  const beside = program === 'sidecar' ? await tools.then(toolsOfSidecar) : [];
  await writeFile(
    join(dist, program, 'sbom.cdx.json'),
    await billOfMaterials(`sshaccess-${program}`, packages, beside),
  );
}

/**
 * One `main.mjs` or `main.cjs`, and beside it what it loads on demand: chunks, native addons. The same sources give the same
 * bytes, wherever they are. @returns what it is made of
 */
export async function bundleProgram(
  program: Program,
  { project, output }: { project: string; output: string },
): Promise<BundledPackage[]> {
  const settings = program === 'sidecar' ? commonJs : ecmaScript;
  const { metafile } = await bundle({
    absWorkingDir: project,
    entryPoints: { main: join(project, program, 'main.ts') },
    outdir: output,
    metafile: true,
    bundle: true,
    platform: 'node',
    target: 'node24',
    ...settings,
    // lib/process/version.ts
    define: { ...settings.define, 'process.env.SSHACCESS_VERSION': JSON.stringify(manifest.version) },
    // Names stay: a stack trace in a log must say which function it was. Licences stay, as they ask for, in a file beside
    // it: one umlaut in an author's name, and V8 keeps the whole source with two bytes a character.
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'external',
    loader: { '.node': 'copy' },
    assetNames: '[name]',
    // An addon of ssh2 for choosing ciphers by the CPU; it is optional, and we choose ciphers ourselves.
    external: ['cpu-features'],
    logLevel: 'warning',
  });
  return await bundledPackages(project, metafile);
}

/**
 * An ES module's import of node:http or node:crypto asks for all their exports, and so loads what Node has put off:
 * WebSocket and fetch, WebCrypto, fs/promises. That is ten MiB in each process; a require loads what is used.
 */
const builtinsOnDemand: Plugin = {
  name: 'builtins-on-demand',
  setup: (bundler) => {
    bundler.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin' } : undefined,
    );
    bundler.onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)})`,
    }));
  },
};

const ecmaScript = {
  format: 'esm',
  define: {},
  outExtension: { '.js': '.mjs' },
  // What a program imports only in some cases is a file of its own, and costs nothing in the others: client-node, which
  // reads kubeconfigs, is five of eight megabytes, and no pod has one.
  splitting: true,
  chunkNames: '[name]-[hash]',
  plugins: [builtinsOnDemand],
  // CommonJS packages inside the bundle ask for `require`, and some for where they are.
  banner: {
    js: [
      "import { createRequire as __createRequire } from 'node:module';",
      'const require = __createRequire(import.meta.url);',
      'const __filename = import.meta.filename, __dirname = import.meta.dirname;',
    ].join(''),
  },
} satisfies Partial<BuildOptions>;

/**
 * One import of zod, with its methods and its forty languages, costs each pod 10 MiB, pino 2, and prom-client has nobody to
 * answer there (ADR 14): then there is no bundle.
 */
const withoutLargeLibraries: Plugin = {
  name: 'without-large-libraries',
  setup: (bundler) =>
    bundler.onResolve({ filter: /^(zod|pino|prom-client)$/ }, ({ path, importer }) => ({
      errors: [{ text: `${relative(projectFolder, importer)} runs in every pod, where ${path} is too large` }],
    })),
};

/**
 * An ES module's import of node:crypto or node:fs asks for all their exports, and so loads what Node has put off:
 * WebCrypto, fs/promises. A require does not, and that is a MiB in each pod.
 */
const commonJs = {
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.url': '__filename' },
  plugins: [withoutLargeLibraries],
} satisfies Partial<BuildOptions>;

/** What the sidecar executes besides Node: the helper that enters the app's container, and a shell for images without. */
async function buildTools(): Promise<void> {
  const output = join(dist, 'tools');
  await mkdir(output, { recursive: true });
  await ensurePackages(['gcc', 'libc6-dev']);
  const tools = [
    ['enter', await buildEnter()],
    ['busybox', await staticBusybox()],
  ] as const;
  for (const [name, path] of tools) {
    await copyFile(path, join(output, name));
    await chmod(join(output, name), 0o755);
  }
}

async function staticBusybox(): Promise<string> {
  const named = process.env['SSHACCESS_BUSYBOX'];
  if (named === undefined) await ensurePackages(['busybox-static']);
  const path = named ?? '/bin/busybox';
  if (existsSync(path) && !isDynamic(await readFile(path))) return path;
  throw new SetupError(
    'BUSYBOX_DYNAMIC',
    `${path} is not a static program, and could not run in foreign images; ` +
      'install busybox-static, or set SSHACCESS_BUSYBOX to the path of a static one.',
  );
}

/** A dynamic ELF program names its loader in a PT_INTERP header (type 3); a static one has none. */
export function isDynamic(program: Buffer): boolean {
  if (program.length < 64 || program.readUInt32BE(0) !== 0x7f454c46 || program[4] !== 2) return true;
  const [offset, size, count] = [
    Number(program.readBigUInt64LE(32)),
    program.readUInt16LE(54),
    program.readUInt16LE(56),
  ];
  return Array.from({ length: count }, (_, index) => program.readUInt32LE(offset + index * size)).includes(3);
}

async function main(): Promise<void> {
  const begin = performance.now();
  await build(true);
  for (const folder of [...programs, 'tools']) {
    for (const file of await readdir(join(dist, folder))) {
      const path = join(dist, folder, file);
      say(`  ${relative(projectFolder, path).padEnd(28)} ${Math.ceil((await stat(path)).size / 1024)} KiB`);
    }
  }
  say(`  built in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    console.error(`npm run build: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}
