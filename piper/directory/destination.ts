/** Which pod a login is to reach, where the user says so in the username that ssh sends. */
import { createHash } from 'node:crypto';
import type { Pod } from './endpoints.ts';
import type { PodState } from './objects.ts';

/** `username` is that of the directory; `pod`: the name, or the ordinal, that came with it. */
export type Destination = { username: string; pod?: { name: string } | { ordinal: number } };

/** A pod's name has at most 253 characters, but who types more than a handful of separators is not typing. */
const MOST_SPLITS = 8;

/**
 * `acme-hello`, `acme-hello.1` (an ordinal) or `acme-hello--hello-7d4b9-x2x7p` (the name of a pod). A username may have
 * two hyphens in it, too: what the directory knows as a whole is one, and then the shortest beginning that it knows.
 */
export function destinationOf(login: string, isUsername: (text: string) => boolean): Destination {
  if (isUsername(login)) return { username: login };
  const [, before = '', ordinal] = /^(.+)\.(0|[1-9]\d{0,4})$/.exec(login) ?? [];
  if (ordinal !== undefined && isUsername(before)) return { username: before, pod: { ordinal: Number(ordinal) } };
  const named = splitsOf(login).find(({ username }) => isUsername(username));
  return named === undefined ? { username: login } : { username: named.username, pod: { name: named.name } };
}

/** What the login means where its beginning is a username and its end the name of a pod, the shortest username first. */
export function splitsOf(login: string): { username: string; name: string }[] {
  const splits: { username: string; name: string }[] = [];
  for (let at = login.indexOf('--'); at !== -1 && splits.length < MOST_SPLITS; at = login.indexOf('--', at + 1))
    splits.push({ username: login.slice(0, at), name: login.slice(at + 2) });
  return splits;
}

/** Who may be reached: those with that name or ordinal; without either, all. Terminating pods only by name. */
export function podsFor(pods: readonly Pod[], { pod }: Destination): Pod[] {
  if (pod === undefined) return [...pods];
  if ('name' in pod) return pods.filter(({ name }) => name === pod.name);
  const steady = pods.filter(({ state }) => state !== 'terminating');
  // Pods of a StatefulSet have one in their name; others are counted in the order in which status lists them.
  const named = steady.filter(({ name }) => name.endsWith(`-${pod.ordinal}`));
  return named.length > 0 ? named : steady.toSorted(byName).slice(pod.ordinal, pod.ordinal + 1);
}

const PREFERENCE: Readonly<Record<PodState, number>> = { ready: 0, 'not-ready': 1, terminating: 2 };

/**
 * The order in which to try pods: ready before not ready before terminating; then those where the user is already; then
 * the newest, which a rollout will not take away next; and among equals in one order for everybody and every replica of
 * the piper, so that users who share a workload meet in one pod.
 */
export function inOrder(pods: readonly Pod[], isThere: (pod: string) => boolean): Pod[] {
  return pods
    .map((pod) => ({ pod, there: isThere(pod.name) ? 0 : 1, weight: weightOf(pod) }))
    .toSorted(
      (a, b) =>
        PREFERENCE[a.pod.state] - PREFERENCE[b.pod.state] ||
        a.there - b.there ||
        b.pod.seen - a.pod.seen ||
        (a.weight < b.weight ? 1 : -1),
    )
    .map(({ pod }) => pod);
}

const byName = (left: Pod, right: Pod): number => (left.name < right.name ? -1 : 1);

const weightOf = ({ name }: Pod): string => createHash('sha256').update(name).digest('hex');
