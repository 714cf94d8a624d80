/** THE API: the zod schema of SshAccess, from which the types, the CRD and every boundary's parser come. */
import * as z from 'zod';
import { RUNTIMES } from './injection-record.ts';
import { MAX_BANNER_LENGTH, MOST_USERS } from './secret-contract.ts';
import { FORWARDING, PLAIN_PATH, POLICY_LIMITS, ROLES, SFTP_ACCESS } from './session-policy.ts';
import { SshAccessStatus } from './ssh-access-status.ts';

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const dnsLabelRule = {
  rule: "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
  message: 'use only a-z, 0-9 and -, beginning and ending with a letter or a digit',
};
const dnsLabel = (description: string) =>
  z
    .string()
    .min(1)
    .max(63)
    .regex(DNS_LABEL, dnsLabelRule.message)
    .describe(description)
    .meta({ 'x-kubernetes-validations': [dnsLabelRule] });

// It becomes a part of a URL: `..` would lead elsewhere.
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const dnsSubdomainRule = {
  rule: "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
  message: 'the name of an object has only a-z, 0-9, - and ., beginning and ending with a letter or a digit',
};
const objectName = (description: string) =>
  z
    .string()
    .min(1)
    .max(253)
    .regex(DNS_SUBDOMAIN, dnsSubdomainRule.message)
    .describe(description)
    .meta({ 'x-kubernetes-validations': [dnsSubdomainRule] });

const SecretReference = z.object({
  name: objectName(
    'Name of a Secret in the same namespace, with OpenSSH public key lines under ssh-publickey or authorized_keys.',
  ),
});

export const SshUser = z
  .object({
    suffix: dnsLabel(
      'Appended to the username as <organization>-<slug>-<suffix>; exactly one user, the primary, has none.',
    ).optional(),
    secretRef: SecretReference.describe('Where the public keys of this user are.'),
    access: z
      .enum(ROLES)
      .describe(
        'root: uid 0 where the pod allows it; limited: an unprivileged uid. Default: root for the primary user, else limited.',
      )
      .optional(),
    expiresAt: z.iso
      .datetime({ offset: true })
      .describe('No login and no session after this time (RFC 3339).')
      .optional(),
  })
  .describe('One user of the workload.');
export type SshUser = z.infer<typeof SshUser>;

const sftpPathRule = {
  rule: "self.startsWith('/') && !self.matches('(^|/)[.][.]?(/|$)')",
  message: 'give an absolute path without . and ..',
};
const sftpPath = z
  .string()
  .min(1)
  .max(POLICY_LIMITS.pathLength)
  .regex(PLAIN_PATH, sftpPathRule.message)
  .meta({ 'x-kubernetes-validations': [sftpPathRule] });

const seconds = (description: string) => z.int32().min(0).max(31_536_000).describe(description).optional();

/** What may be changed for either role. Every field that is left out keeps the default of the role. */
const commonPolicy = {
  maxSessions: z
    .int32()
    .min(1)
    .max(64)
    .describe('Sessions that a user may have open at once, over all connections to one replica of the gateway.')
    .optional(),
  localForwarding: z
    .enum(FORWARDING)
    .describe('Where ssh -L, -D and -W may lead: none, or the loopback of the pod.')
    .optional(),
  localPorts: z
    .array(z.int32().min(1).max(65_535))
    .max(64)
    .describe('The only ports that ssh -L, -D and -W may lead to. Default: every port of the loopback.')
    .optional(),
  sftp: z
    .object({
      access: z.enum(SFTP_ACCESS).describe('none, read-only or read-write.').optional(),
      paths: z
        .array(sftpPath)
        .min(1)
        .max(POLICY_LIMITS.paths)
        .describe('Directories that sftp and scp are confined to. Default: what the uid can reach.')
        .optional(),
    })
    .describe('The sftp subsystem, which scp and sshfs use too.')
    .optional(),
  commands: z
    .array(z.string().min(1).max(POLICY_LIMITS.commandLength))
    .max(POLICY_LIMITS.commands)
    .describe(
      'The only commands that run, compared exactly; there is no shell then, and no sftp and no forwarding but what is asked for beside them.',
    )
    .optional(),
  idleTimeoutSeconds: seconds('A connection without data on its channels ends after this time. 0: never.'),
  maxDurationSeconds: seconds('A connection ends this long after its login. 0: never.'),
} as const;

