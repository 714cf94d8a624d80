import { narrow, type SessionPolicy } from '../crds/index.ts';
import { INTERNAL_SFTP, type KeyOptions } from '../lib/ssh/keys/key-options.ts';

/** What a user may do with this key: what their policy allows, less what the options of the key or certificate take. */
export function policyUnder(policy: SessionPolicy, options: KeyOptions): SessionPolicy {
  const { pty, agentForwarding, x11Forwarding, permitOpen } = options;
  return narrow(policy, {
    ...policy,
    pty,
    agentForwarding,
    x11Forwarding,
    // sshd's port forwarding has sockets with it.
    ...(options.portForwarding ? {} : NO_FORWARDING),
    ...(permitOpen === null ? {} : { localPorts: [...permitOpen] }),
    ...forced(options.command),
  });
}

const NO_FORWARDING = { localForwarding: 'none', remoteForwarding: 'none', socketForwarding: false } as const;

function forced(command: string | undefined): Partial<SessionPolicy> {
  if (command === undefined) return {};
  if (command === INTERNAL_SFTP) return { commands: [], forceCommand: true };
  return { commands: [command], forceCommand: true, sftp: { access: 'none', paths: null } };
}
