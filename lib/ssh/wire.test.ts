import { expect, test } from 'vitest';
import { Reader, Writer } from './wire.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('every type comes back as it was written', () => {
  const bytes = new Writer(1)
    .byte(250)
    .boolean(true)
    .uint32(0xffffffff)
    .uint64(2n ** 63n)
    .string('grüße')
    .nameList(['a', 'b@c'])
    .nameList([])
    .mpint(hex('00 00 80 01'))
    .raw(hex('aa bb'))
    .bytes();
  const reader = new Reader(bytes);
  expect(reader.byte()).toBe(250);
  expect(reader.boolean()).toBe(true);
  expect(reader.uint32()).toBe(0xffffffff);
  expect(reader.uint64()).toBe(2n ** 63n);
  expect(reader.utf8()).toBe('grüße');
  expect(reader.nameList()).toEqual(['a', 'b@c']);
  expect(reader.nameList()).toEqual([]);
  expect(reader.mpint()).toEqual(hex('80 01'));
  expect(reader.rest()).toEqual(hex('aa bb'));
  reader.end();
});

// RFC 4251 §5, the examples of mpint.
test.each([
  ['', '00 00 00 00'],
  ['09a378f9b2e332a7', '00 00 00 08 09 a3 78 f9 b2 e3 32 a7'],
  ['80', '00 00 00 02 00 80'],
])('the mpint 0x%s is written as the RFC says', (magnitude, encoded) => {
  expect(new Writer().mpint(hex(magnitude)).bytes()).toEqual(hex(encoded));
  expect(new Reader(hex(encoded)).mpint()).toEqual(hex(magnitude));
});

test.each([
  ['a negative mpint', '00 00 00 01 80'],
  ['an mpint with a needless zero', '00 00 00 02 00 01'],
  ['a zero mpint of one byte', '00 00 00 01 00'],
])('%s is refused', (_what, encoded) => {
  expect(() => new Reader(hex(encoded)).mpint()).toThrow(expect.objectContaining({ code: 'protocol' }));
});

test('every truncation of a message is a protocol error, never a RangeError', () => {
  const whole = new Writer().byte(1).boolean(true).uint32(7).uint64(7n).string('name').nameList(['a']).bytes();
  for (let length = 0; length < whole.length; length++) {
    const reader = new Reader(whole.subarray(0, length));
    const readAll = (): void => {
      reader.byte();
      reader.boolean();
      reader.uint32();
      reader.uint64();
      reader.name();
      reader.nameList();
    };
    expect(readAll).toThrow(expect.objectContaining({ code: 'protocol' }));
  }
});

test('a length of 4 GiB is a protocol error', () => {
  expect(() => new Reader(hex('ff ff ff ff 00')).string()).toThrow(expect.objectContaining({ code: 'protocol' }));
});

test('strings are views, not copies', () => {
  const buffer = new Writer().string('abc').bytes();
  const view = new Reader(buffer).string();
  buffer.write('X', 4);
  expect(view.toString()).toBe('Xbc');
});

test.each([
  ['empty', ''],
  ['with a comma', 'a,b'],
  ['with a space', 'a b'],
  ['with a control character', 'a\nb'],
  ['not ASCII', 'ä'],
  ['too long', 'a'.repeat(65)],
])('a name that is %s is refused', (_what, name) => {
  expect(() => new Reader(new Writer().string(name).bytes()).name()).toThrow(
    expect.objectContaining({ code: 'protocol' }),
  );
});

test.each([',', 'a,,b', 'a,', ',a', 'a b'])('the name-list "%s" is refused', (list) => {
  expect(() => new Reader(new Writer().string(list).bytes()).nameList()).toThrow(
    expect.objectContaining({ code: 'protocol' }),
  );
});

test('text that is not UTF-8 and bytes after the end are refused', () => {
  expect(() => new Reader(hex('00 00 00 01 ff')).utf8()).toThrow(expect.objectContaining({ code: 'protocol' }));
  expect(() => new Reader(hex('00')).end()).toThrow(expect.objectContaining({ code: 'protocol' }));
});
