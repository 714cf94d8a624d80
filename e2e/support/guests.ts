/** Workloads of runtime main_container: their image brings its own openssh-server. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Route } from '../../crds/index.ts';
import { loadSshdImages } from '../cluster/deploy.ts';
import { runningTestCluster } from '../cluster/test-cluster.ts';
import type { SshdImage } from '../sshd-images/images.ts';
import { demo } from './demo.ts';
import { eventually } from './eventually.ts';
import { apply, get, kubectl, pods } from './kubectl.ts';
import { routes } from './routes.ts';
import { type Login, ssh } from './openssh.ts';
import { accessManifest, createWorkload, keySecret } from './workload.ts';

export type Guest = {
  namespace: string;
  name: string;
  image: SshdImage;
  /** The container's runAsUser. */
  uid: 0 | 1000;
  env?: Readonly<Record<string, string>>;
  /** In place of the image's entrypoint: `sh -c` of this. */
  script?: string;
  replicas?: number;
  /** `spec.mainContainer`. */
  mainContainer?: object;
  /** More fields of the SshAccess' spec. */
  spec?: object;
};

const USERS = [{ secretRef: { name: 'root-key' } }, { suffix: 'dev', secretRef: { name: 'dev-key' } }];

export const rootOf = ({ namespace, name }: Guest): Login => ({ user: `${namespace}-${name}`, key: demo().rootKey });
export const limitedOf = ({ namespace, name }: Guest): Login => ({
  user: `${namespace}-${name}-dev`,
  key: demo().limitedKey,
});

/** On the loopback of every guest there is an app that greets, at this port. */
export const APP_PORT = 8080;

/** Brings them all into the cluster, each with a user `root` and a user `limited`, and does not wait. */
export async function createGuests(guests: readonly Guest[]): Promise<void> {
  const nameOf = await loadSshdImages(await runningTestCluster());
  await apply(guests.flatMap((guest) => prerequisites(guest)).join('---\n'));
  for (const { namespace, name, image, uid, env = {}, script, replicas = 1 } of guests) {
    const container = {
      // The entrypoint is what these images are about.
      ...(script === undefined && { command: undefined }),
      securityContext: { runAsUser: uid, runAsGroup: uid },
      env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
    };
    const app = { name: 'web', image: demo().appImage, imagePullPolicy: 'IfNotPresent', restartPolicy: 'Always' };
    const pod = { initContainers: [app] };
    await createWorkload({ namespace, name, script: script ?? '', image: nameOf(image), container, pod, replicas });
  }
}

/** The namespace, the users' keys and the SshAccess: they are there before the first pod. */
const prerequisites = (guest: Guest): string[] => [
  `${JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: guest.namespace } })}\n`,
  keySecret(guest.namespace, 'root-key', publicKey(demo().rootKey)),
  keySecret(guest.namespace, 'dev-key', publicKey(demo().limitedKey)),
  accessOf(guest),
];

/** The SshAccess of a guest, with other fields where given. */
export const accessOf = ({ namespace, name, mainContainer, spec }: Guest, changes: object = {}): string =>
  accessManifest(namespace, name, USERS, {
    runtime: 'main_container',
    ...(mainContainer !== undefined && { mainContainer }),
    ...spec,
    ...changes,
  });

const publicKey = (privateKey: string): string => readFileSync(`${privateKey}.pub`, 'utf8');

/** Waits for a login that runs this command with success; answers what it printed. */
export const loggedIn = (login: Login, command: string, options: readonly string[] = []): Promise<string> =>
  eventually(async () => {
    const { code, stdout, stderr } = await ssh(login, command, { ssh: options });
    if (code !== 0) throw new Error(`${login.user}: ${code}: ${stderr}${stdout}`);
    return stdout;
  });

const Status = z.object({
  status: z.object({
    runtime: z.string().optional(),
    sessionEntry: z.string().optional(),
    users: z
      .array(
        z.object({
          username: z.string(),
          effectiveUser: z.string().optional(),
          fingerprints: z.array(z.string()).optional(),
        }),
      )
      .default([]),
  }),
});

export const statusOf = async ({ namespace, name }: Guest): Promise<z.infer<typeof Status>['status']> =>
  (await get(Status, 'sshacc', '-n', namespace, name)).status;

/** What the piper is told of it. */
export async function routeOf({ namespace, name }: Guest): Promise<Route> {
  const route = (await routes()).find((each) => each.namespace === namespace && each.name === name);
  if (route === undefined) throw new Error(`there is no route of ${namespace}/${name}`);
  return route;
}

/** What the container of its only pod has written, since it was started. */
export async function logOf({ namespace, name }: Guest): Promise<string> {
  const [pod] = await pods(namespace, name);
  return kubectl('logs', '-n', namespace, pod?.metadata.name ?? '', '-c', 'app', '--tail=-1');
}
