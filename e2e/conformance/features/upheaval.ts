/** What a session lives through. These end connections: they come last. */
import { eventually } from '../../support/eventually.ts';
import { type Feature, saw, see, type Subject } from '../feature.ts';
import { inSidecar, podOf } from './pod.ts';
import { within } from '../raw-user.ts';

const APP_PORT = 7070;
const GREETING = 'hello from the app\n';

const restarts = async ({ column }: Subject) => {
  const { containerStatuses, conditions } = (await podOf(column)).status;
  return {
    app: containerStatuses.find(({ name }) => name === 'app')?.restartCount ?? -1,
    ready: containerStatuses.every(({ ready }) => ready),
    since: conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime,
  };
};

/** Tells the app to die: in any image, and from any place, since the pod has one loopback. */
async function killApp({ client }: Subject): Promise<void> {
  const user = await client.raw();
  const said = await user.exchange(APP_PORT, Buffer.from('die\n'));
  see(said.startsWith(GREETING), said);
}

export const UPHEAVAL: readonly Feature[] = [
  {
    title: 'the app restarts: open sessions go on, new ones are in its new container',
    roles: ['root'],
    attempt: async (subject) => {
      const { client, column } = subject;
      const before = await restarts(subject);
      // /dev is a file system of the container's own, writable even where its root is not.
      const mark = column.place === 'app' ? ': >/dev/of-the-old-one' : 'true';
      const user = await client.raw();
      const session = await user.running(`${mark}; echo ready; cat`, 'ready');
      await killApp(subject);
      await eventually(async () => {
        const { app, ready } = await restarts(subject);
        see(app === before.app + 1 && ready, `${app} restarts, ready: ${ready}`);
      }, 60_000);
      session.open.write(Buffer.from('still here\n'));
      await within(session.until('still here'), () => session.result.stdout);
      await eventually(async () => {
        const finished = await client.alone('[ -e /dev/of-the-old-one ] && echo old || echo "new [$FRUIT]"');
        saw(finished, column.place === 'isolated' ? 'new []\n' : 'new [apple]\n');
        see(!finished.stderr.includes('no running process'), finished);
      }, 30_000);
    },
  },
  {
    title: 'the sshd of the sidecar is killed: it is back, and the app has noticed nothing',
    roles: ['root'],
    attempt: async (subject) => {
      const before = await restarts(subject);
      const kill =
        'for p in /proc/[0-9]*; do case $(readlink $p/exe) in */node) kill -9 ${p#/proc/} && echo killed; esac; done';
      saw(await inSidecar(subject.column, kill), 'killed\n');
      await eventually(async () => saw(await subject.client.alone('echo back'), 'back\n'), 30_000);
      const after = await restarts(subject);
      see(
        JSON.stringify(after) === JSON.stringify(before),
        `${JSON.stringify(before)} became ${JSON.stringify(after)}`,
      );
      const sidecar = (await podOf(subject.column)).status.initContainerStatuses.find(
        ({ name }) => name === 'sshaccess',
      );
      see(sidecar?.restartCount === 0, `the sidecar's container was restarted: ${JSON.stringify(sidecar)}`);
    },
  },
];
