import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { buildah, docker, dockerAnswers } from '../../scripts/images/builder.ts';
import { appImage, type AppImage, type NamedArchive } from '../../scripts/images/app-image.ts';
import { programImages } from '../../scripts/images/programs.ts';
import { run } from '../../scripts/machine/command.ts';
import { SetupError } from '../../scripts/machine/errors.ts';
import { step } from '../../scripts/machine/progress.ts';
import { projectFolder } from '../../scripts/places.ts';
import { type SshdImages, sshdImages } from '../sshd-images/images.ts';
import type { Cluster, Endpoint } from './cluster.ts';

export const systemNamespace = 'sshaccess-system';
const release = 'sshaccess';

/** The port that users type; e2e/demo/values.yaml makes it the piper's node port. */
const sshPort = 2222;

export function kubectl(cluster: Cluster, args: readonly string[], input?: string): Promise<string> {
  return run(cluster.kubectlPath, ['--kubeconfig', cluster.kubeconfigPath, ...args], { input });
}

/** Applies objects as they are, whoever else has written some of their fields. */
export function apply(cluster: Cluster, objects: readonly unknown[]): Promise<string> {
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
  return kubectl(
    cluster,
    ['apply', '--server-side', '--force-conflicts', '--field-manager=sshaccess-demo', '-f', '-'],
    list,
  );
}

/** K3s came by Docker, so Docker can build; the native cluster is there because Docker was not. */
async function withDocker(cluster: Cluster): Promise<boolean> {
  if (cluster.provider === 'existing') return dockerAnswers();
  return cluster.provider === 'k3s';
}

/** This source as images, in the cluster; answers their tag. Nothing is made or loaded that is there already. */
export async function loadPrograms(cluster: Cluster): Promise<string> {
  const images = await programImages((await withDocker(cluster)) ? docker : buildah);
  const present = await Promise.all(images.names.map((name) => cluster.hasImage(name)));
  if (present.includes(false)) {
    const archive = await images.archive();
    await step('load images', () => cluster.loadImage(archive));
  }
  return images.tag;
}

/** An app of the tests as an image, in the cluster; answers its name. */
export const loadApp = (cluster: Cluster, app: AppImage): Promise<string> =>
  loadImage(cluster, (byDocker) => appImage(app, byDocker));

/** An image, made if it is not there, in the cluster; answers its name. */
export async function loadImage(
  cluster: Cluster,
  make: (withDocker: boolean) => Promise<NamedArchive>,
): Promise<string> {
  const image = await make(await withDocker(cluster));
  if (!(await cluster.hasImage(image.name))) {
    const archive = await image.archive();
    await step(`load ${image.name}`, () => cluster.loadImage(archive));
  }
  return image.name;
}

/** The images with an openssh-server, in the cluster; answers their names. */
export async function loadSshdImages(cluster: Cluster): Promise<SshdImages['nameOf']> {
  const images = await sshdImages(await withDocker(cluster));
  const present = await Promise.all(images.names.map((name) => cluster.hasImage(name)));
  if (present.includes(false)) {
    const archive = await images.archive();
    await step('load images with an openssh-server', () => cluster.loadImage(archive));
  }
  return images.nameOf;
}

/** Installs or upgrades sshaccess by its chart, and waits for it; answers where users reach it. */
export async function install(cluster: Cluster, extraArguments: readonly string[] = []): Promise<Endpoint> {
  const chart = join(projectFolder, 'charts/sshaccess');
  if (!existsSync(join(chart, 'Chart.yaml'))) {
    throw new SetupError('NO_CHART', `There is no chart in ${chart}; is this clone complete? \`git status\` tells.`);
  }
  const [tag, endpoint] = [await loadPrograms(cluster), await cluster.sshEndpoint(sshPort)];
  await step('helm upgrade --install sshaccess', async () => {
    // Our programs need nothing that the strictest level forbids.
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const metadata = { name: systemNamespace, labels };
    await apply(cluster, [{ apiVersion: 'v1', kind: 'Namespace', metadata }]);
    // Helm installs a chart's CRDs once, and never touches them again.
    await kubectl(cluster, ['apply', '--server-side', '--force-conflicts', '-f', join(chart, 'crds')]);
    await kubectl(cluster, ['wait', '--for=condition=Established', '--timeout=120s', '-f', join(chart, 'crds')]);
    // A helm that was killed leaves a release that is pending for ever, and refuses to touch it.
    const pending = 'owner=helm,status in (pending-install,pending-upgrade,pending-rollback)';
    await kubectl(cluster, ['delete', 'secret', '--namespace', systemNamespace, '--selector', pending]);
    const values = [`image.tag=${tag}`, `endpoint.host=${endpoint.host}`];
    const set = [...values.flatMap((value) => ['--set-string', value]), '--set', `endpoint.port=${endpoint.port}`];
    const where = ['--kubeconfig', cluster.kubeconfigPath, '--namespace', systemNamespace];
    const demo = ['--values', join(projectFolder, 'e2e/demo/values.yaml')];
    const wait = ['--wait', '--timeout', '5m'];
    await run(cluster.helmPath, [
      'upgrade',
      '--install',
      release,
      chart,
      ...where,
      ...demo,
      ...set,
      ...wait,
      ...extraArguments,
    ]);
  });
  return endpoint;
}

/** For a cluster that is not ours to remove: takes out what was put in, except what others may rely on by now. */
export async function uninstall(cluster: Cluster): Promise<string> {
  const helm = ['--kubeconfig', cluster.kubeconfigPath, '--namespace', systemNamespace];
  await kubectl(cluster, ['delete', 'namespace', 'acme', '--ignore-not-found', '--wait']);
  await run(cluster.helmPath, ['uninstall', release, ...helm, '--ignore-not-found', '--wait']);
  await kubectl(cluster, ['delete', 'namespace', systemNamespace, '--ignore-not-found', '--wait']);
  return (
    'removed sshaccess and the demo from your cluster; its custom resource definitions stay, since other namespaces may ' +
    'use them: kubectl delete crd sshaccesses.sshaccess.dev sessionreports.sshaccess.dev'
  );
}
