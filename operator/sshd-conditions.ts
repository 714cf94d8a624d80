/** Pure: what status says of an sshd that the image brings, beyond whether anybody gets in. */
import { BOOTSTRAP_FAILED_MARK, SETUP_MARK, type SshAccessSpec } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';
import { finding, type Finding } from './findings.ts';
import { nameSome } from './injection.ts';
import { knownHoles } from './known-holes.ts';
import { policyOf } from './policies.ts';
import type { RequestedUser } from './requested-users.ts';
import type { Serving } from './serving.ts';
import { currentSighting, type Sighting } from './sightings.ts';

/** Types of conditions that are there only with runtime main_container; the last, only where there is a script. */
export const SSHD_CONDITION_TYPES = ['PolicyEnforced', 'SshdPatched', 'Bootstrapped'] as const;
type SshdCondition = {
  readonly type: (typeof SSHD_CONDITION_TYPES)[number];
  readonly holds: boolean;
  readonly finding: Finding;
};

export type SshdFacts = {
  readonly spec: SshAccessSpec;
  readonly users: readonly RequestedUser[];
  readonly serving: Serving;
  readonly sightings: readonly Sighting[];
  /** RFC 3339; undefined: what sshd is told is what it has always been told. */
  readonly settingsSince: string | undefined;
};

export function sshdConditions({
  spec,
  users,
  serving,
  sightings,
  settingsSince,
}: SshdFacts): readonly SshdCondition[] {
  if (serving.runtime === 'sidecar') return [];
  const seen = serving.pods.flatMap((pod) => {
    const ident = currentSighting(sightings, pod)?.ident;
    return ident === undefined ? [] : [{ pod, ident }];
  });
  const judged = (type: SshdCondition['type'], problems: readonly Finding[], fine: Finding): SshdCondition => {
    const [first] = problems;
    if (first === undefined) return { type, holds: true, finding: fine };
    const message = problems.map((problem) => problem.message).join('\n');
    return { type, holds: false, finding: { reason: first.reason, message } };
  };
  const hasScript = spec.mainContainer?.bootstrap !== undefined;
  const bootstraps = bootstrapProblems(seen);
  return [
    judged(
      'PolicyEnforced',
      [...policyProblems(spec, users, seen), ...settingsProblems(serving.pods, settingsSince)],
      finding('PolicyEnforceable'),
    ),
    ...(seen.length === 0 ? [] : [judged('SshdPatched', holeProblems(seen), finding('NoKnownHoles'))]),
    ...((hasScript && seen.length > 0) || bootstraps.length > 0
      ? [judged('Bootstrapped', bootstraps, finding('BootstrapSucceeded'))]
      : []),
  ];
}

type Seen = readonly { readonly pod: AccessPod; readonly ident: string }[];

const hasMark = (ident: string, mark: string): boolean => ident.split(' ').includes(mark);

/** Users of whom the piper refuses sftp, because the sshd cannot hold them to their policy; and whom nobody can hold. */
function policyProblems(spec: SshAccessSpec, users: readonly RequestedUser[], seen: Seen): readonly Finding[] {
  const sftp = users.map(({ username, role }) => {
    const { sftp: allowed, commands } = policyOf(role, spec);
    return { username, ...allowed, commands };
  });
  const names = (some: typeof sftp) => some.map(({ username }) => username).join(', ');
  const jailed = sftp.filter(({ access, paths }) => access !== 'none' && paths !== null);
  const readers = sftp.filter(({ access, paths }) => access === 'read-only' && paths === null);
  const writers = sftp.filter(
    ({ access, paths, commands }) => access === 'read-write' && paths === null && commands !== null,
  );
  const isMarked = seen.length === 0 ? isByInitScript(spec) : seen.every(({ ident }) => hasMark(ident, SETUP_MARK));
  return [
    ...(writers.length === 0 ? [] : [finding('SftpRunsCommands', names(writers))]),
    ...(jailed.length === 0
      ? []
      : [
          finding(
            'SftpRefused',
            names(jailed),
            'the sshd of an image cannot confine anybody to directories; leave sftp.paths out, or set spec.runtime: sidecar',
          ),
        ]),
    ...(readers.length === 0 || isMarked
      ? []
      : [
          finding(
            'SftpRefused',
            names(readers),
            'only an sshd that our init script has set up can make it read-only; set sftp.access: read-write for their role, or spec.mainContainer.setup: InitScript',
          ),
        ]),
  ];
}

/** Pods whose sshd was set up with other settings: what has become allowed since is refused there, whatever the piper says. */
function settingsProblems(pods: readonly AccessPod[], since: string | undefined): readonly Finding[] {
  if (since === undefined) return [];
  const isBefore = (startedAt: string): boolean => Date.parse(startedAt) < Date.parse(since);
  const old = pods.filter(({ record, main }) => {
    const isTold = record?.mainContainer?.setup === 'init-script';
    return isTold && main?.isRunning === true && isBefore(main.startedAt);
  });
  return old.length === 0 ? [] : [finding('SshdSettingsOutdated', nameSome(old.map(({ name }) => name)))];
}

const isByInitScript = ({ mainContainer }: SshAccessSpec): boolean =>
  mainContainer?.managed !== false && mainContainer?.setup !== 'Image';

/** One for each software that has a hole, whichever pods run it. */
function holeProblems(seen: Seen): readonly Finding[] {
  const idents = [...new Set(seen.map(({ ident }) => ident))].toSorted();
  return idents.flatMap((ident) => {
    const holes = knownHoles(ident);
    if (holes.length === 0) return [];
    const pods = seen.filter((each) => each.ident === ident).map(({ pod }) => pod.name);
    const named = holes.map(({ cve, what }) => `${cve}: ${what}`).join(', and ');
    const isDoubtful = holes.some(({ isSure }) => !isSure);
    const doubt = isDoubtful ? ', unless its distribution has closed what it does not say' : '';
    return [finding('SshdVulnerable', nameSome(pods), softwareOf(ident), named, doubt)];
  });
}

/** Without our marks. */
const softwareOf = (ident: string): string =>
  ident
    .split(' ')
    .filter((word) => word !== SETUP_MARK && word !== BOOTSTRAP_FAILED_MARK)
    .join(' ');

function bootstrapProblems(seen: Seen): readonly Finding[] {
  const failed = seen.filter(({ ident }) => hasMark(ident, BOOTSTRAP_FAILED_MARK)).map(({ pod }) => pod.name);
  return failed.length === 0 ? [] : [finding('BootstrapFailed', nameSome(failed))];
}
