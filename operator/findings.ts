import { SSHD_REASONS, SSHD_SENTENCES } from './sshd-sentences.ts';

const LIMITED_IMPOSSIBLE =
  'at Pod Security level restricted a session cannot be another uid than the app, so access limited is refused; give access root, or let the namespace enforce baseline';

/** What becomes of pods without ssh: their owner's turn, for the first time or again, or ours. */
export type Restart = 'yours' | 'again' | 'under-way' | { readonly at: string } | { readonly webhook: string };

function restarting(restart: Restart, cure: string): string {
  if (restart === 'yours') return `see that the webhook runs, then ${cure}`;
  if (restart === 'again') return `the log of the webhook (decided, review failed) says why; then ${cure}`;
  if (restart === 'under-way') return 'they are restarted now';
  return 'at' in restart
    ? `they are restarted at ${restart.at}`
    : `they are restarted when the webhook serves again: ${restart.webhook}`;
}

/**
 * Every reason that a condition or an Event of ours can have, with its sentence. A sentence says what is wrong and what
 * to do, and never holds key material.
 */
export const SENTENCES = {
  // Ready
  SshReady: (ready: number, all: number, refused = '', notes: readonly string[] = []) =>
    [
      `ssh is ready in ${ready} of ${all} pods`,
      ...(refused === '' ? [] : [`but not for ${refused}: ${LIMITED_IMPOSSIBLE}`]),
      ...notes,
    ].join('; '),
  LimitedNotPossible: (refused: string) => `nobody can log in: ${refused}: ${LIMITED_IMPOSSIBLE}`,
  Disabled: () => 'spec.enabled is false: nobody can log in; set it to true to let the users in again',
  InvalidSpec: (problem: string) => `the spec is not valid: ${problem}`,
  Expired: (time: string) =>
    `spec.expiresAt, ${time}, is over: nobody can log in; set a later time to let the users in again`,
  ApplyFailed: (problem: string) => `the API server refuses what this SshAccess needs: ${problem}`,
  NobodyCanLogIn: () =>
    'no user may log in: see the conditions KeysValid and UsernamesOwned, and expiresAt of the users',
  NameTaken: (kind: string, name: string) =>
    `the ${kind} ${name} exists and does not belong to this SshAccess; delete or rename it`,
  NoPods: (target: string) => `${target} has no pods with ssh yet`,
  SshNotReady: (detail: string) => `ssh is not ready in any pod: ${detail}`,
  HostKeyNotUsable: (lines: string) =>
    `spec.mainContainer.hostKeys: no public key of OpenSSH is in entry ${lines}; give lines such as those of /etc/ssh/ssh_host_*_key.pub in the image`,
  // Ready, of runtime main_container: what keeps the gateway out of a pod
  ...SSHD_SENTENCES,
  // KeysValid
  AllKeysValid: () => 'the keys of all users are valid',
  KeySecretNotFound: (user: string, secret: string) =>
    `${user}: there is no Secret ${secret}; create it with a public key under ssh-publickey`,
  NoKeys: (user: string, secret: string) =>
    `${user}: the Secret ${secret} has no public key under ssh-publickey or authorized_keys`,
  PrivateKeyInSecret: (user: string, secret: string) =>
    `${user}: the Secret ${secret} holds a private key; remove it, consider it disclosed, and put only the public key (the .pub file) there`,
  KeyNotUsable: (user: string, secret: string, line: number, problem: string) =>
    `${user}: line ${line} of the Secret ${secret} is not used: ${problem}`,
  TooManyKeys: (user: string, secret: string, most: number) =>
    `${user}: the Secret ${secret} has more than ${most} keys; only the first ${most} are used`,
  TooManyKeysOfAll: (user: string, most: number, used: number) =>
    `${user}: all users of one SshAccess together may have ${most} keys; only the first ${used} of theirs are used`,
  KeysTooLong: (user: string, secret: string, kibibytes: number, used: number) =>
    `${user}: the keys in the Secret ${secret} have more than ${kibibytes} KiB with their options; only the first ${used} are used: shorten the options`,
  // UsernamesOwned
  AllUsernamesOwned: () => 'every username belongs to this SshAccess',
  UsernameTaken: (user: string, holder: string | undefined) =>
    holder === undefined
      ? `${user} belongs to an SshAccess in another namespace; choose another organization, slug or suffix`
      : `${user} belongs to the SshAccess ${holder}; choose another slug or suffix`,
  TooManyUsers: (most: number, beyond: string) =>
    `no more than ${most} users of one SshAccess are served here, so these cannot log in: ${beyond}; remove some, or ask the administrator to raise maxUsersPerAccess of the chart`,
  InvalidOrganization: (organization: string) =>
    `the label sshaccess.dev/organization of the namespace is ${JSON.stringify(organization)}; a username needs lower-case letters, digits and hyphens`,
  // Injected
  PodsInjected: (count: number, notes: readonly string[] = []) =>
    [count === 1 ? 'the pod has ssh' : `all ${count} pods have ssh`, ...notes].join('; '),
  WaitingForPods: (target: string) => `waiting for ${target} to bring up pods with ssh`,
  ScaledToZero: (target: string) => `${target} has no replicas; scale it up to log in`,
  Suspended: (target: string) => `${target} is suspended; resume it to log in`,
  JobEnded: (target: string) => `${target} has ended, and with it its pods; create it anew to log in`,
  WaitingForJob: (target: string) => `${target} has no running Job; its next one will have ssh`,
  Paused: (target: string, namespace: string) =>
    `${target} is paused, so its pods are still those without ssh; kubectl rollout resume -n ${namespace} ${target}`,
  PodsKept: (target: string, command: string) =>
    `${target} keeps its pods until they are deleted, and those that are made then have ssh; when it suits you: ${command}`,
  LabelContested: (target: string, manager: string, access: string) =>
    `the label on the pod template of ${target} is taken away again and again, so it is left alone for now; ${manager} was the last to write there: add sshaccess.dev/access: ${access} to spec.template.metadata.labels where that manifest comes from (Git), or have the label ignored there`,
  TargetControlled: (target: string, controller: string) =>
    `${target} is made by ${controller}, which would undo what is changed there; name that in spec.target`,
  JobNotLabelled: (target: string, access: string) =>
    `the template of ${target} cannot be changed: add the label sshaccess.dev/access: ${access} to spec.template.metadata.labels of its manifest, delete the Job and create it anew`,
  TargetNotFound: (target: string) => `there is no ${target}; create it or correct spec.target`,
  ContainerNotFound: (container: string, target: string) =>
    `${target} has no container ${container}; correct spec.target.container`,
  TargetTaken: (target: string, holder: string) =>
    `${target} is the target of the SshAccess ${holder} already; add the users there`,
  LabelMissing: (command: string) => `rollout is Manual: label the pod template when it suits you: ${command}`,
  WebhookNotServing: (target: string, why: string) =>
    `${target} is left alone until the webhook serves, without which its pods would start without ssh: ${why}; if that stays so, see the webhook's pods, in the namespace of sshaccess`,
  PodsNotInjected: (pods: string, cure: string, restart: Restart = 'yours') => {
    const before = restart === 'again' ? ', though they were restarted for it before' : '';
    return `these pods were started without ssh${before}: ${pods}; ${restarting(restart, cure)}`;
  },
  PodsSkipped: (pods: string, why: string, cure: string) =>
    `these pods are left without ssh, and so would be those in their place: ${pods}: ${why}; when that has changed, ${cure}`,
  PodsOutdated: (pods: string, because: string, cure: string, notes: readonly string[] = []) =>
    [`${because}, and these pods were started before: ${pods}; ${cure}`, ...notes].join('; '),
  // PolicyEnforced, SshdPatched, Bootstrapped: of runtime main_container only
  PolicyEnforceable: () => 'the policy of every user is enforced',
  SftpRefused: (users: string, why: string) => `sftp is refused for ${users}: ${why}`,
  SftpRunsCommands: (users: string) =>
    `policy.commands does not hold ${users}: who may write files by sftp writes what the shell of the image runs before a command (~/.bashrc); set sftp.access to read-only or none for their role, or spec.runtime: sidecar`,
  BootstrapSucceeded: () => 'the bootstrap script ran without a failure',
  SshdSettingsOutdated: (pods: string) =>
    `the sshd of ${pods} was started before spec.policy or spec.audit changed what sshd itself allows or logs: what is new there waits until the pods are restarted (kubectl rollout restart); what is forbidden now is refused at once`,
  NoKnownHoles: () => 'no pod runs an sshd with a hole that we know of',
  SshdVulnerable: (pods: string, software: string, holes: string, doubt: string) =>
    `the sshd of ${pods} is ${software}, which has ${holes}${doubt}; update openssh-server in the image`,
  // KeysRotated: only where that was asked for
  KeysRotated: () => 'the keys are those that were asked for last',
  KeysRotating: (what: string, until: string) =>
    `rotating the ${what} until ${until}: the old one and the new one are good, and nobody is disconnected`,
  KeysWaitForPods: (what: string, pods: string, cure: string) =>
    `rotating the ${what}: these pods were started before, and know only the old one: ${pods}; ${cure}`,
  Uninstalled: () => 'sshaccess is uninstalled; everything of this SshAccess is made again when it is installed',
  // Events only
  HostKeyRemade: () => 'the host key was lost or damaged; made a new one',
  MappingKeyRemade: () => 'the mapping key was lost or damaged; made a new one',
  RouteUpdated: (changes: string) => changes,
  RouteDeleted: () => 'nobody can log in any more; open sessions end now',
  TemplateLabelled: (target: string, effect: string) => `labelled the pod template of ${target}; ${effect}`,
  TemplateReleased: (target: string, effect: string) => `took the label from the pod template of ${target}; ${effect}`,
  ReleaseFailed: (target: string, problem: string) =>
    `the label sshaccess.dev/access stays on the pod template of ${target}: ${problem}; remove it yourself`,
  PodsRolled: (target: string) => `rolled ${target} once more, so that its pods are what the SshAccess says`,
} as const;
export type Reason = keyof typeof SENTENCES;