const LimitedPolicy = z.object(commonPolicy).describe('Of users with access limited.');
const RootPolicy = z
  .object({
    ...commonPolicy,
    remoteForwarding: z
      .enum(FORWARDING)
      .describe('Where ssh -R may listen: nowhere, or on the loopback of the pod.')
      .optional(),
    socketForwarding: z.boolean().describe('Unix sockets with ssh -L and -R.').optional(),
    agentForwarding: z.boolean().describe('ssh -A: the agent of the user, at SSH_AUTH_SOCK in the app.').optional(),
    x11Forwarding: z.boolean().describe('ssh -X: the display of the user.').optional(),
  })
  .describe('Of users with access root.');

const onePrimary = {
  rule: 'self.filter(u, !has(u.suffix)).size() == 1',
  message: 'exactly one user has no suffix (the primary user); give every other user a suffix of its own',
};
const uniqueSuffixes = {
  rule: 'self.all(u, !has(u.suffix) || self.filter(v, has(v.suffix) && v.suffix == u.suffix).size() == 1)',
  message: 'two users have the same suffix; a suffix names one user',
};

const apiVersionOfKind = {
  rule: "(self.apiVersion == 'batch/v1') == (self.kind in ['Job', 'CronJob'])",
  message:
    'apiVersion and kind do not belong together: Job and CronJob are batch/v1; Deployment, StatefulSet, DaemonSet and ReplicaSet are apps/v1',
};

