import { expect, test } from 'vitest';
import { DEFAULT_POLICIES, isWithin, POLICY_LIMITS, SessionPolicy } from '../crds/index.ts';
import { type KeyOptions, LONGEST_COMMAND, UNRESTRICTED } from '../lib/ssh/keys/key-options.ts';
import { makeRandom } from '../lib/ssh/testing/random.ts';
import { policyUnder } from './key-policy.ts';
import { everything, limited, nothing, root } from './testing/filter-rig.ts';

const under = (options: Partial<KeyOptions>, policy = everything): SessionPolicy =>
  policyUnder(policy, { ...UNRESTRICTED, ...options });

test('a key without options takes nothing away', () => {
  for (const policy of [root, limited, everything, nothing]) {
    expect(under({}, policy)).toEqual(policy);
    expect(isWithin(policy, under({}, policy))).toBe(true);
  }
});

test.each<[string, Partial<KeyOptions>, Partial<SessionPolicy>]>([
  ['no-pty', { pty: false }, { pty: false }],
  ['no-agent-forwarding', { agentForwarding: false }, { agentForwarding: false }],
  ['no-X11-forwarding', { x11Forwarding: false }, { x11Forwarding: false }],
  [
    'no-port-forwarding',
    { portForwarding: false },
    { localForwarding: 'none', remoteForwarding: 'none', socketForwarding: false },
  ],
  ['permitopen', { permitOpen: [80, 443] }, { localPorts: [80, 443] }],
  [
    'command',
    { command: 'uptime' },
    { commands: ['uptime'], forceCommand: true, sftp: { access: 'none', paths: null } },
  ],
  ['command="internal-sftp"', { command: 'internal-sftp' }, { commands: [], forceCommand: true }],
])('%s', (_what, options, changes) => {
  expect(under(options)).toEqual({ ...everything, ...changes });
});

test('options meet a policy that has less already', () => {
  const policy: SessionPolicy = { ...limited, localPorts: [80], commands: ['date'] };
  expect(under({ permitOpen: [80, 443] }, policy)).toMatchObject({ localPorts: [80], localForwarding: 'none' });
  expect(under({ permitOpen: [443] }, policy)).toMatchObject({ localPorts: [] });
  // Neither the list nor the key would have the other's command: so nothing runs.
  expect(under({ command: 'uptime' }, policy)).toMatchObject({ commands: [], sftp: { access: 'none' } });
  expect(under({ command: 'date' }, policy)).toMatchObject({ commands: ['date'], forceCommand: true });
});

test(
  'no options, whatever they are, ever widen a policy, and what comes of them is a policy',
  { timeout: 60_000 },
  () => {
    const random = makeRandom(9);
    const coin = (): boolean => random.below(2) === 0;
    const pick = <Item>(...items: readonly [Item, ...Item[]]): Item => items[random.below(items.length)] ?? items[0];
    for (let round = 0; round < 2_000; round++) {
      const policy: SessionPolicy = {
        ...pick(root, limited, everything, nothing),
        localPorts: pick(null, [], [80], [80, 443]),
        commands: pick(null, [], ['uptime'], ['date', 'uptime']),
        sftp: pick(
          root.sftp,
          { access: 'none' as const, paths: null },
          { access: 'read-only' as const, paths: ['/data'] },
        ),
      };
      const options: Partial<KeyOptions> = {
        pty: coin(),
        portForwarding: coin(),
        agentForwarding: coin(),
        x11Forwarding: coin(),
        permitOpen: pick(null, [], [80], [22, 443]),
        command: pick(undefined, 'uptime', 'internal-sftp', 'x'),
      };
      const narrowed = under(options, policy);
      expect(isWithin(narrowed, policy)).toBe(true);
      expect(SessionPolicy.parse(narrowed)).toEqual(narrowed);
      // Twice is once: what recheck compares.
      expect(under(options, narrowed)).toEqual(narrowed);
    }
  },
);

test('the longest command of a key fits into a policy', () => {
  expect(LONGEST_COMMAND).toBe(POLICY_LIMITS.commandLength);
  expect(() =>
    SessionPolicy.parse(under({ command: 'é'.repeat(LONGEST_COMMAND) }, DEFAULT_POLICIES.root)),
  ).not.toThrow();
});
