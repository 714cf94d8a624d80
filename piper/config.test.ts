import { expect, test } from 'vitest';
import { ConfigError } from '../lib/process/config.ts';
import { PrivateKey } from '../lib/ssh/keys/private-key.ts';
import { readConfig } from './config.ts';

test('options of the command line take the place of the environment', () => {
  const args = ['--routes', 'routes', '--host-keys', '/b', '--port', '2022'];
  const config = readConfig({ PORT: '22', HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system' }, args);
  expect(config).toMatchObject({
    port: 2022,
    hostKeyFolder: '/b',
    source: { files: 'routes' },
    drainGraceMs: 3_600_000,
  });
});

test('B4: in a pod everything has a default but the host keys', () => {
  expect(readConfig({ HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system' }, [])).toMatchObject({
    port: 2222,
    ports: { health: 8080, profiling: 0 },
    source: { namespace: 'system' },
    limits: { loginGraceMs: 30_000, startUps: 200, startUpsPerSource: 20, maxTries: 6 },
  });
});

test.each([
  ['no host keys', { POD_NAMESPACE: 'system' }],
  ['neither files nor a namespace', { HOST_KEY_DIR: '/a' }],
  ['a port that is none', { HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system', PORT: 'ssh' }],
  ['a network that is none', { HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system', PROXY_PROTOCOL_FROM: '10.0.0.0/99' }],
  ['an authority that is none', { HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system', TRUSTED_USER_CAS: 'ssh-ed25519 AAAA' }],
  ['a drain of years', { HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system', DRAIN_GRACE: '99999999' }],
])('%s is a configuration error', (_what, environment) => {
  expect(() => readConfig(environment, [])).toThrow(ConfigError);
});

test('authorities are lines of public keys, and each is nothing but that', () => {
  const lines = [1, 2].map((number) => PrivateKey.generateEd25519().publicKey.toLine(`authority ${number}`));
  const environment = { HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system' };
  const { authorities } = readConfig({ ...environment, TRUSTED_USER_CAS: `${lines.join('\n')}\n` }, []);
  expect(authorities.map(({ comment, options }) => [comment, options.isAuthority, options.principals])).toEqual([
    ['authority 1', true, undefined],
    ['authority 2', true, undefined],
  ]);
  for (const options of ['restrict', 'principals="root"', 'cert-authority'])
    expect(() => readConfig({ ...environment, TRUSTED_USER_CAS: `${options} ${lines[0]}` }, [])).toThrow('line 1');
  expect(readConfig(environment, []).authorities).toEqual([]);
});

test('an unknown option is a configuration error', () => {
  expect(() => readConfig({ HOST_KEY_DIR: '/a', POD_NAMESPACE: 's' }, ['--rotues', 'x'])).toThrow(ConfigError);
});
