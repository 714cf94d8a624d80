/** Brings what is wished for into the cluster, and compares what the cluster has come to with it. */
import { expect } from 'vitest';
import { z } from 'zod';
import { LABEL_ACCESS } from '../../crds/index.ts';
import { apply, kubectl, list } from '../support/kubectl.ts';
import { routes } from '../support/routes.ts';
import { type Login, ssh } from '../support/openssh.ts';
import { accessManifest, keySecret } from '../support/workload.ts';
import { type Access, type Fleet, SUFFIXES, type User } from './fleet.ts';

export type Key = { path: string; publicKey: string };
/** Where the fleet is, and the keys of its users. */
export type Place = { namespace: string; keys: readonly Key[] };

const secretOf = (access: Access, { suffix }: User): string => `${access.name}-${suffix === '' ? 'primary' : suffix}`;

const usernameOf = ({ namespace }: Place, name: string, suffix: string): string =>
  [namespace, name, ...(suffix === '' ? [] : [suffix])].join('-');

export const loginOf = (place: Place, name: string, { suffix, key }: Pick<User, 'suffix' | 'key'>): Login => ({
  user: usernameOf(place, name, suffix),
  key: place.keys[key]?.path ?? '',
});

/** Makes it so, as a user would. Deleting waits, since what is created before the end of that would go with it. */
export async function bring(place: Place, access: Access): Promise<void> {
  const { namespace, keys } = place;
  const { name, exists, enabled, users, replicas } = access;
  if (!exists) {
    await kubectl('delete', 'sshacc', '-n', namespace, name, '--ignore-not-found', '--wait=true', '--timeout=60s');
    return;
  }
  const secrets = users.map((user) => keySecret(namespace, secretOf(access, user), keys[user.key]?.publicKey ?? ''));
  const asked = users.map((user) => ({
    ...(user.suffix !== '' && { suffix: user.suffix, access: user.access }),
    ...(user.expired && { expiresAt: '2020-01-01T00:00:00Z' }),
    secretRef: { name: secretOf(access, user) },
  }));
  await apply([...secrets, accessManifest(namespace, name, asked, { enabled })].join('---\n'));
  await kubectl('scale', 'deployment', '-n', namespace, name, `--replicas=${replicas}`);
}

const Conditions = z.array(
  z.object({ type: z.string(), status: z.string(), reason: z.string(), observedGeneration: z.int().optional() }),
);
const SshAccess = z.object({
  metadata: z.object({ name: z.string(), uid: z.string(), generation: z.int() }),
  status: z.object({ observedGeneration: z.int().optional(), conditions: Conditions.default([]) }).prefault({}),
});
const Workload = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    replicas: z.int(),
    template: z.object({ metadata: z.object({ labels: z.record(z.string(), z.string()) }) }),
  }),
  status: z.object({
    readyReplicas: z.int().default(0),
    updatedReplicas: z.int().default(0),
    replicas: z.int().default(0),
  }),
});

/** @throws where something in the cluster is not what is wished for, and says what */
export async function compare(place: Place, fleet: Fleet): Promise<void> {
  const { namespace } = place;
  const accesses = await list(SshAccess, 'sshacc', '-n', namespace);
  const workloads = await list(Workload, 'deployments', '-n', namespace);
  const told = (await routes()).filter((route) => route.namespace === namespace);
  const wished = fleet.filter(({ exists }) => exists);
  const names = (some: readonly { name: string }[]): string[] => some.map(({ name }) => name).toSorted();
  expect(names(accesses.map(({ metadata }) => metadata))).toEqual(names(wished));
  expect(names(told)).toEqual(names(wished));
  for (const access of wished) {
    const { metadata, status } = found(accesses, access);
    const route = told.find(({ name }) => name === access.name);
    expect(route).toMatchObject({ uid: metadata.uid, enabled: access.enabled });
    const entered = access.users.filter(({ expired }) => !expired);
    // Those whose time is over may be there, since they are told so; nobody gets in by their entry.
    const inTime = (route?.users ?? []).filter(({ expiresAt }) => expiresAt === undefined);
    const entries = inTime.map(({ username, role, authorizedKeys }) => [username, role, ...authorizedKeys]);
    // Of one that is switched off nobody gets in, whoever it names.
    if (access.enabled) {
      expect(entries).toHaveLength(entered.length);
      expect(entries).toEqual(expect.arrayContaining(entered.map((user) => entry(place, access, user))));
    }
    expect(status.observedGeneration).toBe(metadata.generation);
    for (const { observedGeneration } of status.conditions) expect(observedGeneration).toBe(metadata.generation);
    const ready = status.conditions.find(({ type }) => type === 'Ready');
    expect(ready).toMatchObject(access.enabled ? { status: 'True' } : { status: 'False', reason: 'Disabled' });
  }
  for (const access of fleet) {
    const { spec, status } = found(workloads, access);
    const label = spec.template.metadata.labels[LABEL_ACCESS];
    // Who switches off keeps the label: to take it away would roll the pods.
    const may = access.exists ? [access.name, ...(access.enabled ? [] : [undefined])] : [undefined];
    expect(may).toContain(label);
    expect(spec.replicas).toBe(access.replicas);
    const { replicas } = access;
    expect(status).toEqual({ replicas, readyReplicas: replicas, updatedReplicas: replicas });
  }
}

const entry = (place: Place, { name }: Access, { suffix, access, key }: User): string[] => [
  usernameOf(place, name, suffix),
  access,
  expect.stringContaining(place.keys[key]?.publicKey.split(' ')[1] ?? '-'),
];

function found<T extends { metadata: { name: string } }>(objects: readonly T[], { name }: { name: string }): T {
  const object = objects.find(({ metadata }) => metadata.name === name);
  if (object === undefined) throw new Error(`there is no ${name}`);
  return object;
}

/** Every user there could be, each with every key: who may comes in, and nobody else. @returns how many were tried */
export async function tryEverybody(place: Place, fleet: Fleet): Promise<number> {
  let tries = 0;
  for (const { name, exists, enabled, users } of fleet)
    for (const suffix of SUFFIXES) {
      const user = users.find((each) => each.suffix === suffix);
      const right = user?.key ?? 0;
      const mayLogIn = exists && enabled && user?.expired === false;
      const codes = await Promise.all(
        [right, (right + 1) % place.keys.length].map(
          async (key) => (await ssh(loginOf(place, name, { suffix, key }), 'true')).code,
        ),
      );
      tries += codes.length;
      expect(`${name} ${suffix}: ${codes.join(' ')}`).toBe(`${name} ${suffix}: ${mayLogIn ? 0 : 255} 255`);
    }
  return tries;
}
