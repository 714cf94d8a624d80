import { expect, test } from 'vitest';
import { callsBetween, callsIn } from './api-calls.ts';

const line = (verb: string, resource: string, count: number, more = 'group="",subresource=""') =>
  `apiserver_request_total{code="200",${more},resource="${resource}",scope="resource",verb="${verb}",version="v1"} ${count}`;

test('calls for single objects are summed up over status codes, and compared', () => {
  const before = [line('GET', 'secrets', 3), line('LIST', 'secrets', 9), '# HELP apiserver_request_total of all'];
  const after = [
    line('GET', 'secrets', 10),
    line('GET', 'secrets', 2).replace('200', '404'),
    line('APPLY', 'sshaccesses', 40, 'group="sshaccess.dev",subresource="status"'),
    line('POST', 'events', 7),
    line('POST', 'events', 5, 'group="events.k8s.io",subresource=""'),
    line('GET', 'nodes', 100),
  ];
  expect(callsBetween(callsIn(before.join('\n')), callsIn(after.join('\n')))).toEqual([
    ['APPLY sshaccesses/status', 40],
    ['GET secrets', 9],
    ['POST events', 5],
  ]);
});
