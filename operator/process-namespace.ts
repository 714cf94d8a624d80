/** Pure: what the pods say about their process namespace, by which sessions get into the app. */
import type { SshAccess } from '../crds/index.ts';
import type { AccessPod } from './access-pod.ts';

/** True where the webhook, asked now, would decide otherwise (webhook/process-namespace.ts). */
export function isIsolatedOtherwise(
  { record, sharesProcesses }: Pick<AccessPod, 'record' | 'sharesProcesses'>,
  asked: SshAccess['spec']['processNamespace'],
): boolean {
  const because = record?.processNamespaceReason;
  if (record === undefined || because === 'pod-spec') return false;
  if (asked === 'Isolated') return sharesProcesses;
  return !sharesProcesses && (because === 'ssh-access' || (because === 'insists-on-pid-1' && asked === 'Shared'));
}

/** How s6-overlay (100), systemd and other inits (1) end where they are not process 1. */
const NOT_PROCESS_1: readonly number[] = [1, 100];

/** What a user should know of an app that insists on being process 1, or that may. */
export function insistenceNotes(pods: readonly AccessPod[]): readonly string[] {
  const isKnown = pods.some(({ record }) => record?.processNamespaceReason === 'insists-on-pid-1');
  const suspect = pods.find(
    ({ crashing, record, sharesProcesses }) =>
      sharesProcesses &&
      record?.processNamespaceReason !== 'pod-spec' &&
      crashing !== undefined &&
      NOT_PROCESS_1.includes(crashing.exitCode),
  );
  return [
    ...(isKnown
      ? [
          'the app is of a kind that insists on being process 1, so it keeps its processes to itself and sessions open in the toolbox; if it does not insist, set spec.processNamespace: Shared',
        ]
      : []),
    ...(suspect?.crashing === undefined
      ? []
      : [
          `container ${suspect.crashing.container} of ${suspect.name} ends as soon as it starts (exit code ${suspect.crashing.exitCode}): if the image runs s6 or systemd, it insists on being PID 1: set spec.processNamespace: Isolated`,
        ]),
  ];
}
