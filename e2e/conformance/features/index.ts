/** The rows of the table, in its order. */
import type { Role } from '../../../crds/session-policy.ts';
import type { Feature } from '../feature.ts';
import { CONNECTION, PATIENCE } from './connection.ts';
import { EXEC } from './exec.ts';
import { FOREIGN_FILES, READ_FILES, WRITE_FILES } from './files.ts';
import { FORWARDING } from './forwarding.ts';
import { NARROW } from './narrowed.ts';
import { OPT_INS } from './opt-in.ts';
import { EFFECTIVE_USER, POD_FACTS } from './pod.ts';
import { TERMINAL } from './terminal.ts';
import { UPHEAVAL } from './upheaval.ts';

/**
 * When: with everything open that an SshAccess can open; then with nothing that it would have to ask for, beside that
 * what takes a minute; then what ends connections; then with less than that.
 */
export type Phase = 'opened' | 'default' | 'patience' | 'upheaval' | 'narrowed';

export type Chapter = {
  title: string;
  intro: string;
  phase: Phase;
  features: readonly Feature[];
  /** Facts of the pod, the same for every role. */
  ofPod?: boolean;
};

/** Each with its row or rows. */
export function rolesOf({ ofPod }: Chapter, { roles = ['root', 'limited'] }: Feature): readonly (Role | undefined)[] {
  return ofPod === true ? [undefined] : roles;
}

const limitedOnly = (feature: Feature): Feature => ({ ...feature, roles: ['limited'] });

export const CHAPTERS: readonly Chapter[] = [
  {
    title: 'Commands',
    intro: 'With the default policy, as everything below but one chapter.',
    phase: 'default',
    features: EXEC,
  },
  {
    title: 'Terminals and signals',
    intro: 'As a shell in the session sees them.',
    phase: 'default',
    features: TERMINAL,
  },
  { title: 'Connections', intro: 'Of one user.', phase: 'default', features: CONNECTION },
  {
    title: 'Files',
    intro: 'sftp is ours and needs nothing of the image; `scp -O` and rsync are programs of the image.',
    phase: 'default',
    features: [...READ_FILES, ...WRITE_FILES, ...FOREIGN_FILES],
  },
  {
    title: 'Forwarding and what is refused by default',
    intro: 'What an SshAccess has to ask for is refused to those that do not.',
    phase: 'default',
    features: [...FORWARDING, ...OPT_INS],
  },
  {
    title: 'With everything opened that an SshAccess can open',
    intro:
      '`policy.root` with remoteForwarding: loopback, socketForwarding, agentForwarding and x11Forwarding; `policy.limited` with localForwarding: loopback and sftp.access: read-write.',
    phase: 'opened',
    features: [...OPT_INS, ...[...FORWARDING, ...WRITE_FILES].map(limitedOnly)],
  },
  {
    title: 'With less than the default',
    intro: '`policy.root` and `policy.limited` with one command, and with sftp.paths.',
    phase: 'narrowed',
    features: NARROW,
  },
  { title: 'Idle connections', intro: 'No data, and nobody gone.', phase: 'patience', features: PATIENCE },
  { title: 'The pod', intro: 'What the sidecar is, and is not.', phase: 'default', features: POD_FACTS, ofPod: true },
  { title: 'The status', intro: 'Of the SshAccess.', phase: 'default', features: [EFFECTIVE_USER] },
  { title: 'Upheavals', intro: 'What sessions live through.', phase: 'upheaval', features: UPHEAVAL },
];
