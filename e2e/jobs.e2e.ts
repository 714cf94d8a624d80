/** Jobs: ssh into one while it runs; it completes in spite of the sidecar, and status says so. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { demo } from './support/demo.ts';
import { eventually } from './support/eventually.ts';
import { apply, kubectl, list, Pod, tryKubectl } from './support/kubectl.ts';
import { disposeScratch, generateKey, ssh } from './support/openssh.ts';
import { crashSidecar } from './support/sidecar.ts';
import { accessManifest, condition, keySecret, removeNamespace, waitUntilReady } from './support/workload.ts';

const namespace = 'e2e-jobs';
let key = '';
const login = (name: string) => ({ user: `${namespace}-${name}`, key });

/** A pod that works until somebody writes into a file of it. */
const template = (labels: Record<string, string>, spec: object = {}) => ({
  metadata: { labels },
  spec: {
    ...spec,
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'work',
        image: demo().appImage,
        imagePullPolicy: 'IfNotPresent',
        command: ['sh', '-c', 'until [ -e /tmp/enough ]; do sleep 0.2; done'],
        env: [{ name: 'FRUIT', value: 'medlar' }],
        securityContext: { runAsUser: 1000, runAsGroup: 1000 },
      },
    ],
  },
});
/** Keeps the app waiting, while the sidecar runs already: as a slow node does, or what waits for a database. */
const slow = () => ({
  name: 'slow',
  image: demo().appImage,
  imagePullPolicy: 'IfNotPresent',
  command: ['sleep', '8'],
});
const job = (name: string, labels: Record<string, string>): string =>
  stringify({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { namespace, name },
    spec: { backoffLimit: 0, template: template(labels) },
  });

const target = (kind: 'Job' | 'CronJob', name: string) => ({ target: { apiVersion: 'batch/v1', kind, name } });
const users = [{ secretRef: { name: 'key' } }];

const podsOf = async (access: string) => list(Pod, 'pods', '-n', namespace, '-l', `sshaccess.dev/access=${access}`);
const onlyPodOf = async (access: string): Promise<string> => (await podsOf(access))[0]?.metadata.name ?? '';
const says = (name: string, type: string, expected: RegExp) =>
  eventually(async () => expect(await condition(namespace, name, type)).toMatch(expected));

/** Runs a command in the pod as soon as that works. */
const loggedIn = (name: string, command: string) =>
  eventually(async () => {
    const finished = await ssh(login(name), command);
    expect(finished).toMatchObject({ code: 0 });
    return finished.stdout;
  });

beforeAll(async () => {
  const generated = await generateKey('jobs');
  key = generated.path;
  await apply(stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } }));
  await apply(keySecret(namespace, 'key', generated.publicKey));
});

afterAll(async () => {
  await removeNamespace(namespace);
  disposeScratch();
});

describe('a Job', () => {
  test('without our label is left as it is, and the condition says what to do', async () => {
    await apply(job('work', { app: 'work' }));
    await apply(accessManifest(namespace, 'work', users, target('Job', 'work')));
    const sentence =
      /^False: JobNotLabelled: .*add the label sshaccess\.dev\/access: work to spec\.template\.metadata\.labels .*create it anew$/;
    await says('work', 'Injected', sentence);
    await says('work', 'Ready', sentence);
    expect(await kubectl('describe', 'sshacc', '-n', namespace, 'work')).toMatch(/Warning +JobNotLabelled/);
  });

  test('created anew with it is reached while it runs', async () => {
    await kubectl('delete', 'job', '-n', namespace, 'work', '--wait=true');
    await apply(job('work', { app: 'work', 'sshaccess.dev/access': 'work' }));
    await waitUntilReady(namespace, 'work');
    expect(await loggedIn('work', 'echo "$FRUIT"; hostname')).toMatch(/^medlar\nwork-/);
  });

  test('completes in spite of the sidecar, even of one that crashes, and status is honest afterwards', async () => {
    await crashSidecar(namespace, await onlyPodOf('work'), 3);
    await loggedIn('work', 'touch /tmp/enough');
    await kubectl('wait', 'job/work', '-n', namespace, '--for=condition=complete', '--timeout=60s');
    await says('work', 'Ready', /^False: JobEnded: job\/work has ended/);
    const status = await kubectl('get', 'sshacc', '-n', namespace, 'work', '-o', 'jsonpath={.status}');
    expect(JSON.parse(status)).not.toHaveProperty('sessionEntry');
    expect(JSON.parse(status)).toMatchObject({ pods: [] });
    expect(await podsOf('work')).toMatchObject([{ status: { containerStatuses: [{ restartCount: 0 }] } }]);
    expect((await ssh(login('work'), 'true')).code).toBe(255);
  });
});

describe('a CronJob', () => {
  const label = () =>
    kubectl(
      'get',
      'cronjob',
      '-n',
      namespace,
      'report',
      '-o',
      'jsonpath={.spec.jobTemplate.spec.template.metadata.labels}',
    );

  test('gets the label into the template of its next Jobs', async () => {
    await apply(
      stringify({
        apiVersion: 'batch/v1',
        kind: 'CronJob',
        metadata: { namespace, name: 'report' },
        spec: {
          schedule: '0 0 1 1 *',
          jobTemplate: {
            spec: { backoffLimit: 0, template: template({ app: 'report' }, { initContainers: [slow()] }) },
          },
        },
      }),
    );
    await apply(accessManifest(namespace, 'report', users, target('CronJob', 'report')));
    await says('report', 'Ready', /^False: WaitingForJob: cronjob\/report has no running Job/);
    await eventually(async () =>
      expect(JSON.parse(await label())).toEqual({ app: 'report', 'sshaccess.dev/access': 'report' }),
    );
  });

  test('its Job is reached while it runs, by one who comes before it does', async () => {
    await kubectl('create', 'job', '-n', namespace, 'today', '--from=cronjob/report');
    await waitUntilReady(namespace, 'report');
    expect(await loggedIn('report', 'echo "$FRUIT"; hostname')).toMatch(/^medlar\ntoday-/);
  });

  test('deleting the SshAccess takes the label back and leaves the running Job alone', async () => {
    const [before] = await podsOf('report');
    await kubectl('delete', 'sshacc', '-n', namespace, 'report', '--wait=true', '--timeout=60s');
    expect(JSON.parse(await label())).toEqual({ app: 'report' });
    expect(await podsOf('report')).toMatchObject([{ metadata: { uid: before?.metadata.uid } }]);
    expect((await ssh(login('report'), 'true')).code).toBe(255);
    const { code } = await tryKubectl([
      'exec',
      '-n',
      namespace,
      before?.metadata.name ?? '',
      '-c',
      'work',
      '--',
      'touch',
      '/tmp/enough',
    ]);
    expect(code).toBe(0);
    await kubectl('wait', 'job/today', '-n', namespace, '--for=condition=complete', '--timeout=60s');
  });
});
