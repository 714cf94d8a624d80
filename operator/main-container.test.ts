/** The operator and images that bring their own sshd, against an API server on loopback. */
import { expect, test } from 'vitest';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { textOf } from './secret.ts';
import { secretAt, serviceAt, soon, useOperator } from './testing/rig.ts';
import { publicLine } from './testing/samples.ts';

const rig = useOperator();
const twoUsers = [{ secretRef: { name: 'alice-key' } }, { suffix: 'dev', secretRef: { name: 'bob-key' } }];

test('an image that brings its own sshd: its Secret, route and Service', async () => {
  const uid = rig.putAccess('web', { runtime: 'main_container', users: twoUsers });
  rig.putKey('bob-key', { authorized_keys: publicLine() });
  await rig.startOperator();
  await soon(() => expect(rig.usersOf(uid)).toHaveLength(2));
  await soon(() => expect(textOf(rig.secretOf(secretAt('web-sshaccess')), '05-ssh-init.sh')).toMatch(/^#!/));
  const data = rig.secretOf(secretAt('web-sshaccess'));
  expect(textOf(data, 'sshd-settings')).toContain('LOCAL_FORWARDING=loopback\n');
  const hostKeys = [PrivateKey.parse(textOf(data, 'host-key') ?? '').publicKey.toLine()];
  expect(rig.routeOf(uid)).toMatchObject({ runtime: 'main_container', port: 2222, hostKeys });
  expect(rig.routeOf(uid)?.users.map(({ upstreamUser }) => upstreamUser)).toEqual([undefined, undefined]);
});

test('an sshd that knows nothing of us: its own port, account and host keys', async () => {
  const hostKey = publicLine('');
  const mainContainer = { managed: false, user: 'deploy', authorizedKeysPath: '/keys', hostKeys: [hostKey] };
  const uid = rig.putAccess('web', { runtime: 'main_container', mainContainer });
  await rig.startOperator();
  const users = [{ username: 'acme-web', upstreamUser: 'deploy' }];
  await soon(() =>
    expect(rig.routeOf(uid)).toMatchObject({ runtime: 'main_container', port: 22, hostKeys: [hostKey], users }),
  );
  await soon(() =>
    expect(rig.server.get(serviceAt('web-sshaccess'))).toMatchObject({
      spec: { ports: [{ port: 22, targetPort: 22 }] },
    }),
  );
  rig.putAccess('web');
  await soon(() => expect(rig.routeOf(uid)).toMatchObject({ runtime: 'sidecar', port: 2222 }));
  expect(rig.routeOf(uid)?.users).toEqual([expect.not.objectContaining({ upstreamUser: 'deploy' })]);
  await soon(() =>
    expect(rig.server.get(serviceAt('web-sshaccess'))).toMatchObject({ spec: { ports: [{ port: 2222 }] } }),
  );
});
