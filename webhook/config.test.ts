import { expect, test } from 'vitest';
import { parseEnvironment } from '../lib/process/config.ts';
import { Config } from './config.ts';

const least = { POD_NAMESPACE: 'sshaccess-system', SIDECAR_IMAGE: 'sidecar:1' };

test('the least environment gets the defaults', () => {
  expect(parseEnvironment(Config, least)).toMatchObject({
    PORT: 8443,
    TLS_DIR: '/etc/sshaccess/tls',
    SIDECAR_PULL_POLICY: 'IfNotPresent',
    DEFAULT_POD_SECURITY_LEVEL: 'privileged',
  });
});

test('resources are JSON, as the chart writes them', () => {
  const config = parseEnvironment(Config, { ...least, SIDECAR_RESOURCES: '{"limits":{"cpu":2}}' });
  expect(config.SIDECAR_RESOURCES).toEqual({ limits: { cpu: 2 } });
});

test('sidecars serve metrics on no port, or on one that can be theirs', () => {
  const portOf = (text: string) =>
    parseEnvironment(Config, { ...least, SIDECAR_METRICS_PORT: text }).SIDECAR_METRICS_PORT;
  expect(parseEnvironment(Config, least).SIDECAR_METRICS_PORT).toBe(0);
  expect(['0', '1024', '65535'].map(portOf)).toEqual([0, 1024, 65_535]);
  expect(() => portOf('2222')).toThrow(/SIDECAR_METRICS_PORT: 2222 is the port of ssh/);
  for (const wrong of ['80', '1023', '65536', '-1', 'http'])
    expect(() => portOf(wrong)).toThrow(/SIDECAR_METRICS_PORT/);
});

test('every mistake is named at once', () => {
  const wrong = { PORT: '0', SIDECAR_IMAGE: 'x', SIDECAR_RESOURCES: 'cpu', SIDECAR_PULL_POLICY: 'never' };
  expect(() => parseEnvironment(Config, wrong)).toThrow(
    /PORT.*\nPOD_NAMESPACE.*\nSIDECAR_PULL_POLICY.*\nSIDECAR_RESOURCES: must be JSON/,
  );
});
