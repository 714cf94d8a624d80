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
  ['a collector that is none', { HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system', TRACES_ENDPOINT: 'collector:4317' }],
  [
    'a password of a collector',
    { HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system', TRACES_ENDPOINT: 'http://me:secret@collector' },
  ],
  ['more traces than there are', { HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system', TRACES_RATIO: '2' }],
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

test('traces go to the path of OTLP below the endpoint, and nowhere where there is none', () => {
  const environment = { HOST_KEY_DIR: '/a', POD_NAMESPACE: 'system' };
  expect(readConfig(environment, []).tracing).toBeUndefined();
  expect(readConfig({ ...environment, TRACES_ENDPOINT: '' }, []).tracing).toBeUndefined();
  const tracing = (endpoint: string) => readConfig({ ...environment, TRACES_ENDPOINT: endpoint }, []).tracing;
  expect(tracing('http://collector:4318')).toEqual({ url: 'http://collector:4318/v1/traces', ratio: 1 });
  expect(tracing('https://[2001:db8::1]/otlp/')?.url).toBe('https://[2001:db8::1]/otlp/v1/traces');
});

test('an unknown option is a configuration error', () => {
  expect(() => readConfig({ HOST_KEY_DIR: '/a', POD_NAMESPACE: 's' }, ['--rotues', 'x'])).toThrow(ConfigError);
});
