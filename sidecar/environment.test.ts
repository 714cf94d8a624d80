import { expect, test } from 'vitest';
import { DEFAULT_POLICIES } from '../crds/session-policy.ts';
import {
  type EnvironmentInput,
  isClientValue,
  mayClientSet,
  parseEnviron,
  sessionEnvironment,
  type Variables,
  withoutPlaces,
} from './environment.ts';

const input: EnvironmentInput = {
  role: 'root',
  app: parseEnviron(
    Buffer.from(
      'PATH=/app/bin\0LANG=C.UTF-8\0LC_TIME=de_DE\0TZ=UTC\0DATABASE_URL=secret\0HOME=/app\0SSHACCESS_CONTAINER=app\0',
    ),
  ),
  client: new Map([['LANG', Buffer.from('de_DE.UTF-8')]]),
  account: { name: 'app', home: '/home/app', shell: '/bin/bash' },
  own: {},
  term: 'xterm',
  connection: {
    id: 'c-1',
    username: 'acme-my-llm',
    clientAddress: '203.0.113.7',
    clientPort: 4711,
    serverAddress: '10.0.0.9',
    serverPort: 2222,
  },
};

/** As text, a character for a byte. */
const textOf = (variables: Variables) =>
  Object.fromEntries([...variables].map(([name, value]) => [name, value.toString('latin1')]));
const environmentOf = (from: EnvironmentInput) => textOf(sessionEnvironment(from));

const ours = {
  HOME: '/home/app',
  USER: 'app',
  LOGNAME: 'app',
  SHELL: '/bin/bash',
  TERM: 'xterm',
  SSH_CLIENT: '203.0.113.7 4711 2222',
  SSH_CONNECTION: '203.0.113.7 4711 10.0.0.9 2222',
  SSHACCESS_USER: 'acme-my-llm',
  SSHACCESS_SESSION: 'c-1',
};

test("root gets the app's environment, without the marker that tells its processes from a session's", () => {
  expect(environmentOf(input)).toEqual({
    PATH: '/app/bin',
    LC_TIME: 'de_DE',
    TZ: 'UTC',
    DATABASE_URL: 'secret',
    LANG: 'de_DE.UTF-8',
    ...ours,
    SSHACCESS_ROLE: 'root',
  });
});

test('limited gets where programs are and how to speak, nothing that could be a secret', () => {
  expect(environmentOf({ ...input, role: 'limited', term: undefined })).toEqual({
    PATH: '/app/bin',
    LC_TIME: 'de_DE',
    TZ: 'UTC',
    LANG: 'de_DE.UTF-8',
    ...ours,
    TERM: undefined,
    SSHACCESS_ROLE: 'limited',
  });
});

test('without an app there is a PATH nevertheless', () => {
  expect(environmentOf({ ...input, app: new Map() })['PATH']).toMatch(/^\/usr\/local\/sbin:/);
});

test('an environ is parsed as the kernel keeps it: no final NUL, odd entries, the first of two counts', () => {
  const environ = Buffer.concat([Buffer.from('A=1\0B\0=C\0A=2\0D=\0E=x=y\0F='), Buffer.of(0xff), Buffer.from('\0G=1')]);
  expect(textOf(parseEnviron(environ))).toEqual({ A: '1', D: '', E: 'x=y', F: '\u00FF', G: '1' });
});

test('a program that wrote its title over its environment leaves a session with ours', () => {
  const title = Buffer.from('nginx: master process nginx -g daemon off;\0\0\0\0er process\0');
  const { PATH, ...rest } = environmentOf({ ...input, app: parseEnviron(title), client: new Map() });
  expect(PATH).toMatch(/^\/usr\/local\/sbin:/);
  expect(rest).toEqual({ ...ours, SSHACCESS_ROLE: 'root' });
});

test("in another image the app's environment is without the places of its own", () => {
  const app = parseEnviron(Buffer.from('PATH=/app/bin\0LD_PRELOAD=/app/x.so\0TMPDIR=/app\0DATABASE_URL=secret\0'));
  expect(textOf(withoutPlaces(app))).toEqual({ DATABASE_URL: 'secret' });
});

test('D5: what chooses programs and libraries is never taken from a client, whatever the policy says', () => {
  const everything = {
    ...DEFAULT_POLICIES.root,
    clientEnvironment: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ_'.split('').map((letter) => `${letter}*`),
  };
  const hostile =
    'LD_PRELOAD LD_LIBRARY_PATH NODE_OPTIONS BASH_ENV PATH ENV HOME SSHACCESS_CONTAINER SSH_AUTH_SOCK PYTHONPATH PERL5LIB JAVA_TOOL_OPTIONS _JAVA_OPTIONS GCONV_PATH GLIBC_TUNABLES IFS BASH_FUNC_x%% A=B Ld_preload Path';
  for (const name of hostile.split(' '))
    expect([name, mayClientSet(everything, new Map(), name)]).toEqual([name, false]);
  expect(mayClientSet(everything, new Map(), 'EDITOR')).toBe(true);
});

test('a client sets what its policy names, and not without end', () => {
  const { root, limited } = DEFAULT_POLICIES;
  expect(mayClientSet(root, new Map(), 'GIT_AUTHOR_NAME')).toBe(true);
  expect(mayClientSet(limited, new Map(), 'GIT_AUTHOR_NAME')).toBe(false);
  expect(mayClientSet(limited, new Map(), 'LC_ALL')).toBe(true);
  const full = new Map(Array.from({ length: 64 }, (_, index) => [`LC_${index}`, Buffer.alloc(0)]));
  expect([mayClientSet(limited, full, 'LC_ALL'), mayClientSet(limited, full, 'LC_1')]).toEqual([false, true]);
  expect(isClientValue(Buffer.alloc(10_000, 'x'))).toBe(false);
  expect(isClientValue(Buffer.from('a\0b'))).toBe(false);
  expect(isClientValue(Buffer.of(0xff))).toBe(true);
});
