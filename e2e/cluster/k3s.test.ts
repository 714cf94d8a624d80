import { expect, test } from 'vitest';
import { publishedEndpoint } from './k3s.ts';

test('the published port is reached on this machine', () => {
  expect(publishedEndpoint('0.0.0.0:49154\n[::]:49154\n')).toEqual({ host: '127.0.0.1', port: 49154 });
});

test('a port published on one address is reached there', () => {
  expect(publishedEndpoint('192.0.2.5:2222\n')).toEqual({ host: '192.0.2.5', port: 2222 });
});
