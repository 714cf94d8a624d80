/** What the operator asks of the API server, counted. */
import { expect, test } from 'vitest';
import { at, useOperator } from './testing/rig.ts';

const rig = useOperator();
const MANY = 200;
const TIMEOUT_MS = 240_000;
/** A user's key in the first run, which knows that there is nothing else; then what it has made settles, by and by: four objects a run. */
const MOST_READS = 1 + 3 * 4;

type Calls = { reads: number; writes: Record<string, number> };

/** Requests for single objects: lists and watches are the informers', one of each. Events are counted with the writes. */
function callsSince(start: number): Calls {
  const calls: Calls = { reads: 0, writes: {} };
  for (const line of rig.server.requests.slice(start)) {
    const [method = '', path = ''] = line.split(' ');
    const [, namespaced = ''] = path.split('/namespaces/');
    const [, plural = '', name, subresource] = namespaced.split('/');
    if (method !== 'GET') {
      const what = [method, plural, ...(subresource === undefined ? [] : [subresource])].join(' ');
      calls.writes[what] = (calls.writes[what] ?? 0) + 1;
    } else if (name !== undefined) calls.reads += 1;
  }
  return calls;
}

test(
  'each of 200 is made with the same few calls; who looks again writes nothing; a change concerns one',
  { timeout: TIMEOUT_MS },
  async () => {
    for (let index = 0; index < MANY; index++) {
      rig.putDeployment(`web-${index}`);
      rig.putAccess(`web-${index}`, { target: { name: `web-${index}` } });
    }
    const names = Array.from({ length: MANY }, (_, index) => `web-${index}`);
    const unready = () => names.filter((name) => rig.reason(name, 'Ready') !== 'WaitingForPods');
    await rig.startOperator();
    await expect.poll(unready, { timeout: TIMEOUT_MS / 2, interval: 200 }).toEqual([]);
    await rig.quiet();
    const made = callsSince(0);
    expect(made.writes).toMatchObject({
      'PATCH sshaccesses': MANY,
      'PATCH deployments': MANY,
      'POST secrets': 2 * MANY,
      'POST services': MANY,
    });
    const { 'PATCH sshaccesses status': statuses = 0, 'POST events': events = 0 } = made.writes;
    // A status that the informer has not yet brought back is applied once more; the API server makes nothing of it.
    expect(statuses).toBeGreaterThanOrEqual(MANY);
    expect(statuses).toBeLessThanOrEqual(2 * MANY);
    expect(events).toBeLessThanOrEqual(3 * MANY);
    expect(made.reads).toBeLessThanOrEqual(MOST_READS * MANY);

    // As after ten minutes, or an election: all are looked at.
    await rig.stopOperator();
    const restart = rig.server.requests.length;
    await rig.startOperator();
    await expect.poll(() => callsSince(restart).reads, { timeout: TIMEOUT_MS / 4, interval: 200 }).toBe(4 * MANY);
    await rig.quiet();
    expect(callsSince(restart)).toEqual({ reads: 4 * MANY, writes: {} });

    const change = rig.server.requests.length;
    rig.putAccess('web-7', { target: { name: 'web-7' }, enabled: false });
    await expect.poll(() => rig.reason('web-7', 'Ready'), { timeout: TIMEOUT_MS / 4 }).toBe('Disabled');
    await rig.quiet();
    const route = `route-${rig.server.get(at('web-7'))?.metadata.uid}`;
    const others = rig.server.requests
      .slice(change)
      .filter((line) => !/\/(web-7|web-7-sshaccess|alice-key|events)(\/status)?$/.test(line) && !line.endsWith(route));
    expect(others).toEqual([]);
  },
);
