/**
 * The contract of runtime `main_container`: an image that brings its own openssh-server. The webhook sets the environment
 * and the mounts, the operator fills the Secret, `operator/init-script/05-ssh-init.sh` sets sshd up, and the piper logs in.
 */

/** Where the pod's Secret is mounted: the host key, the mapping key's public half and the settings. */
export const SSH_SECRET_PATH = '/run/sshaccess/secret';
/** An emptyDir that sshd's user can write: configuration, host keys, the home of the users. */
export const SSH_RUNTIME_PATH = '/ssh-runtime';
/** Where the image looks for our init script. */
export const SSH_INIT_PATH = '/ssh-init';

/** Further data keys of the pod's Secret `<name>-sshaccess`, where the runtime is `main_container`. */
export const SSHD_SECRET_KEYS = {
  /** Mounted, executable, as `/ssh-init/05-ssh-init.sh`. */
  initScript: '05-ssh-init.sh',
  /** Lines `NAME=value` of {@link SSHD_SETTINGS}; read, never sourced. */
  settings: 'sshd-settings',
} as const;

/** What the init script is told: the widest that any role may do, which the piper narrows for each user. */
export const SSHD_SETTINGS = {
  /** `none` or `loopback`. */
  localForwarding: 'LOCAL_FORWARDING',
  remoteForwarding: 'REMOTE_FORWARDING',
  /** `yes` or `no`. */
  socketForwarding: 'SOCKET_FORWARDING',
  agentForwarding: 'AGENT_FORWARDING',
  x11Forwarding: 'X11_FORWARDING',
  auditLogging: 'AUDIT_LOGGING',
  /** Names of environment variables that clients may set, with `*`, separated by spaces: sshd's AcceptEnv. */
  clientEnvironment: 'CLIENT_ENVIRONMENT',
} as const;

/**
 * What the webhook sets in the app's container. Of these a pod's own PUID, PGID and SSH_BOOTSTRAP_SCRIPT win; the rest is
 * the contract, and ours.
 */
export const SSH_ENV = {
  /** `sidecar`: start sshd. Images that follow the contract idle without it. */
  role: 'SSH_CONTAINER_ROLE',
  runtimeDir: 'SSH_RUNTIME_DIR',
  secretDir: 'SSHACCESS_SECRET_DIR',
  /** Of the primary user. */
  username: 'SSH_USERNAME',
  /** Of all users, separated by commas; the primary user first. */
  usernames: 'SSH_USERNAMES',
  authorizedKeysFile: 'SSH_AUTHORIZED_KEYS_FILE',
  port: 'SSH_PORT',
  uid: 'PUID',
  gid: 'PGID',
  /** `true` or `false`. */
  auditLogging: 'SSH_AUDIT_LOGGING',
  /** A path in the image, or the text of a script. */
  bootstrapScript: 'SSH_BOOTSTRAP_SCRIPT',
  /** `true`: sshd does not start where the bootstrap script fails. */
  bootstrapRequired: 'SSH_BOOTSTRAP_REQUIRED',
} as const;

/** The only key that may log in: inside the home, which sshd's StrictModes takes for the end of its search. */
export const SSH_AUTHORIZED_KEYS_PATH = `${SSH_RUNTIME_PATH}/home/.ssh/authorized_keys`;

/** The init container that writes that file where the image sets sshd up itself: only uids of the app own what it checks. */
export const SETUP_CONTAINER = 'sshaccess-setup';

/** uid and gid of the contract, where the pod says nothing else. */
export const CONTRACT_ID = 1000;

/**
 * Environment variables (RFC 4254 section 6.4) that the piper itself sets on each session channel of a main_container,
 * before anything of the client: the ForceCommand of our init script reads them. No client can set one: the piper passes
 * on no name with this prefix.
 */
export const SESSION_FACTS_PREFIX = 'SSHACCESS_';
export const SESSION_FACTS = {
  user: 'SSHACCESS_USER',
  role: 'SSHACCESS_ROLE',
  /** `<address> <port>` of the client. */
  client: 'SSHACCESS_CLIENT',
  /** The piper's id of the connection. */
  session: 'SSHACCESS_SESSION',
  /** `none`, `read-only` or `read-write`. */
  sftp: 'SSHACCESS_SFTP',
} as const;

/**
 * Words that our init script puts into sshd's ident (VersionAddendum, RFC 4253 section 4.2), where everybody who may
 * connect can read how it went without a login, and without reading the pod's log.
 */
export const SETUP_MARK = 'sshaccess-setup-1';
export const BOOTSTRAP_FAILED_MARK = 'sshaccess-bootstrap-failed';

/**
 * Why our init script ended without an sshd: the word in brackets of the one line that it leaves on stderr and in the
 * container's termination message, `sshaccess: [no-sshd] <a sentence that says what to do>`.
 */
export const INIT_FAILURES = [
  /** A variable of {@link SSH_ENV} is missing, or is not what it should be. */
  'environment',
  /** The image lacks one of the few programs that the script runs. */
  'tools',
  'no-sshd',
  /** There is no volume at SSH_RUNTIME_DIR, or the container's user cannot write it. */
  'runtime-dir',
  /** The host key or the mapping key is not mounted, empty, or not readable for the container's user. */
  'secret',
  /** The settings are not mounted, lack a line, or have a value that this script does not know. */
  'settings',
  /** A username of SSH_USERNAMES has no passwd entry that sshd could log in: libnss-wrapper, uid, shell. */
  'username',
  /** The home or the authorized keys cannot be written. */
  'home',
  /** This sshd does not start with a configuration that it was asked about line by line. */
  'sshd-config',
  /** The bootstrap script failed, and is required. */
  'bootstrap',
] as const;

/** What of the line is for people; both groups are a container's, and so hostile until parsed. */
export const INIT_FAILURE_LINE = /^sshaccess: \[([a-z-]{1,32})\] ([\x20-\x7e]{1,512})$/m;
