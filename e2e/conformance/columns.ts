/** The columns of the conformance table: kinds of image and of security context, each one Deployment and one SshAccess. */
import type { ImageKind } from '../images/test-images.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';

/** Where a session is: in the app, in the toolbox with the app's files in reach, or in the toolbox alone. */
export type Place = 'app' | 'toolbox' | 'isolated';

export type Column = {
  /** Of the Deployment and the SshAccess. */
  name: string;
  heading: string;
  description: string;
  level: Level;
  image: ImageKind;
  /** The app container's, and that of the init container. */
  securityContext: Readonly<Record<string, unknown>>;
  /** More fields of the pod's spec. */
  podSpec?: Readonly<Record<string, unknown>>;
  /** Another container, which comes first; then the SshAccess names the app's. */
  neighbour?: boolean;
  place: Place;
  /** What the shell of a session is: what /proc/<pid>/exe ends with. */
  shell: { root: RegExp; limited: RegExp };
  /** Capabilities of the sidecar, but for those that it takes over from the app. */
  sidecar: { uid: number; capabilities: 'none' | 'to-become' | 'to-enter' };
};

const BASH = /\/bash$/;
const DASH = /\/dash$/;
const BUSYBOX = /busybox/;
const user = { runAsUser: 1000, runAsGroup: 1000 };
const entering = { uid: 0, capabilities: 'to-enter' } as const;

/** Debian with bash, in the app; each column says what is different. */
const debian = {
  level: 'baseline',
  image: 'debian',
  place: 'app',
  // Uid 61000 is not in the passwd of any image: then it is /bin/sh.
  shell: { root: BASH, limited: DASH },
  sidecar: entering,
} as const;

export const COLUMNS: readonly Column[] = [
  {
    ...debian,
    name: 'debian-root',
    heading: 'Debian, root',
    description: 'Debian with bash, tmux, sudo, rsync and scp; the app is uid 0',
    securityContext: { runAsUser: 0 },
  },
  {
    ...debian,
    name: 'debian-user',
    heading: 'uid 1000',
    description: 'the same image; the app is uid 1000, who is in its passwd',
    securityContext: user,
  },
  {
    ...debian,
    name: 'nameless',
    heading: 'uid 12345',
    description: 'the same image; the app is uid 12345, who is not in its passwd',
    securityContext: { runAsUser: 12_345, runAsGroup: 12_345 },
  },
  {
    ...debian,
    name: 'sh',
    heading: 'only sh',
    description: 'a Debian whose only shell is dash',
    image: 'sh',
    securityContext: user,
    shell: { root: DASH, limited: DASH },
  },
  {
    ...debian,
    name: 'musl',
    heading: 'busybox, musl',
    description:
      "busybox and musl alone, as in Alpine (where no registry can be reached: Debian's busybox, linked dynamically to Debian's musl)",
    image: 'musl',
    securityContext: user,
    shell: { root: BUSYBOX, limited: BUSYBOX },
  },
  {
    ...debian,
    name: 'distroless',
    heading: 'distroless',
    description: 'one static program: no shell, no /bin, no /tmp, no passwd',
    image: 'distroless',
    securityContext: user,
    shell: { root: BUSYBOX, limited: BUSYBOX },
  },
  {
    ...debian,
    name: 'read-only',
    heading: 'read-only root',
    description: '`readOnlyRootFilesystem: true`, an emptyDir at /tmp; the app is uid 1000',
    securityContext: { ...user, readOnlyRootFilesystem: true },
  },
  {
    ...debian,
    name: 'second',
    heading: 'two containers',
    description: 'two app containers, and `target.container` names the second',
    securityContext: user,
    neighbour: true,
  },
  {
    ...debian,
    name: 'unlabelled',
    heading: 'privileged',
    description: 'a namespace without Pod Security level; the app is uid 0',
    level: 'privileged',
    securityContext: { runAsUser: 0 },
  },
  {
    ...debian,
    name: 'strict',
    heading: 'restricted',
    description: 'Pod Security level restricted; the app is uid 1000',
    level: 'restricted',
    securityContext: {
      ...user,
      runAsNonRoot: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    place: 'toolbox',
    shell: { root: DASH, limited: DASH },
    sidecar: { uid: 1000, capabilities: 'none' },
  },
  {
    ...debian,
    name: 'isolated',
    heading: 'isolated',
    description: '`shareProcessNamespace: false`; the app is uid 1000',
    securityContext: user,
    podSpec: { shareProcessNamespace: false },
    place: 'isolated',
    shell: { root: DASH, limited: DASH },
    sidecar: { uid: 0, capabilities: 'to-become' },
  },
];

export const LEVELS: readonly Level[] = ['privileged', 'baseline', 'restricted'];
export const namespaceOf = (level: Level): string => `e2e-conformance-${level}`;
