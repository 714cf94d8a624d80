import { describe, expect, test } from 'vitest';
import { Container, Pod } from './pod.ts';
import { privileges } from './security-context.ts';

const given = (
  level: 'privileged' | 'baseline' | 'restricted',
  own: object = {},
  shared: object = {},
  { processNamespace = 'shared', ...spec }: { processNamespace?: 'shared' | 'isolated'; containers?: object[] } = {},
) => {
  const app = Container.parse({ name: 'app', securityContext: own });
  return privileges(
    Pod.parse({ metadata: {}, spec: { containers: [app], securityContext: shared, ...spec } }),
    app,
    level,
    processNamespace,
  );
};
const capabilities = (own: object, shared: object = {}) => given('baseline', own, shared).context.capabilities;

const BASELINE = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
];
const ENTER = ['KILL', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'];

describe('capabilities', () => {
  test('an app that may be root keeps NET_RAW, so the sidecar must: it may not add it, so it does not drop ALL', () => {
    expect(capabilities({})).toEqual({ add: BASELINE });
    expect(capabilities({ runAsUser: 0 })).toEqual({ add: BASELINE });
  });
  test('what such an app drops, the sidecar drops, but for what entering takes', () => {
    expect(capabilities({ capabilities: { drop: ['MKNOD', 'CAP_AUDIT_WRITE', 'SETUID'] } })).toEqual({
      drop: ['AUDIT_WRITE', 'MKNOD'],
      add: BASELINE.filter((name) => name !== 'MKNOD' && name !== 'AUDIT_WRITE'),
    });
  });
  test('an app of another uid permits itself nothing: NET_RAW is not needed', () => {
    expect(capabilities({ runAsUser: 1000 })).toEqual({ drop: ['ALL'], add: BASELINE });
    expect(capabilities({}, { runAsNonRoot: true })).toEqual({ drop: ['ALL'], add: BASELINE });
  });
  test('an app without capabilities: only what entering takes', () => {
    expect(capabilities({ capabilities: { drop: ['ALL'] } })).toEqual({ drop: ['ALL'], add: ENTER });
    expect(capabilities({ capabilities: { drop: ['all'], add: ['NET_BIND_SERVICE'] } })).toEqual({
      drop: ['ALL'],
      add: [...ENTER, 'NET_BIND_SERVICE'].toSorted(),
    });
  });
  test('an app with more than the default: the same', () => {
    expect(capabilities({ capabilities: { drop: ['ALL'], add: ['NET_RAW', 'SYS_ADMIN'] } })).toEqual({
      drop: ['ALL'],
      add: [...ENTER, 'NET_RAW', 'SYS_ADMIN'].toSorted(),
    });
    expect(capabilities({ capabilities: { add: ['ALL'] } })).toEqual({ add: ['ALL'] });
    expect(capabilities({ privileged: true })).toEqual({ add: ['ALL'] });
  });
});

describe('role root', () => {
  test.each([
    ['an app that says nothing', {}, {}, 0],
    ['an app of uid 1000 with the default capabilities', { runAsUser: 1000 }, {}, 0],
    ['an app that must not be root', { runAsUser: 1000 }, { runAsNonRoot: true }, 1000],
    ['the same, its uid in the image', {}, { runAsNonRoot: true }, null],
    ['runAsNonRoot of the container wins over that of the pod', { runAsNonRoot: false }, { runAsNonRoot: true }, 0],
    ['an app without DAC_OVERRIDE', { capabilities: { drop: ['ALL'] } }, { runAsUser: 7 }, 7],
  ])('%s', (_case, own, shared, rootUid) => {
    expect(given('baseline', own, shared)).toMatchObject({ sessionEntry: 'chroot', rootUid });
  });
});

describe('role limited', () => {
  test.each([
    ['nobody has 61000', { runAsUser: 1000 }, {}, 61_000],
    ['the app has it', { runAsUser: 61_000 }, {}, 62_000],
    ['the pod has one of them, and the app a group of the next', { runAsGroup: 62_001 }, { runAsUser: 61_999 }, 63_000],
    ['volumes are given to it', {}, { fsGroup: 61_000, supplementalGroups: [62_999] }, 63_000],
  ])('%s', (_case, own, shared, limitedUid) => {
    expect(given('baseline', own, shared)).toMatchObject({ limitedUid });
    expect(given('baseline', own, shared, { processNamespace: 'isolated' })).toMatchObject({ limitedUid });
    expect(given('restricted', own, shared)).toMatchObject({ limitedUid: null });
  });
  test('another container has it', () => {
    const other = { name: 'other', securityContext: { runAsUser: 61_000 } };
    expect(given('baseline', {}, {}, { containers: [{ name: 'app' }, other] })).toMatchObject({ limitedUid: 62_000 });
  });
});

describe('context', () => {
  test('no_new_privs exactly where the app has it', () => {
    expect(given('baseline', { allowPrivilegeEscalation: false }).context.allowPrivilegeEscalation).toBe(false);
    expect(given('baseline', { allowPrivilegeEscalation: true }).context).not.toHaveProperty(
      'allowPrivilegeEscalation',
    );
    expect(given('baseline').context).not.toHaveProperty('allowPrivilegeEscalation');
  });
  test("the app's confinement: its own, else the pod's, else the runtime's default", () => {
    const local = { type: 'Localhost', localhostProfile: 'app.json' };
    expect(given('baseline').context.seccompProfile).toEqual({ type: 'RuntimeDefault' });
    expect(given('baseline', {}, { seccompProfile: local }).context.seccompProfile).toEqual(local);
    const own = { seccompProfile: { type: 'Unconfined' }, appArmorProfile: local, seLinuxOptions: { level: 's0:c1' } };
    expect(given('privileged', own, { seccompProfile: local }).context).toMatchObject(own);
  });
  test('a pod-wide group and runAsNonRoot do not reach a sidecar of uid 0', () => {
    const { context } = given('baseline', {}, { runAsUser: 1000, runAsGroup: 3000, runAsNonRoot: true });
    expect(context).toMatchObject({ runAsUser: 0, runAsGroup: 0, runAsNonRoot: false });
  });
  test('restricted: the uid and gid of the app where they are known, and nothing else', () => {
    const least = { runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };
    expect(given('restricted')).toMatchObject({
      sessionEntry: 'toolbox',
      rootUid: 65_532,
      limitedUid: null,
      context: { ...least, runAsUser: 65_532 },
    });
    expect(given('restricted', {}, { runAsUser: 1000, runAsGroup: 5 })).toMatchObject({
      rootUid: 1000,
      context: { ...least, runAsUser: 1000, runAsGroup: 5 },
    });
  });
  test('an isolated process namespace: uid 0 only to become others, who cannot read the host key', () => {
    const isolated = (own: object) => given('baseline', own, {}, { processNamespace: 'isolated' });
    expect(isolated({ runAsUser: 1000 })).toMatchObject({
      sessionEntry: 'toolbox',
      processNamespace: 'isolated',
      rootUid: 1000,
      context: {
        runAsUser: 0,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'], add: ['KILL', 'SETGID', 'SETPCAP', 'SETUID'] },
      },
    });
    expect(isolated({ runAsUser: 0 }).rootUid).toBe(65_532);
    expect(given('restricted', {}, {}, { processNamespace: 'isolated' }).context.runAsUser).toBe(65_532);
  });
});
