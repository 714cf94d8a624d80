/** Runtime main_container: what is decided, as data. What becomes of whole pods is in testdata/. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Access, decide, type Cluster } from './injection-plan.ts';
import { inject } from './inject.ts';
import { Pod } from './pod.ts';
import { sessionIds } from './session-ids.ts';
import { SETUP_SCRIPT } from './setup-container.ts';

const UNMANAGED = { managed: false, user: 'deploy', authorizedKeysPath: '/home/deploy/.ssh/authorized_keys' };

const access = (mainContainer?: object, spec: object = {}): Access =>
  Access.parse({
    metadata: { namespace: 'acme', name: 'my-llm', uid: 'u' },
    spec: {
      target: { name: 'my-llm', container: 'app' },
      runtime: 'main_container',
      ...(mainContainer !== undefined && { mainContainer }),
      users: [{ suffix: 'dev', secretRef: { name: 'dev' } }, { secretRef: { name: 'key' } }],
      ...spec,
    },
  });

const clusterWith = (known: Access, labels: Record<string, string> = {}): Cluster => ({
  access: () => known,
  namespaceLabels: () => labels,
  limitRanges: () => [],
  systemNamespace: 'sshaccess-system',
  defaultLevel: 'privileged',
});

const pod = (app: object = {}, spec: object = {}): Pod =>
  Pod.parse({
    metadata: { labels: { 'sshaccess.dev/access': 'my-llm' } },
    spec: { containers: [{ name: 'helper' }, { name: 'app', ...app }], ...spec },
  });

const decided = (subject: Pod, known = access(), labels: Record<string, string> = {}) =>
  decide(subject, 'acme', clusterWith(known, labels));

describe('who is told to the image', () => {
  const usernames = (known: Access, labels?: Record<string, string>) => {
    const decision = decided(pod(), known, labels);
    return 'skip' in decision ? decision.skip : decision.plan.mainContainer?.usernames;
  };
  test('all users, the primary one first, by the name of the namespace, its label or the spec', () => {
    expect(usernames(access())).toEqual(['acme-my-llm', 'acme-my-llm-dev']);
    const label = { 'sshaccess.dev/organization': 'inc' };
    expect(usernames(access(), label)).toEqual(['inc-my-llm', 'inc-my-llm-dev']);
    expect(usernames(access({}, { organization: 'own', slug: 'bot' }), label)).toEqual(['own-bot', 'own-bot-dev']);
  });
  test('a label that can begin no username is told to whoever makes the pod', () => {
    expect(usernames(access(), { 'sshaccess.dev/organization': 'Acme.Inc' })).toBe('organization-invalid');
  });
  test('nobody, where the image knows nothing of us: the label does not matter', () => {
    expect(usernames(access(UNMANAGED), { 'sshaccess.dev/organization': 'Acme.Inc' })).toEqual([]);
  });
});

const secret = { name: 'own', secret: { secretName: 'own' } };
const claim = { name: 'own', persistentVolumeClaim: { claimName: 'own' } };
const mounting = (mountPath: string, volume: object = claim, more: object = {}): Pod =>
  pod({ volumeMounts: [{ name: 'own', mountPath, ...more }] }, { volumes: [volume] });

describe('what stands in the way', () => {
  test.each([
    ['host-network', pod({}, { hostNetwork: true }), access(UNMANAGED)],
    ['windows', pod({}, { os: { name: 'windows' } }), access()],
    ['name-taken', pod({}, { initContainers: [{ name: 'sshaccess-setup' }] }), access()],
    ['name-taken', pod({}, { containers: [{ name: 'app' }, { name: 'sshaccess' }] }), access()],
    ['name-taken', pod({}, { volumes: [{ name: 'sshaccess-runtime' }] }), access()],
    // Only one can listen.
    ['port-taken', pod({}, { initContainers: [{ name: 'a', ports: [{ containerPort: 2222 }] }] }), access()],
    ['port-taken', pod({}, { initContainers: [{ name: 'a', ports: [{ containerPort: 22 }] }] }), access(UNMANAGED)],
    // The API server refuses two mounts at one path, and the kubelet takes these for the same.
    ['mount-taken', mounting('/ssh-init'), access()],
    ['mount-taken', mounting('ssh-init/'), access()],
    ['mount-taken', mounting('/srv/..//ssh-init/.'), access()],
    ['mount-taken', mounting('/run/sshaccess/secret/extra'), access()],
    ['mount-taken', mounting('/home/deploy/.ssh/authorized_keys'), access(UNMANAGED)],
    ['mount-taken', mounting('/home//deploy/.ssh/authorized_keys/'), access(UNMANAGED)],
    ['mount-taken', pod({ volumeDevices: [{ name: 'disk', devicePath: '/ssh-runtime' }] }), access()],
    // No mount point can be made in what is read-only.
    ['mount-taken', mounting('/run', secret), access()],
    ['mount-taken', mounting('/run', claim, { readOnly: true }), access()],
    ['mount-taken', mounting('/run', { name: 'own', csi: { readOnly: true } }), access()],
    ['mount-taken', mounting('/home/deploy/.ssh', secret), access(UNMANAGED)],
    ['mount-taken', mounting('/', claim, { readOnly: true }), access({ setup: 'Image' })],
    // Nobody could write to it.
    ['mount-taken', mounting('/ssh-runtime', secret), access({ setup: 'Image' })],
    ['mount-taken', mounting('/ssh-runtime', claim, { readOnly: true }), access()],
    // Its name is made of variables that our init container does not have.
    ['mount-taken', mounting('/ssh-runtime/home', claim, { subPathExpr: '$(POD)' }), access({ setup: 'Image' })],
  ])('%s', (reason, subject, known) => {
    expect(decided(subject, known)).toEqual({ skip: reason });
  });

  test.each([
    ['an app that sees its node: sessions are what it is', pod({}, { hostPID: true }), access()],
    ['a port that the target itself declares', pod({ ports: [{ containerPort: 2222 }] }), access()],
    ['another port of another container', pod({}, { initContainers: [{ name: 'a', ports: [{ containerPort: 22 }] }] })],
    ['a volume of its own for the image', mounting('/ssh-runtime'), access({ setup: 'Image' })],
    ['the same by variables, which the target has', mounting('/ssh-runtime', claim, { subPathExpr: '$(POD)' })],
    ['a home that outlives the pod', mounting('/ssh-runtime/home')],
    ['a directory above, in which mount points can be made', mounting('/run')],
    ['a neighbour by its letters', mounting('/ssh-initial', secret)],
    ['a read-only volume elsewhere', mounting('/etc/app', secret), access(UNMANAGED)],
    ['/ssh-init, where nothing of ours is mounted', mounting('/ssh-init', secret), access({ setup: 'Image' })],
    [
      'the same of another container',
      pod({}, { initContainers: [{ name: 'a', volumeMounts: [{ name: 'own', mountPath: '/ssh-init' }] }] }),
    ],
  ])('not %s', (_what, subject, known = access()) => {
    expect(decided(subject, known)).toHaveProperty('plan');
  });
});

describe('the uid and gid of every session', () => {
  const ids = (env: object[], own: object = {}, shared: object = {}) => {
    const subject = pod({ env, securityContext: own }, { securityContext: shared });
    const target = subject.spec.containers[1];
    return target === undefined ? undefined : sessionIds(subject, target);
  };
  const puid = (value: string) => [{ name: 'PUID', value }];
  test.each([
    ["the contract's", ids([]), 1000, 1000],
    ["the contract's, of a root image", ids([], { runAsUser: 0, runAsGroup: 0 }), 1000, 1000],
    ["the pod's own", ids([...puid('2000'), { name: 'PGID', value: '3000' }]), 2000, 3000],
    ['of two the last', ids([...puid('2000'), ...puid('2001')]), 2001, 1000],
    ['that of an sshd without privileges', ids([], { runAsUser: 5000, runAsGroup: 6000 }), 5000, 6000],
    ['the same by the pod', ids([], {}, { runAsUser: 5000 }), 5000, 1000],
    ['whatever PUID says then', ids(puid('2000'), { runAsUser: 5000 }), 5000, 1000],
    ['root, where the pod says so', ids(puid('0')), 0, 1000],
    ['root is not possible', ids(puid('0'), {}, { runAsNonRoot: true }), 1000, 1000],
    ['not set', ids(puid('')), 1000, 1000],
    ['from elsewhere', ids([{ name: 'PUID', valueFrom: { configMapKeyRef: { name: 'c', key: 'k' } } }]), null, 1000],
    ['of another variable', ids(puid('$(OTHER)')), null, 1000],
    ['no uid', ids(puid('2147483648')), null, 1000],
    ['no number', ids(puid('-1')), null, 1000],
  ])('%s', (_case, found, uid, gid) => {
    expect(found).toEqual({ uid, gid });
  });
});

const settings = {
  image: 'sidecar',
  pullPolicy: 'IfNotPresent',
  resources: { usual: {}, guaranteed: { cpu: '1', memory: '1Gi' } },
  metricsPort: 0,
};
const injected = (subject: Pod, known: Access): Pod => {
  const decision = decided(subject, known);
  if ('skip' in decision) throw new Error(decision.skip);
  return inject(subject, decision.plan, settings);
};

describe('setup Image', () => {
  const setup = (subject: Pod) => injected(subject, access({ setup: 'Image' })).spec.initContainers?.[0];

  test("the init container is given the target's own volume, and nothing that only a privileged one may have", () => {
    const own = { subPath: 'a', mountPropagation: 'Bidirectional', recursiveReadOnly: 'Disabled' };
    expect(setup(mounting('/ssh-runtime', claim, own))?.volumeMounts).toContainEqual({
      name: 'own',
      mountPath: '/ssh-runtime',
      subPath: 'a',
    });
  });
  test('other volumes of the target, and the host key, are not', () => {
    const [first] = [setup(mounting('/data'))];
    expect(first?.volumeMounts?.map(({ name }) => name)).not.toContain('own');
    const volumes = injected(pod(), access({ setup: 'Image' })).spec.volumes;
    expect(JSON.stringify(volumes)).not.toContain('host-key');
  });
  test('an unknown uid is the one of the contract', () => {
    const subject = pod({ env: [{ name: 'PUID', valueFrom: { fieldRef: { fieldPath: 'x' } } }] });
    expect(setup(subject)?.securityContext).toMatchObject({ runAsUser: 1000, runAsNonRoot: true });
  });

  const withFolder = (use: (folder: string) => void): void => {
    const folder = mkdtempSync(join(tmpdir(), 'sshaccess-setup-'));
    try {
      use(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };
  const run = (key: string, file: string): void => {
    execFileSync('sh', ['-c', SETUP_SCRIPT, 'setup', key, file], { stdio: ['ignore', 'ignore', 'ignore'] });
  };
  const modes = (...paths: string[]) => paths.map((path) => statSync(path).mode & 0o777);

  test('the key is where sshd looks, with the modes that it wants, in place of what was there', () => {
    withFolder((folder) => {
      const [key, home] = [join(folder, 'key'), join(folder, 'home')];
      const file = join(home, '.ssh', 'authorized_keys');
      writeFileSync(key, 'ssh-ed25519 AAAA\n', { mode: 0o444 });
      run(key, file);
      expect(readFileSync(file, 'utf8')).toBe('ssh-ed25519 AAAA\n');
      expect(modes(home, join(home, '.ssh'), file)).toEqual([0o700, 0o700, 0o600]);
      writeFileSync(file, 'ssh-rsa of-another\n');
      run(key, file);
      expect(readFileSync(file, 'utf8')).toBe('ssh-ed25519 AAAA\n');
    });
  });
  test('without a Secret, and with a volume that it cannot write, the app starts all the same', () => {
    withFolder((folder) => {
      run(join(folder, 'none'), join(folder, 'home', 'authorized_keys'));
      mkdirSync(join(folder, 'directory'));
      writeFileSync(join(folder, 'file'), '');
      run(join(folder, 'file'), join(folder, 'file', 'authorized_keys'));
    });
  });
});

test('the text of a bootstrap script is what the kubelet makes of its variable', () => {
  const script = 'echo $(HOME) $$ $$$(X) ${Y} "$1" $';
  const env = injected(pod(), access({ bootstrap: { script } })).spec.containers[1]?.env;
  expect(expand(env?.find(({ name }) => name === 'SSH_BOOTSTRAP_SCRIPT')?.value ?? '', { HOME: 'wrong' })).toBe(script);
});

/** As the kubelet expands references in values (kubernetes.io/docs, EnvVar: `$(NAME)`, `$$`). */
const expand = (value: string, variables: Readonly<Record<string, string>>): string =>
  value.replaceAll(/\$(?:(\$)|\(([^)]*)\))/g, (all, dollar: string | undefined, name: string) =>
    dollar === undefined ? (variables[name] ?? all) : dollar,
  );
