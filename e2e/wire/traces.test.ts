/** Traces of real logins, from the piper as a process of its own, and what the collector's own reader makes of them. */
import { once } from 'node:events';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { startCollector } from '../../lib/process/tracing/testing/collector.ts';
import { goProgram } from '../clients/go-program.ts';
import { succeed } from '../support/process.ts';
import { startStack } from './stack.ts';

let reader = '';
beforeAll(async () => {
  reader = await goProgram('otlp-peer', join(import.meta.dirname, 'otlp-peer'));
}, 600_000);

/** Without what is not set: in Protobuf that is the same as nought. */
const fieldsOf = (json: string): unknown =>
  JSON.parse(json, (_key, value: unknown) => (isNought(value) ? undefined : value));
const isNought = (value: unknown): boolean =>
  value === 0 || value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

/** A collector, and a gateway that sends traces to it. */
async function traced(answer?: Parameters<typeof startCollector>[0]) {
  const collector = await startCollector(answer);
  onTestFinished(() => collector.stop());
  const stack = await startStack({ TRACES_ENDPOINT: collector.url, DRAIN_QUIET: '0', LOG_LEVEL: 'debug' });
  onTestFinished(() => stack.stop());
  const end = async (): Promise<unknown> => {
    const closed = once(stack.piper, 'close');
    stack.piper.kill('SIGTERM');
    return (await closed)[0];
  };
  return { ...stack, collector, end };
}

test("a piper that stops sends its last traces, and OpenTelemetry's own reader finds every field of them", async () => {
  const { collector, ssh, root, limited, setRoute, route, piperLog, end } = await traced();
  expect(await ssh(limited, ['echo in'])).toMatchObject({ stdout: 'in\n', code: 0 });
  await setRoute({ hostKeys: route.users.flatMap(({ authorizedKeys }) => authorizedKeys) });
  await expect.poll(async () => (await ssh(root, ['true'])).stderr).toContain('host-key-mismatch');
  expect(await end()).toBe(0);

  const recorded = (what: (line: Record<string, unknown>) => boolean) =>
    piperLog.filter((line) => line.msg === 'connection' && what(line)).map((line) => line['connection']);
  const sent = (error: string | undefined) =>
    collector.spans
      .filter(({ parentSpanId, attributes }) => parentSpanId === undefined && attributes['error.type'] === error)
      .map(({ attributes }) => attributes['sshaccess.connection.id']);
  expect(sent(undefined)).toEqual(recorded(({ event }) => event === 'start'));
  expect(sent('host-key-mismatch')).toEqual(recorded(({ reason }) => reason === 'host-key-mismatch'));
  expect(sent('host-key-mismatch')).not.toEqual([]);

  for (const body of collector.bodies) {
    expect(fieldsOf(await succeed([reader], { input: body }))).toEqual(fieldsOf(body));
    expect(body).not.toMatch(/acme-hello|SHA256:|127\.0\.0\.1/);
  }
});

test('a piper whose collector never answers serves, and stops all the same', async () => {
  const { collector, ssh, root, end } = await traced(() => undefined);
  expect(await ssh(root, ['echo in'])).toMatchObject({ stdout: 'in\n', code: 0 });
  expect(await end()).toBe(0);
  expect(collector.requests).toBe(1);
});
