import { expect, test } from 'vitest';
import { at, secretAt, soon, useOperator } from './testing/rig.ts';

const rig = useOperator();

test('with a list of namespaces nothing of another is read, written or kept, and its routes count as nobody’s', async () => {
  rig.namespaces = ['acme', 'beta'];
  for (const namespace of ['beta', 'other']) rig.putNamespace(namespace);
  const uids = ['acme', 'beta', 'other'].map((namespace) => rig.putAccess('web', {}, namespace));
  rig.server.put(secretAt(`route-${uids[2]}`, 'sys'), { metadata: { labels: { 'sshaccess.dev/route': 'true' } } });
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uids[0] ?? '')).toEqual(['acme-web']));
  await soon(() => expect(rig.usersOf(uids[1] ?? '')).toEqual(['beta-web']));
  await soon(() => expect(rig.secretOf(secretAt(`route-${uids[2]}`, 'sys'))).toBeUndefined());
  // A user's key is heard of in each of them.
  rig.server.remove(secretAt('alice-key', 'beta'));
  await soon(() => expect(rig.usersOf(uids[1] ?? '')).toEqual([]));
  await rig.quiet();
  expect(rig.server.get(at('web', 'other'))).toMatchObject({ metadata: { generation: 1 } });
  expect(rig.server.get(at('web', 'other'))?.['status']).toBeUndefined();
  const clusterWide = rig.server.requests.filter((line) => !line.includes('/namespaces/'));
  expect(new Set(clusterWide)).toEqual(new Set(['GET /api/v1/namespaces']));
  expect(rig.server.requests.filter((line) => line.includes('/namespaces/other'))).toEqual([]);
});
