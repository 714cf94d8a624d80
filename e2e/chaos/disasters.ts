/** What goes wrong meanwhile. */
import { setTimeout as delay } from 'node:timers/promises';
import { FIELD_MANAGERS } from '../../crds/index.ts';
import type { Faults } from '../cluster/cluster.ts';
import { demo } from '../support/demo.ts';
import { eventually } from '../support/eventually.ts';
import { kubectl } from '../support/kubectl.ts';

/** Returns when it is over; with the name of the piper whose connections ended by it. */
export type Disaster = { name: string; happen: () => Promise<string | undefined> };

const names = async (component: string): Promise<string[]> => {
  const selector = ['-n', demo().systemNamespace, '-l', `app.kubernetes.io/component=${component}`];
  const running = ['--field-selector=status.phase=Running', '--sort-by=.metadata.name'];
  return (await kubectl('get', 'pods', ...selector, ...running, '-o', 'jsonpath={.items[*].metadata.name}')).split(' ');
};

const lease = (): string[] => ['lease', FIELD_MANAGERS.operator, '-n', demo().systemNamespace];
const leader = (): Promise<string> => kubectl('get', ...lease(), '-o', 'jsonpath={.spec.holderIdentity}');

/** A thief who takes the lease and does nothing: the leader must stop, and another lead when the lease has run out. */
async function takeLease(): Promise<void> {
  const spec = {
    holderIdentity: 'thief',
    leaseDurationSeconds: 5,
    renewTime: `${new Date().toISOString().slice(0, -1)}000Z`,
  };
  await kubectl('patch', ...lease(), '--type=merge', '-p', JSON.stringify({ spec }));
  await eventually(async () => {
    const holder = await leader();
    if (holder === 'thief' || holder === '') throw new Error(`nobody leads: ${holder}`);
  });
}

export function disasters(faults: Faults, outageMs: number): Record<string, Disaster['happen']> {
  const kill = async (component: string, index: number): Promise<string | undefined> => {
    const pod = (await names(component))[index] ?? '';
    await faults.kill(pod);
    return component === 'piper' ? pod : undefined;
  };
  return {
    'kill -9 of the leading operator': async () => {
      const pod = await leader();
      await faults.kill(pod);
      return undefined;
    },
    'kill -9 of a webhook': () => kill('webhook', 0),
    'kill -9 of the first piper': () => kill('piper', 0),
    'kill -9 of the second piper': () => kill('piper', 1),
    'containerd restarted': async () => {
      await faults.restartContainerd();
      return undefined;
    },
    'the API server away': async () => {
      await faults.stopApiServer();
      await delay(outageMs);
      await faults.startApiServer();
      return undefined;
    },
    'etcd compacted': async () => {
      await faults.compactEtcd();
      return undefined;
    },
    'the API server away, and etcd compacted meanwhile': async () => {
      await faults.stopApiServer();
      await faults.compactEtcd();
      await faults.startApiServer();
      return undefined;
    },
    'the lease taken from the leader': async () => {
      await takeLease();
      return undefined;
    },
  };
}
