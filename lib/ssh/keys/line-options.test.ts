import { describe, expect, test } from 'vitest';
import { PUBLIC_KEYS } from '../testing/public-keys.ts';
import { makeRandom } from '../testing/random.ts';
import { makeSecurityKey } from '../testing/security-key.ts';
import { parseAuthorizedKeys } from './authorized-keys.ts';
import { parseExpiry } from './expiry.ts';
import { NO_OPTIONS, type LineOptions } from './line-options.ts';

const { ed25519, rsa2048 } = PUBLIC_KEYS;
const bare = ed25519.line.replace(' alice@example', '');

function optionsOf(text: string): LineOptions | undefined {
  const { keys, problems } = parseAuthorizedKeys(`${text} ${ed25519.line}`);
  expect(problems).toEqual([]);
  return keys[0]?.options;
}

const problemOf = (text: string): string => {
  const { keys, problems } = parseAuthorizedKeys(text);
  expect(keys).toEqual([]);
  expect(problems).toHaveLength(1);
  return `${problems[0]?.code}: ${problems[0]?.message}`;
};

test.each<[string, Partial<LineOptions>]>([
  ['no-pty', { pty: false }],
  ['No-PTY,NO-X11-Forwarding', { pty: false, x11Forwarding: false }],
  ['no-port-forwarding,no-agent-forwarding', { portForwarding: false, agentForwarding: false }],
  ['no-user-rc,user-rc', {}],
  ['restrict', { pty: false, portForwarding: false, agentForwarding: false, x11Forwarding: false }],
  ['restrict,pty,user-rc', { portForwarding: false, agentForwarding: false, x11Forwarding: false }],
  // As sshd: what stands behind wins.
  ['pty,restrict', { pty: false, portForwarding: false, agentForwarding: false, x11Forwarding: false }],
  ['no-pty,pty', {}],
  ['restrict,port-forwarding,agent-forwarding,X11-forwarding', { pty: false }],
  ['permitopen="127.0.0.1:80",permitopen="[::1]:81",permitopen="LOCALHOST:80"', { permitOpen: [80, 81] }],
  ['permitopen="localhost:*"', { permitOpen: null }],
  ['permitopen="localhost:80",permitopen="localhost:*",permitopen="localhost:81"', { permitOpen: null }],
  ['command="echo hi, \\"there\\" \\\\x"', { command: 'echo hi, "there" \\\\x' }],
  ['Command="internal-sftp",restrict', { command: 'internal-sftp', ...restricted() }],
  ['expiry-time="20300102"', { expiresAt: Date.UTC(2030, 0, 2) }],
  ['expiry-time="20300102",expiry-time="20290102"', { expiresAt: Date.UTC(2029, 0, 2) }],
  ['no-touch-required', { touchRequired: false }],
  ['cert-authority', { isAuthority: true }],
  ['CERT-authority,principals="ops,dev-1"', { isAuthority: true, principals: ['ops', 'dev-1'] }],
])('%s', (text, expected) => {
  expect(optionsOf(text)).toEqual({ ...NO_OPTIONS, ...expected });
});

function restricted(): Partial<LineOptions> {
  return { pty: false, portForwarding: false, agentForwarding: false, x11Forwarding: false };
}

test('from= is one list, and the line keeps what was written', () => {
  const { keys } = parseAuthorizedKeys(`from="192.0.2.0/24,!192.0.2.7"\t  ${rsa2048.line}`);
  expect(keys[0]?.options.from.map((list) => list.length)).toEqual([2]);
  expect(keys[0]?.line).toBe(`from="192.0.2.0/24,!192.0.2.7" ${rsa2048.line}`);
  expect(keys[0]?.bare).toBe(`from="192.0.2.0/24,!192.0.2.7" ${rsa2048.line.split(' ').slice(0, 2).join(' ')}`);
  expect(parseAuthorizedKeys(keys[0]?.bare ?? '').keys[0]?.bare).toBe(keys[0]?.bare);
});

test('a key may stand in several lines, under other conditions in each', () => {
  const text = `from="192.0.2.7" ${bare}\n${bare}\n${bare} again\nno-pty ${bare}`;
  const { keys, problems } = parseAuthorizedKeys(text);
  expect(keys.map(({ number }) => number)).toEqual([1, 2, 4]);
  expect(problems).toEqual([expect.objectContaining({ line: 3, code: 'duplicate' })]);
});

