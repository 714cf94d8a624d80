import { expect, test } from 'vitest';
import { ceilingOf } from './policies.ts';
import { sshdSettings } from './sshd-settings.ts';
import { access } from './testing/samples.ts';

const settings = (spec: object = {}) => sshdSettings(ceilingOf(access(spec).spec)).split('\n');
const limitedOnly = { users: [{ access: 'limited', secretRef: { name: 'k' } }] };

test('what the init script is told: the defaults, whole', () => {
  expect(settings()).toEqual([
    'LOCAL_FORWARDING=loopback',
    'REMOTE_FORWARDING=none',
    'SOCKET_FORWARDING=no',
    'AGENT_FORWARDING=no',
    'X11_FORWARDING=no',
    'AUDIT_LOGGING=yes',
    'CLIENT_ENVIRONMENT=GIT_* LANG LC_* TERM',
    '',
  ]);
});

test.each([
  ['nobody is root', limitedOnly, 'LOCAL_FORWARDING=none'],
  [
    'limited may forward',
    { ...limitedOnly, policy: { limited: { localForwarding: 'loopback' } } },
    'LOCAL_FORWARDING=loopback',
  ],
  [
    'what root may does not count where nobody is',
    { ...limitedOnly, policy: { root: { x11Forwarding: true } } },
    'X11_FORWARDING=no',
  ],
  ['-R', { policy: { root: { remoteForwarding: 'loopback' } } }, 'REMOTE_FORWARDING=loopback'],
  ['sockets', { policy: { root: { socketForwarding: true } } }, 'SOCKET_FORWARDING=yes'],
  ['an agent', { policy: { root: { agentForwarding: true } } }, 'AGENT_FORWARDING=yes'],
  ['X11', { policy: { root: { x11Forwarding: true } } }, 'X11_FORWARDING=yes'],
  ['no audit', { audit: { logging: false } }, 'AUDIT_LOGGING=no'],
  ['fewer variables', limitedOnly, 'CLIENT_ENVIRONMENT=LANG LC_* TERM'],
])('%s', (_, spec, line) => {
  expect(settings(spec)).toContain(line);
});
