import { expect, test } from 'vitest';
import { fitInto, LimitRange } from './limit-range.ts';
import { parseQuantity } from './quantity.ts';

const usual = { requests: { cpu: '10m', memory: '64Mi' }, limits: { cpu: '2', memory: '1Gi' } };
const range = (limit: object, type = 'Container'): LimitRange =>
  LimitRange.parse({ metadata: { namespace: 'acme' }, spec: { limits: [{ type, ...limit }] } });

test.each([
  ['no LimitRange changes nothing', usual, [], usual],
  ['nor does one on pods or claims', usual, [range({ max: { cpu: '1m' } }, 'Pod')], usual],
  ['nor one that is wide enough', usual, [range({ min: { cpu: '5m' }, max: { memory: '2Gi', cpu: 4 } })], usual],
  [
    'a maximum lowers the limit, and the request under it',
    usual,
    [range({ max: { cpu: '5m', memory: '512Mi' } })],
    { requests: { cpu: '5m', memory: '64Mi' }, limits: { cpu: '5m', memory: '512Mi' } },
  ],
  [
    'a minimum raises the request, and the limit over it',
    usual,
    [range({ min: { cpu: '100m', memory: '2Gi' } })],
    { requests: { cpu: '100m', memory: '2Gi' }, limits: { cpu: '2', memory: '2Gi' } },
  ],
  [
    'a ratio lowers the limit',
    usual,
    [range({ maxLimitRequestRatio: { cpu: '10', memory: 2 } })],
    { requests: usual.requests, limits: { cpu: '100m', memory: String(128 * 2 ** 20) } },
  ],
  [
    'a maximum asks for a limit where there is none',
    { requests: { cpu: '10m' } },
    [range({ max: { cpu: '1' } })],
    { requests: { cpu: '10m' }, limits: { cpu: '1' } },
  ],
  [
    'equal request and limit stay equal',
    { requests: { cpu: '100m' }, limits: { cpu: '100m' } },
    [range({ min: { cpu: '200m' } }), range({ max: { cpu: '150m' } }), range({ max: { cpu: '1' } })],
    { requests: { cpu: '150m' }, limits: { cpu: '150m' } },
  ],
])('%s', (_sentence, resources, ranges, fitted) => {
  expect(fitInto(resources, ranges)).toEqual(fitted);
});

test.each([
  ['500m', 0.5],
  ['1Gi', 2 ** 30],
  ['1.5', 1.5],
  [2, 2],
  ['1e3', 1000],
  ['1E', 1e18],
  ['much', undefined],
  ['1Qi', undefined],
])('quantity %s', (quantity, value) => {
  expect(parseQuantity(quantity)).toBe(value);
});
