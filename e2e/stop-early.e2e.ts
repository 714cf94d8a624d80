/** A program of ours that is told to stop before it can hear that: a scale-down, or a rollout that is overtaken by the next. */
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { demo } from './support/demo.ts';
import { apply, get, kubectl } from './support/kubectl.ts';

/** Node reads this first, and gets no further: so the program has set up nothing, least of all for SIGTERM. */
const STARTING = '--import=data:text/javascript,await(new(Promise)(()=>setInterval(()=>0,1000)))';
/** Much less than the grace of a piper, and than the half minute that Kubernetes gives the others. */
const SOON = '--timeout=20s';
const PROGRAMS = ['operator', 'webhook', 'piper'] as const;

const Deployment = z.object({
  spec: z.object({
    template: z.object({
      spec: z.looseObject({ containers: z.tuple([z.looseObject({ env: z.array(z.unknown()) })]) }),
    }),
  }),
});

const inSystem = (...args: string[]): Promise<string> => kubectl('-n', demo().systemNamespace, ...args);
const podOf = (program: string): string => `stop-early-${program}`;
const remove = (...how: string[]): Promise<string> =>
  inSystem('delete', 'pods', ...PROGRAMS.map(podOf), '--ignore-not-found', ...how);

afterAll(async () => {
  await remove('--grace-period=0', '--force');
});

test('stops at once, and not at the end of its grace', async () => {
  const { systemNamespace: namespace } = demo();
  await Promise.all(
    PROGRAMS.map(async (program) => {
      const { spec } = (await get(Deployment, 'deployment', '-n', namespace, `sshaccess-${program}`)).spec.template;
      const [container] = spec.containers;
      const env = [...container.env, { name: 'NODE_OPTIONS', value: STARTING }];
      await apply(
        JSON.stringify({
          apiVersion: 'v1',
          kind: 'Pod',
          // Without the labels of the Deployment, which would take it in.
          metadata: { namespace, name: podOf(program) },
          spec: { ...spec, containers: [{ ...container, env, livenessProbe: undefined, startupProbe: undefined }] },
        }),
      );
    }),
  );
  const running = PROGRAMS.map((program) => `pod/${podOf(program)}`);
  await inSystem('wait', ...running, '--for=jsonpath={.status.phase}=Running', '--timeout=120s');
  expect(await remove('--wait=true', SOON)).toContain(podOf('piper'));
});