const Target = z
  .object({
    apiVersion: z.enum(['apps/v1', 'batch/v1']).default('apps/v1').describe('API version of the workload.'),
    kind: z
      .enum(['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'CronJob'])
      .default('Deployment')
      .describe(
        'Kind of the workload. The template of a Job cannot be changed: create it with the label sshaccess.dev/access. Of a CronJob the next Jobs get ssh; of a ReplicaSet, pods that are made from then on.',
      ),
    name: objectName('Name of the workload, in the same namespace.'),
    container: dnsLabel('The container that sessions open in. Default: the first.').optional(),
  })
  .refine(({ apiVersion, kind }) => (apiVersion === 'batch/v1') === (kind === 'Job' || kind === 'CronJob'), {
    error: apiVersionOfKind.message,
  })
  .meta({ 'x-kubernetes-validations': [apiVersionOfKind] });

const absolutePathRule = {
  rule: "self.startsWith('/') && !self.endsWith('/') && !self.contains(':') && !self.matches('(^|/)[.][.]?(/|$)')",
  message: 'give the absolute path of a file, without . and .. and colons',
};
const unmanagedNeeds = {
  rule: 'self.managed || (has(self.user) && has(self.authorizedKeysPath))',
  message:
    'managed is false: say as which user to log in (user), and where its sshd looks for keys (authorizedKeysPath)',
};
const unmanagedOnly = {
  rule: 'self.managed ? !has(self.user) && !has(self.authorizedKeysPath) && !has(self.port) && !has(self.hostKeys) : !has(self.setup) && !has(self.bootstrap)',
  message: 'user, authorizedKeysPath, port and hostKeys belong to managed: false; setup and bootstrap to managed: true',
};

/** Settings of runtime main_container; crds/main-container.ts has the contract with the image. */
const MainContainer = z
  .object({
    managed: z
      .boolean()
      .default(true)
      .describe(
        'true: the image follows the contract (SSH_CONTAINER_ROLE, /ssh-runtime, /ssh-init/05-ssh-init.sh). false: it starts an sshd of its own and knows nothing of sshaccess; the pods get the key of the gateway, and nothing else.',
      ),
    setup: z
      .enum(['InitScript', 'Image'])
      .describe(
        'Who sets sshd up. InitScript (the default): the image runs /ssh-init/05-ssh-init.sh, which is mounted. Image: it does not; an init container brings the key of the gateway to SSH_AUTHORIZED_KEYS_FILE, and the image does the rest.',
      )
      .optional(),
    bootstrap: z
      .object({
        script: z
          .string()
          .min(1)
          .max(32_768)
          .describe('A path in the image, or the text of a script: SSH_BOOTSTRAP_SCRIPT.'),
        required: z.boolean().default(false).describe('true: sshd does not start where the script fails.'),
      })
      .describe('Runs once in the container, as its user, before sshd starts.')
      .optional(),
    port: z.int32().min(1).max(65_535).describe('Port of an unmanaged sshd. Default: 22.').optional(),
    user: z
      .string()
      .min(1)
      .max(32)
      .regex(/^[a-z_][a-z0-9_-]*[$]?$/)
      .describe('The account of the image that every user logs in as, where managed is false.')
      .optional(),
    authorizedKeysPath: z
      .string()
      .min(2)
      .max(4096)
      .regex(/^(?![^]*[/][.]{1,2}([/]|$))[/][^:]*[^:/]$/, absolutePathRule.message)
      .describe('The authorized_keys file of that account: it is mounted there, and holds only the key of the gateway.')
      .meta({ 'x-kubernetes-validations': [absolutePathRule] })
      .optional(),
    hostKeys: z
      .array(z.string().min(1).max(16_384))
      .min(1)
      .max(16)
      .describe(
        'Public host keys of the image, as lines of OpenSSH. Default: the operator takes the key of each pod at first sight.',
      )
      .optional(),
  })
  .refine(
    ({ managed, user, authorizedKeysPath }) => managed || (user !== undefined && authorizedKeysPath !== undefined),
    {
      error: unmanagedNeeds.message,
    },
  )
  .refine(
    ({ managed, setup, bootstrap, user, authorizedKeysPath, port, hostKeys }) =>
      managed
        ? [user, authorizedKeysPath, port, hostKeys].every((field) => field === undefined)
        : setup === undefined && bootstrap === undefined,
    { error: unmanagedOnly.message },
  )
  .describe('How the sshd of the image is set up, with runtime main_container.')
  .meta({ 'x-kubernetes-validations': [unmanagedNeeds, unmanagedOnly] });
export type MainContainer = z.infer<typeof MainContainer>;

export const SshAccessSpec = z.object({
  enabled: z
    .boolean()
    .default(true)
    .describe('The toggle: false ends every session at once and keeps everything else.'),
  organization: dnsLabel(
    'First part of every username. Default: the label sshaccess.dev/organization of the namespace, else its name.',
  ).optional(),
  slug: dnsLabel('Second part of every username. Default: the name of this object.').optional(),
  target: Target.describe('The workload whose pods are reached.'),
  runtime: z
    .enum(RUNTIMES)
    .default('sidecar')
    .describe(
      'sidecar: an sshd is injected beside the app, whatever its image. main_container: the image brings its own openssh-server. A change rolls the pods once where rollout is Automatic.',
    ),
  mainContainer: MainContainer.optional(),
  rollout: z
    .enum(['Automatic', 'Manual'])
    .default('Automatic')
    .describe(
      'Automatic: label the pod template, which rolls the pods once. Manual: you add the label sshaccess.dev/access yourself.',
    ),
  processNamespace: z
    .enum(['Shared', 'Isolated'])
    .describe(
      'Shared: containers of the pod see the processes of each other, and sessions open in the app; no container is process 1 then. Isolated: for images that insist on being process 1 (s6, systemd); sessions open in the toolbox, without the files, the environment and the processes of the app. Default: Shared, unless the template shows an image or a command that is known to insist. A change rolls the pods once where rollout is Automatic. shareProcessNamespace in the template wins.',
    )
    .optional(),
  users: z
    .array(SshUser)
    .min(1)
    .max(MOST_USERS)
    .describe(
      'The one without suffix is the primary user. Five are served, the primary user and the first of the others, unless the administrator of the cluster says otherwise (maxUsersPerAccess of the chart); the condition UsernamesOwned names those beyond.',
    )
    .meta({ 'x-kubernetes-list-type': 'atomic', 'x-kubernetes-validations': [onePrimary, uniqueSuffixes] }),
  expiresAt: z.iso
    .datetime({ offset: true })
    .describe('No login and no session of any user after this time (RFC 3339), whatever expiresAt of the user says.')
    .optional(),
  policy: z
    .object({ root: RootPolicy.optional(), limited: LimitedPolicy.optional() })
    .describe('What each role may do, where it differs from the defaults.')
    .optional(),
  banner: z
    .string()
    .min(1)
    .max(MAX_BANNER_LENGTH)
    .describe('Shown to a user whose key was verified, before the session: ssh prints it to standard error.')
    .optional(),
  audit: z
    .object({ logging: z.boolean().default(true).describe('Write SSH_AUDIT lines to the log of the sidecar.') })
    .default({ logging: true })
    .describe('The audit trail in the pod.'),
});
export type SshAccessSpec = z.infer<typeof SshAccessSpec>;

/** An SshAccess as the API server hands it out; unknown fields of the metadata are not ours to judge. */
export const SshAccess = z.object({
  apiVersion: z.string().optional(),
  kind: z.string().optional(),
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    generation: z.int().optional(),
    resourceVersion: z.string().optional(),
    creationTimestamp: z.union([z.string(), z.date()]).optional(),
    deletionTimestamp: z.union([z.string(), z.date()]).optional(),
    finalizers: z.array(z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  spec: SshAccessSpec,
  status: SshAccessStatus.optional(),
});
export type SshAccess = z.infer<typeof SshAccess>;
