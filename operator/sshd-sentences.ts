/** What keeps the gateway out of a pod whose image brings the sshd, each with what to do. `where` is `pod/name`. */
import {
  SSH_AUTHORIZED_KEYS_PATH,
  SSH_ENV,
  SSH_INIT_PATH,
  SSH_RUNTIME_PATH,
  SSHD_SECRET_KEYS,
  type SshdSetup,
} from '../crds/index.ts';

const INIT_SCRIPT_PATH = `${SSH_INIT_PATH}/${SSHD_SECRET_KEYS.initScript}`;
const CONTRACT = `the image must run ${INIT_SCRIPT_PATH} and then start sshd where ${SSH_ENV.role} is sidecar; one that does not know of it idles, or runs something else`;

const OTHERWISE =
  'an image that starts an sshd by itself needs spec.mainContainer.managed: false and its port; one without an sshd, spec.runtime: sidecar';

/** Why nobody may be listening. */
const NOT_LISTENING: Readonly<Record<SshdSetup, string>> = {
  'init-script': `${CONTRACT} (${OTHERWISE})`,
  image: `the image must start sshd on port ${SSH_ENV.port} where ${SSH_ENV.role} is sidecar; one that does not know of it idles, or runs something else (${OTHERWISE})`,
  unmanaged: 'correct spec.mainContainer.port, or see that the image starts its sshd',
};

const OTHER_HOST_KEY: Readonly<Record<SshdSetup, string>> = {
  'init-script': `it made one of its own: ${CONTRACT}; or set spec.mainContainer.setup: Image`,
  image: 'it is not the one that this container had before, so something else may answer there; restart the pod',
  unmanaged:
    'it is neither in spec.mainContainer.hostKeys nor the one that this container had before; correct the list, or restart the pod',
};

const KEY_REFUSED: Readonly<Record<SshdSetup, string>> = {
  'init-script': `see the log of the container; ${CONTRACT}`,
  image: `the image must let every user of ${SSH_ENV.usernames} log in with the keys in ${SSH_ENV.authorizedKeysFile} (${SSH_AUTHORIZED_KEYS_PATH}), which is there before the image starts`,
  unmanaged:
    'see that spec.mainContainer.user is an account of the image that is not locked, that spec.mainContainer.authorizedKeysPath is where its sshd looks for its keys, and that nobody else can write the directories above it (StrictModes)',
};

/** Where something may listen instead. The port itself says nothing: the webhook has declared it. */
function declared(all: readonly number[], port: number): string {
  const ports = all.filter((each) => each !== port);
  if (ports.length === 0) return 'which declares no other port';
  return `which declares ${ports.length === 1 ? 'port' : 'ports'} ${ports.join(', ')}`;
}

export const SSHD_SENTENCES = {
  NoOpensshServer: (where: string) =>
    `${where} has no openssh-server; install it in the image, or set spec.runtime: sidecar, which needs none`,
  SshdNotListening: (where: string, setup: SshdSetup, port: number, ports: readonly number[]) =>
    `nobody listens on port ${port} of ${where}, ${declared(ports, port)}; ${NOT_LISTENING[setup]}`,
  SshdUnreachable: (where: string, port: number, code: string) =>
    `no TCP connection to port ${port} of ${where} (${code}): let NetworkPolicies allow it from the namespace of sshaccess`,
  SshdSilent: (where: string, port: number) =>
    `what listens on port ${port} of ${where} takes connections and does not say that it is an sshd; see the log of the container`,
  NotSsh: (where: string, port: number) =>
    `what listens on port ${port} of ${where} is not an sshd; give that port to sshd, or correct spec.mainContainer.port`,
  HostKeyMismatch: (where: string, setup: SshdSetup) =>
    `the host key of ${where} is not the one that it must have: ${OTHER_HOST_KEY[setup]}`,
  MappingKeyRefused: (where: string, setup: SshdSetup, username: string) =>
    `the sshd of ${where} refuses the key of the gateway for the user ${username}: ${KEY_REFUSED[setup]}`,
  SshdLoginFailed: (where: string, detail: string) =>
    `the sshd of ${where} lets nobody in: ${detail}; see the log of the container`,
  RuntimeVolumeMissing: (where: string, said?: string) =>
    `${where}: ${said ?? `${SSH_RUNTIME_PATH} is missing, or not writable for its user`}; make the pod anew, so that the volume is mounted there, and let nothing in the image change its modes`,
  NssWrapperMissing: (where: string, said?: string) =>
    `${where}: ${said ?? 'the image does not know its users; install libnss-wrapper (nss_wrapper on Alpine), and let the entrypoint preload it'}`,
  WrongModes: (where: string) =>
    `the sshd of ${where} does not take the modes of its files: host keys must be readable for their owner only (0600), and neither the home nor .ssh writable for others; let the image set them before it starts sshd`,
  BootstrapFailed: (where: string, detail = 'the bootstrap script failed, and sshd has started all the same') =>
    `${where}: ${detail}; see the log of the container`,
  SshdSetupFailed: (where: string, detail: string) => `${where}: ${detail}`,
  MainContainerEnded: (where: string, exitCode: number, command: string) =>
    `${where} ends (exit code ${exitCode}) before anybody gets into its sshd; see ${command}`,
} as const;

export const SSHD_REASONS = [
  'NoOpensshServer',
  'SshdNotListening',
  'SshdUnreachable',
  'SshdSilent',
  'NotSsh',
  'HostKeyMismatch',
  'MappingKeyRefused',
  'SshdLoginFailed',
  'RuntimeVolumeMissing',
  'NssWrapperMissing',
  'WrongModes',
  'BootstrapFailed',
  'SshdSetupFailed',
  'MainContainerEnded',
] as const satisfies readonly (keyof typeof SSHD_SENTENCES)[];
