import { expect, test } from 'vitest';
import { at, deploymentAt, useOperator } from './testing/rig.ts';

const rig = useOperator();

const lines = async (start: string): Promise<string[]> =>
  (await rig.metrics.registry.metrics()).split('\n').filter((line) => line.startsWith(start));

test('SshAccesses are counted by the reason of each condition, and words that are not ours make no series', async () => {
  await rig.startOperator();
  rig.putAccess('hello');
  const reasons = async () => await lines('sshaccess_operator_ssh_accesses{');
  await expect
    .poll(async () => (await reasons()).join('\n'), { timeout: 8_000 })
    .toMatch(/condition="Ready",status="False"/);
  expect(await reasons()).toContain(
    'sshaccess_operator_ssh_accesses{condition="KeysValid",status="True",reason="AllKeysValid",program="operator"} 1',
  );
  await rig.stopOperator();

  const stored = rig.server.get(at('hello'));
  const foreign = { status: 'False', message: '', lastTransitionTime: '2026-01-01T00:00:00Z' };
  const conditions = ['Ready', 'Foreign'].map((type) => ({ ...foreign, type, reason: `${type}Evil` }));
  rig.server.put(at('hello'), { ...stored, metadata: stored?.metadata, status: { conditions } });
  rig.server.fail(1_000, 500, /PATCH/);
  await rig.startOperator();
  expect(await reasons()).toContain(
    'sshaccess_operator_ssh_accesses{condition="Ready",status="False",reason="other",program="operator"} 1',
  );
  const all = (await reasons()).join('\n');
  expect(all).not.toContain('Evil');
  expect(all).not.toContain('Foreign');
});

test('reconciles are counted by result, timed, and only who leads says so', async () => {
  const leader = () => lines('sshaccess_operator_leader{');
  rig.putAccess('hello');
  await rig.startOperator();
  expect(await leader()).toEqual(['sshaccess_operator_leader{program="operator"} 1']);
  const results = (result: string) => lines(`sshaccess_operator_reconciles_total{result="${result}"`);
  await expect.poll(() => results('success'), { timeout: 8_000 }).toEqual([expect.stringMatching(/ [1-9]\d*$/)]);
  expect(await results('error')).toEqual([expect.stringMatching(/ 0$/)]);
  rig.server.fail(1, 500, /PATCH .*deployments/);
  rig.server.remove(deploymentAt('web'));
  rig.putDeployment('web');
  await expect.poll(() => results('error'), { timeout: 8_000 }).toEqual([expect.stringMatching(/ [1-9]\d*$/)]);
  expect(await lines('sshaccess_operator_reconcile_duration_seconds_count')).toEqual([
    expect.stringMatching(/ [1-9]\d*$/),
  ]);
  await rig.stopOperator();
  expect(await leader()).toEqual(['sshaccess_operator_leader{program="operator"} 0']);
});

test('requests to the API server are counted by verb and code, and a watch that broke by its kind', async () => {
  await rig.startOperator();
  rig.putAccess('hello');
  const requests = (verb: string, code: number) => lines(`sshaccess_kube_requests_total{verb="${verb}",code="${code}"`);
  await expect.poll(() => requests('patch', 200), { timeout: 8_000 }).toHaveLength(1);
  expect(await requests('get', 200)).toHaveLength(1);
  await expect.poll(() => requests('watch', 200), { timeout: 8_000 }).toHaveLength(1);
  rig.server.dropWatches();
  await expect
    .poll(() => lines('sshaccess_kube_watch_restarts_total{resource="pods"'), { timeout: 8_000 })
    .toEqual([expect.stringMatching(/ 1$/)]);
  await rig.server.stop();
  await expect.poll(() => requests('watch', 0), { timeout: 8_000 }).toHaveLength(1);
  await rig.server.start();
});