/** One thing found, with the reason and the sentence that condition, Event and log share. */
export type Finding = { readonly reason: Reason; readonly message: string };

export function finding<R extends Reason>(reason: R, ...parameters: Parameters<(typeof SENTENCES)[R]>): Finding {
  // The compiler cannot tie one member of the union of functions to its own parameters; the signature above has.
  const sentence: (...all: never[]) => string = SENTENCES[reason];
  return { reason, message: Reflect.apply(sentence, undefined, parameters) };
}

/** Reasons that ask for somebody's attention; the others are the ordinary course of things. */
const WARNINGS: ReadonlySet<Reason> = new Set<Reason>([
  'InvalidSpec',
  'ApplyFailed',
  'NobodyCanLogIn',
  'LimitedNotPossible',
  'NameTaken',
  'KeySecretNotFound',
  'NoKeys',
  'PrivateKeyInSecret',
  'KeyNotUsable',
  'TooManyKeys',
  'TooManyKeysOfAll',
  'KeysTooLong',
  'UsernameTaken',
  'TooManyUsers',
  'InvalidOrganization',
  'TargetNotFound',
  'ContainerNotFound',
  'TargetTaken',
  'PodsNotInjected',
  'PodsSkipped',
  'JobNotLabelled',
  'LabelContested',
  'TargetControlled',
  'HostKeyRemade',
  'MappingKeyRemade',
  'ReleaseFailed',
  'HostKeyNotUsable',
  'SftpRunsCommands',
  'SshdVulnerable',
  ...SSHD_REASONS,
]);

export const eventType = (reason: Reason): 'Normal' | 'Warning' => (WARNINGS.has(reason) ? 'Warning' : 'Normal');
