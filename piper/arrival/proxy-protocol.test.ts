import { describe, expect, test } from 'vitest';
import { MAX_HEADER_BYTES, ProxyProtocolError, readProxyHeader } from './proxy-protocol.ts';

const SIGNATURE = '0d0a0d0a000d0a515549540a';
const IPV4 = 'c0000201cb007107d9380016';
const IPV6 = '20010db800000000000000000000000120010db8000000000000000000000002d9380016';
const hex = (...parts: string[]): Buffer => Buffer.from(parts.join(''), 'hex');

describe('C1: version 1', () => {
  test.each([
    ['PROXY TCP4 192.0.2.1 203.0.113.7 55608 22\r\n', { address: '192.0.2.1', port: 55_608 }],
    ['PROXY TCP6 2001:DB8::0:1 2001:db8::2 55608 22\r\n', { address: '2001:db8::1', port: 55_608 }],
    ['PROXY TCP6 ::ffff:192.0.2.1 ::ffff:203.0.113.7 1 22\r\n', { address: '192.0.2.1', port: 1 }],
    ['PROXY UNKNOWN\r\n', undefined],
    ['PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n', undefined],
  ])('%j', (line, client) => {
    const data = Buffer.from(`${line}SSH-2.0-x\r\n`);
    expect(readProxyHeader(data)).toEqual({ bytes: line.length, client });
    for (let length = 0; length < line.length; length++)
      expect(readProxyHeader(data.subarray(0, length))).toBeUndefined();
  });

  test.each([
    'SSH-2.0-OpenSSH_9.2\r\n',
    'PROXY TCP4 192.0.2.1 203.0.113.7 55608\r\n',
    'PROXY TCP4 192.0.2.1 203.0.113.7 55608 22 23\r\n',
    'PROXY TCP4 192.0.2.1 203.0.113.7 055608 22\r\n',
    'PROXY TCP4 192.0.2.1 203.0.113.7 65536 22\r\n',
    'PROXY TCP4 192.0.2.1 203.0.113.7 -1 22\r\n',
    'PROXY TCP4 192.0.2.256 203.0.113.7 1 22\r\n',
    'PROXY TCP4 2001:db8::1 2001:db8::2 1 22\r\n',
    'PROXY TCP6 192.0.2.1 203.0.113.7 1 22\r\n',
    'PROXY TCP6 fe80::1%eth0 fe80::2 1 22\r\n',
    'PROXY UDP4 192.0.2.1 203.0.113.7 1 22\r\n',
    'PROXY  TCP4 192.0.2.1 203.0.113.7 1 22\r\n',
    'proxy TCP4 192.0.2.1 203.0.113.7 1 22\r\n',
    `PROXY UNKNOWN ${'x'.repeat(107)}\r\n`,
  ])('refused: %j', (line) => {
    expect(() => readProxyHeader(Buffer.from(line))).toThrow(ProxyProtocolError);
  });
});

describe('C1: version 2', () => {
  test.each([
    ['TCP over IPv4', hex(SIGNATURE, '2111000c', IPV4), { address: '192.0.2.1', port: 55_608 }],
    [
      'with what a load balancer adds',
      hex(SIGNATURE, '21110012', IPV4, 'ea0003616263'),
      { address: '192.0.2.1', port: 55_608 },
    ],
    ['TCP over IPv6', hex(SIGNATURE, '21210024', IPV6), { address: '2001:db8::1', port: 55_608 }],
    [
      'IPv4 in IPv6',
      hex(SIGNATURE, '21210024', '00000000000000000000ffffc0000201', '00000000000000000000ffffcb007107', 'd9380016'),
      { address: '192.0.2.1', port: 55_608 },
    ],
    ['the proxy itself', hex(SIGNATURE, '20000000'), undefined],
    ['the proxy itself, with addresses', hex(SIGNATURE, '2011000c', IPV4), undefined],
    ['unspecified', hex(SIGNATURE, '21000003', 'abcdef'), undefined],
  ])('%s', (_, header, client) => {
    const data = Buffer.concat([header, Buffer.from('SSH-2.0-x\r\n')]);
    expect(readProxyHeader(data)).toEqual({ bytes: header.length, client });
    for (let length = 0; length < header.length; length++)
      expect(readProxyHeader(data.subarray(0, length))).toBeUndefined();
  });

  test.each([
    ['version 1 in binary', hex(SIGNATURE, '1111000c', IPV4)],
    ['a command of nobody', hex(SIGNATURE, '2211000c', IPV4)],
    ['UDP', hex(SIGNATURE, '2112000c', IPV4)],
    ['a Unix socket', hex(SIGNATURE, '213100d8', '00'.repeat(216))],
    ['too short for IPv4', hex(SIGNATURE, '2111000b', IPV4.slice(2))],
    ['too short for IPv6', hex(SIGNATURE, '21210023', IPV6.slice(2))],
    ['too long', hex(SIGNATURE, '2111ffff')],
    ['a signature with a wrong last byte', hex(SIGNATURE.slice(0, -2), '0b', '2111000c', IPV4)],
  ])('refused: %s', (_, header) => {
    expect(() => readProxyHeader(header)).toThrow(ProxyProtocolError);
  });
});

test('C1: whatever comes is a header, no header, or needs more bytes than it has, within the bound', () => {
  let state = 20_261_121;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  const seeds = [Buffer.from('PROXY TCP4 192.0.2.1 203.0.113.7 55608 22\r\n'), hex(SIGNATURE, '21210024', IPV6)];
  for (let round = 0; round < 20_000; round++) {
    const seed = seeds[random(2)] ?? Buffer.alloc(0);
    const data = Buffer.concat([seed, Buffer.alloc(random(64), random(256))]);
    for (let change = random(4); change > 0; change--) data[random(data.length)] = random(256);
    try {
      const header = readProxyHeader(data);
      expect(header?.bytes ?? data.length).toBeLessThanOrEqual(MAX_HEADER_BYTES);
    } catch (error) {
      expect(error).toBeInstanceOf(ProxyProtocolError);
    }
  }
});
