import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { programPath } from '../../scripts/machine/apt.ts';
import { cacheFolder, fingerprint } from '../../scripts/machine/cache.ts';
import { run } from '../../scripts/machine/command.ts';
import { SetupError } from '../../scripts/machine/errors.ts';
import { step } from '../../scripts/machine/progress.ts';

/** Each program, the Go module folder (beside this file) that pins it, and its package there. */
const packages = {
  'kube-apiserver': { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kube-apiserver' },
  'kube-controller-manager': { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kube-controller-manager' },
  'kube-scheduler': { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kube-scheduler' },
  kubelet: { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kubelet' },
  'kube-proxy': { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kube-proxy' },
  kubectl: { module: 'kubernetes', path: 'k8s.io/kubernetes/cmd/kubectl' },
  etcd: { module: 'kubernetes', path: 'go.etcd.io/etcd/server/v3' },
  helm: { module: 'helm', path: 'helm.sh/helm/v4/cmd/helm' },
  'kube-score': { module: 'kube-score', path: 'github.com/zegl/kube-score/cmd/kube-score' },
} as const;

export type Tool = keyof typeof packages;

const modulesFolder = join(import.meta.dirname, 'native');

export function goUnavailable(): string | undefined {
  if (programPath('go') !== undefined) return undefined;
  return 'there is no `go` on the PATH; install Go 1.26 or newer (https://go.dev/doc/install)';
}

/** The programs' paths; they are built the first time, which takes minutes, and cached outside the repository. */
export async function tools<Name extends Tool>(names: readonly Name[]): Promise<(name: Name) => string> {
  const folders = {
    kubernetes: await binariesOf('kubernetes'),
    helm: await binariesOf('helm'),
    'kube-score': await binariesOf('kube-score'),
  };
  const pathOf = (name: Tool): string => join(folders[packages[name].module].path, name);
  for (const module of ['kubernetes', 'helm', 'kube-score'] as const) {
    const missing = names.filter((name) => packages[name].module === module && !existsSync(pathOf(name)));
    if (missing.length > 0) await build(folders[module], module, missing);
  }
  return pathOf;
}

interface Binaries {
  readonly path: string;
  readonly flags: string;
}

async function binariesOf(module: string): Promise<Binaries> {
  const read = (file: string): Promise<string> => readFile(join(modulesFolder, module, file), 'utf8');
  const [goMod, goSum] = await Promise.all([read('go.mod'), read('go.sum')]);
  const flags = linkerFlags(goMod);
  return { path: join(cacheFolder(), `${module}-${fingerprint(goMod, goSum, flags, process.arch)}`), flags };
}

async function build(binaries: Binaries, module: string, names: readonly Tool[]): Promise<void> {
  const obstacle = goUnavailable();
  if (obstacle !== undefined) throw new SetupError('GO_MISSING', `${names.join(', ')} must be built: ${obstacle}`);
  await step(`go build ${names.join(' ')} (once, minutes; kept in ${binaries.path})`, async () => {
    // Renamed into place one by one: whoever looks while this runs never sees half a program.
    const partial = `${binaries.path}/partial.${process.pid}`;
    await mkdir(partial, { recursive: true });
    const paths = names.map((name) => packages[name].path);
    const args = ['build', '-trimpath', '-ldflags', binaries.flags, '-o', `${partial}/`, ...paths];
    await run('go', args, { cwd: join(modulesFolder, module) });
    for (const name of names) await rename(join(partial, outputOf(packages[name].path)), join(binaries.path, name));
    await rm(partial, { recursive: true });
  });
}

/** Go names a program by the last element of its package path that is not a major version. */
export function outputOf(packagePath: string): string {
  return basename(packagePath.replace(/\/v\d+$/, ''));
}

/**
 * A release stamps its version in by the linker; without it the API server calls itself v0.0.0-master, and charts with
 * a `kubeVersion` refuse it.
 */
export function linkerFlags(goMod: string): string {
  const version = /k8s\.io\/kubernetes (v(\d+)\.(\d+)\.\d+)/.exec(goMod);
  if (version === null) return '-s -w';
  const [, gitVersion, major, minor] = version;
  const stamp = 'k8s.io/component-base/version';
  return [
    '-s -w',
    `-X ${stamp}.gitVersion=${gitVersion}`,
    `-X ${stamp}.gitMajor=${major}`,
    `-X ${stamp}.gitMinor=${minor}`,
    `-X ${stamp}.gitTreeState=clean`,
  ].join(' ');
}
