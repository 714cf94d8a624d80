import { expect, test } from 'vitest';
import { publishedPortOf, serverHost } from './k3s.ts';

test('the port is the one that Docker chose', () => {
  expect(publishedPortOf('0.0.0.0:49154\n[::]:49155\n')).toBe(49154);
});

test('the host is the one that the kubeconfig reaches', () => {
  expect(serverHost('clusters:\n- cluster:\n    server: https://172.17.0.1:32768\n')).toBe('172.17.0.1');
  expect(serverHost('    server: https://docker.example:32768\n')).toBe('docker.example');
});
