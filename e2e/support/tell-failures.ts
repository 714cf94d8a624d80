/**
 * When a test fails, CI's output says what the cluster was like, once for each file: nobody can look at it any more. And a
 * file that had the cluster for itself and leaves the system broken is named, since those that come after it fail, too.
 * Nothing here makes a test fail; Secrets are not read.
 */
import { loadavg } from 'node:os';
import { relative } from 'node:path';
import { afterAll, afterEach, expect, type RunnerTask } from 'vitest';
import { z } from 'zod';
import { placeBesideOthers } from './beside-others.ts';
import {
  Access,
  accessFacts,
  Deployment,
  Event,
  eventFacts,
  faults,
  isWell,
  logFacts,
  Pod,
  podFacts,
} from './cluster-facts.ts';
import { demo } from './demo.ts';
import { tryKubectl } from './kubectl.ts';

/** kubectl gives up then; there are two rounds of it. */
const ROUND = '--request-timeout=2s';
const DEADLINE_MS = 4_800;
const MOST_LOG_LINES = 15;
const MOST_LOGS = 8;

let isTold = false;
/** Undefined: no test of it has begun. */
let ran: RunnerTask | undefined;

const file = (): string => relative(process.cwd(), expect.getState().testPath ?? '');
const hasFailed = (task: RunnerTask): boolean =>
  task.result?.state === 'fail' || ('tasks' in task && task.tasks.some(hasFailed));

/** @throws what kubectl said where there is nothing to be had */
async function list<T extends z.ZodType>(schema: T, ...args: string[]): Promise<z.output<T>[]> {
  const { stdout, stderr, code } = await tryKubectl(['get', ...args, '-o', 'json', ROUND]);
  if (code !== 0) throw new Error(stderr);
  return z.object({ items: z.array(schema) }).parse(JSON.parse(stdout)).items;
}

async function logOf(pod: Pod): Promise<string[]> {
  const { namespace, name } = pod.metadata;
  const lines = isWell(pod) ? '--tail=200' : `--tail=${MOST_LOG_LINES}`;
  const { stdout } = await tryKubectl(['logs', '-n', namespace, name, lines, '--since=2m', ROUND]);
  return logFacts(stdout, pod, MOST_LOG_LINES);
}

/** Adds to `lines` as it learns. */
async function learn(lines: string[]): Promise<void> {
  const { systemNamespace } = demo();
  const note = (error: unknown): [] => {
    lines.push(String(error).slice(0, 300));
    return [];
  };
  const [pods, accesses, events] = await Promise.all([
    list(Pod, 'pods', '-A').catch(note),
    list(Access, 'sshaccesses', '-A').catch(note),
    list(Event, 'events', '-A', '--field-selector=type=Warning').catch(note),
  ]);
  const now = Date.now();
  lines.push(...podFacts(pods, systemNamespace, now), ...accessFacts(accesses), ...eventFacts(events, now));
  const ours = pods.filter(({ metadata }) => metadata.namespace === systemNamespace);
  // Those that are not well first.
  const sorted = ours.toSorted((one, other) => Number(isWell(one)) - Number(isWell(other)));
  await Promise.all(sorted.slice(0, MOST_LOGS).map(async (pod) => void lines.push(...(await logOf(pod)))));
}

/** Waits for it no longer than it is allowed to take, and holds it against nobody that it does not work. */
const atMost = (work: Promise<void>, lines: string[]): Promise<unknown> => {
  const late = new Promise((resolve) => setTimeout(resolve, DEADLINE_MS, 'late').unref());
  return Promise.race([work, late])
    .then((outcome) => outcome === 'late' && lines.push('(the cluster takes too long to say more)'))
    .catch((error: unknown) => lines.push(`(no more can be said: ${String(error).slice(0, 300)})`));
};

async function tell(what: string): Promise<void> {
  if (isTold) return;
  isTold = true;
  const lines: string[] = [];
  await atMost(learn(lines), lines);
  const load = loadavg().map((average) => average.toFixed(1));
  const title = `── the cluster when ${file()} failed: ${what} (load of this machine: ${load.join(' ')})`;
  console.log([title, ...lines, '──'].join('\n  '));
}

async function tellWhatIsBroken(): Promise<void> {
  const lines: string[] = [];
  const look = async (): Promise<void> => {
    const ours = ['-n', demo().systemNamespace, '-l', 'app.kubernetes.io/part-of=sshaccess'];
    lines.push(...faults(await list(Deployment, 'deployments', ...ours)));
  };
  await atMost(look(), lines);
  if (lines.length > 0) console.log(`!! ${file()} leaves the system broken: ${lines.join('; ')}`);
}

afterEach(async ({ task }) => {
  ran = task.file;
  if (hasFailed(task)) await tell(task.name);
});

// Before `turn.ts` lets the next one in, and after the file has put in order what it could.
afterAll(async () => {
  if (ran === undefined || hasFailed(ran)) await tell('before its tests, or between them');
  if (placeBesideOthers(file()) === undefined) await tellWhatIsBroken();
});
