import type { Container } from './pod.ts';

/** What containerd and Docker give a container that asks for nothing. */
const RUNTIME_DEFAULT = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
];

/** What Pod Security `baseline` lets a container name under `add`: the default set but NET_RAW. */
const BASELINE_ADDABLE = new Set(RUNTIME_DEFAULT.filter((name) => name !== 'NET_RAW'));

/** With these the sidecar becomes the uid of a session, gives up the rest, and can still end it. */
export const BECOME = ['KILL', 'SETGID', 'SETPCAP', 'SETUID'];
/** And with this it enters the app's root (design section 6). */
const ENTER = [...BECOME, 'SYS_CHROOT'];

/** `ALL` is no list: it means whatever capabilities the node's kernel has. */
export type CapabilitySet = ReadonlySet<string> | 'ALL';
type Capabilities = NonNullable<NonNullable<Container['securityContext']>['capabilities']>;

const normal = (names: readonly string[] | undefined): string[] =>
  (names ?? []).map((name) => name.toUpperCase().replace(/^CAP_/, ''));

/** The capabilities of a container, as the container runtime computes them: default or ALL or none, then add, then drop. */
export function capabilitiesOf(container: Container): CapabilitySet {
  const context = container.securityContext;
  if (context?.privileged === true) return 'ALL';
  const add = normal(context?.capabilities?.add);
  const drop = normal(context?.capabilities?.drop);
  if (add.includes('ALL') && !drop.includes('ALL')) return 'ALL';
  const start = drop.includes('ALL') ? [] : RUNTIME_DEFAULT;
  return new Set([...start, ...add].filter((name) => name !== 'ALL' && !drop.includes(name)));
}

export const hasCapability = (set: CapabilitySet, name: string): boolean => set === 'ALL' || set.has(name);

/**
 * What the sidecar asks for to enter `app`: the app's own set and {@link ENTER}; nothing that the app lacks, so SYS_PTRACE
 * or SYS_ADMIN only where the app has it.
 *
 * The kernel lets us read an app's /proc/<pid>/root only with a superset of its *permitted* capabilities. A process of
 * uid 0 permits itself the whole set, one of another uid none: only for uid 0 (or an unknown one) NET_RAW matters, which
 * `baseline` forbids to add but allows to keep, by not dropping ALL.
 */
export function capabilitiesToEnter(app: Container, mayBeRoot: boolean): Capabilities {
  const set = capabilitiesOf(app);
  if (set === 'ALL') return { add: ['ALL'] };
  const asked = new Set(normal(app.securityContext?.capabilities?.add));
  const addable = (name: string): boolean => BASELINE_ADDABLE.has(name) || asked.has(name);
  const add = [...new Set([...[...set].filter(addable), ...ENTER])].toSorted();
  const kept = [...set].filter((name) => !addable(name));
  if (kept.length === 0 || !mayBeRoot) return { drop: ['ALL'], add };
  const drop = RUNTIME_DEFAULT.filter((name) => !add.includes(name) && !kept.includes(name));
  return drop.length === 0 ? { add } : { drop, add };
}