describe('A7: refused with a sentence, never stripped', () => {
  test.each([
    ['hurry', /the option hurry is not known/],
    ['no-restrict', /not known/],
    ['no-cert-authority', /not known/],
    ['restrict,hurry', /hurry/],
    ['restrict="yes"', /restrict is not known as it is written/],
    ['pty="yes"', /pty/],
    ['command', /command is not known as it is written/],
    ['constructor', /constructor/],
    ['__proto__="x"', /damaged/],
    ['environment="A=b"', /environment= is not supported/],
    ['tunnel="0"', /tunnel= is not supported/],
    ['permitlisten="8080"', /permitlisten= is not supported/],
    ['from="ssh.example.com"', /names of hosts are not looked up/],
    ['from="192.0.2.7/24"', /networks/],
    ['from=""', /addresses/],
    ['from="192.0.2.7",from="192.0.2.8"', /stands twice/],
    ['command="a",command="b"', /stands twice/],
    ['cert-authority,principals="a",principals="b"', /stands twice/],
    ['principals="a"', /belongs to a key with cert-authority/],
    ['cert-authority,principals=""', /1 to 256 names/],
    ['cert-authority,principals="a,,b"', /1 to 256 names/],
    ['permitopen="db:5432"', /loopback/],
    ['permitopen="127.0.0.2:80"', /loopback/],
    ['permitopen="*:80"', /loopback/],
    ['permitopen="localhost"', /loopback/],
    ['permitopen="localhost:0"', /loopback/],
    ['permitopen="localhost:65536"', /loopback/],
    ['permitopen="::1:80"', /loopback/],
    [Array.from({ length: 65 }, (_, port) => `permitopen="localhost:${port + 1}"`).join(','), /64 ports/],
    ['expiry-time="tomorrow"', /YYYYMMDD/],
    ['expiry-time="20300230"', /YYYYMMDD/],
    ['command=""', /empty/],
    [`command="${'x'.repeat(513)}"`, /longer than 512/],
    ['command="a\u202Eb"', /control characters/],
    ['command="a\u0007b"', /control characters/],
    ['verify-required', /security keys/],
    ['command="never ends', /damaged/],
    ['command=unquoted', /damaged/],
    ["command='single'", /damaged/],
    ['no-pty,', /damaged/],
    [',no-pty', /malformed|damaged/],
    ['no-pty,,no-user-rc', /damaged/],
    ['no-pty, no-user-rc', /damaged/],
    ['command="a"b', /damaged/],
  ])('%s', (text, sentence) => {
    expect(problemOf(`${text} ${ed25519.line}`)).toMatch(sentence);
  });

  test('a certificate behind options, and options in front of what is no key', () => {
    expect(problemOf(`cert-authority ${PUBLIC_KEYS.certificate.line}`)).toMatch(/^certificate: .*cert-authority/);
    expect(problemOf(`no-pty ${PUBLIC_KEYS.dsa.line}`)).toMatch(/^unsupported/);
    expect(problemOf(`no-pty ${PUBLIC_KEYS.rsa1024.line}`)).toMatch(/^weak/);
    expect(problemOf('cert-authority')).toMatch(/^malformed/);
  });
});

test('verify-required is for security keys, and for authorities, whose certificates may be of one', () => {
  const { publicKey } = makeSecurityKey('ed25519');
  const text = `verify-required ${publicKey.toLine()}\ncert-authority,verify-required ${bare}`;
  const { keys, problems } = parseAuthorizedKeys(text);
  expect(problems).toEqual([]);
  expect(keys.map(({ options }) => options.verifyRequired)).toEqual([true, true]);
});

test.each([
  ['20300101', Date.UTC(2030, 0, 1)],
  ['203001011230', Date.UTC(2030, 0, 1, 12, 30)],
  ['20300101123059', Date.UTC(2030, 0, 1, 12, 30, 59)],
  ['20300101123059Z', Date.UTC(2030, 0, 1, 12, 30, 59)],
  ['20300101utc', Date.UTC(2030, 0, 1)],
  ['20240229', Date.UTC(2024, 1, 29)],
  ['20230229', undefined],
  ['20301301', undefined],
  ['20300100', undefined],
  ['203001012400', undefined],
  ['203001011260', undefined],
  ['2030010112', undefined],
  ['20300101+0100', undefined],
  ['19691231', undefined],
  ['', undefined],
])('the time %s', (text, expected) => {
  expect(parseExpiry(text)).toBe(expected);
});

test(
  '10,000 lines of pieces that belong to options: none throws, and what is read comes out as it went in',
  { timeout: 60_000 },
  () => {
    const random = makeRandom(7);
    const pieces = [
      'restrict',
      'no-',
      'pty',
      'command',
      'from',
      'cert-authority',
      'principals',
      'permitopen',
      'expiry-time',
      'tunnel',
      '=',
      '"',
      '\\"',
      '\\',
      ',',
      ' ',
      '\t',
      '!',
      '192.0.2.7',
      '/24',
      '*',
      'localhost:80',
      '20300101',
      'é',
      '\u0000',
      bare,
      'ssh-ed25519 AAAA',
      '-----BEGIN OPENSSH PRIVATE KEY-----',
      '="internal-sftp"',
      '="192.0.2.7"',
      '="localhost:80"',
      '="20300101"',
      '="a,b"',
      ',',
      ',',
      ',',
    ];
    let read = 0;
    for (let round = 0; round < 10_000; round++) {
      const some = Array.from({ length: 1 + random.below(10) }, () => pieces[random.below(pieces.length)] ?? '');
      const { keys, problems } = parseAuthorizedKeys(`${some.join('')} ${bare}`);
      expect(keys.length + problems.length).toBeLessThanOrEqual(2);
      for (const key of keys) {
        read++;
        const again = parseAuthorizedKeys(key.bare);
        expect(again.keys.map((one) => one.bare)).toEqual([key.bare]);
        // Nothing that could restrict is ever dropped on the way.
        expect(key.bare.endsWith(bare)).toBe(true);
      }
    }
    expect(read).toBeGreaterThan(100);
  },
);
