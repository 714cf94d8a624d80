import { expect, test, vi } from 'vitest';
import { endpoint, existing, unavailable } from './existing.ts';

const nodes = (...addresses: readonly { type: string; address: string }[]): string =>
  JSON.stringify({ items: [{ status: { addresses } }] });

test('without the variable, the reason says what to set', () => {
  expect(unavailable({})).toContain('SSHACCESS_E2E_KUBECONFIG is not set');
});

test('a name is a wish: it is never passed over, even when it is wrong', async () => {
  expect(unavailable({ SSHACCESS_E2E_KUBECONFIG: '/nowhere/config' })).toBeUndefined();
  vi.stubEnv('SSHACCESS_E2E_KUBECONFIG', '/nowhere/config');
  await expect(existing.start('demo')).rejects.toThrow(/names \/nowhere\/config; there is no such file/);
  vi.unstubAllEnvs();
});

test('node ports are reached at the named host, else at the external address, else at the internal one', () => {
  const internal = { type: 'InternalIP', address: '10.0.0.7' };
  const both = nodes(internal, { type: 'ExternalIP', address: '203.0.113.7' });
  expect(endpoint(both, 2222, { SSHACCESS_E2E_SSH_HOST: 'ssh.example' })).toEqual({ host: 'ssh.example', port: 2222 });
  expect(endpoint(both, 2222, {})).toEqual({ host: '203.0.113.7', port: 2222 });
  expect(endpoint(nodes(internal), 2222, {})).toEqual({ host: '10.0.0.7', port: 2222 });
});

test('a cluster without any address asks for the host', () => {
  expect(() => endpoint(nodes(), 2222, {})).toThrow(/set SSHACCESS_E2E_SSH_HOST/);
});
