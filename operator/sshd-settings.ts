/** Pure: what the init script of a main_container is told about the policy. */
import { SSHD_SETTINGS, type Ceiling, type SessionPolicy } from '../crds/index.ts';

/**
 * Lines `NAME=value`: the widest that any role of the ceiling may do. sshd there knows one user only, so the piper
 * narrows it for each; what no role may do, sshd refuses as well.
 */
export function sshdSettings({ roles, auditLogging }: Ceiling): string {
  const policies = Object.values(roles);
  const any = (allows: (policy: SessionPolicy) => boolean): boolean => policies.some((policy) => allows(policy));
  const yes = (is: boolean): string => (is ? 'yes' : 'no');
  const loopback = (is: boolean): string => (is ? 'loopback' : 'none');
  const names = new Set(policies.flatMap(({ clientEnvironment }) => clientEnvironment));
  const lines = [
    [SSHD_SETTINGS.localForwarding, loopback(any(({ localForwarding }) => localForwarding !== 'none'))],
    [SSHD_SETTINGS.remoteForwarding, loopback(any(({ remoteForwarding }) => remoteForwarding !== 'none'))],
    [SSHD_SETTINGS.socketForwarding, yes(any(({ socketForwarding }) => socketForwarding))],
    [SSHD_SETTINGS.agentForwarding, yes(any(({ agentForwarding }) => agentForwarding))],
    [SSHD_SETTINGS.x11Forwarding, yes(any(({ x11Forwarding }) => x11Forwarding))],
    [SSHD_SETTINGS.auditLogging, yes(auditLogging)],
    [SSHD_SETTINGS.clientEnvironment, [...names].toSorted().join(' ')],
  ];
  return lines.map(([name, value]) => `${name}=${value}\n`).join('');
}
