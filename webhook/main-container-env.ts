import { SSH_AUTHORIZED_KEYS_PATH, SSH_ENV, SSH_RUNTIME_PATH, SSH_SECRET_PATH } from '../crds/index.ts';
import type { MainContainerPlan } from './main-container-plan.ts';
import { has } from './named-list.ts';
import type { Container, Variable } from './pod.ts';

type Ids = { uid: number | null; gid: number | null };

/**
 * The contract's variables for the target container.
 * @param own the container as it is without an earlier injection: its own PUID, PGID and SSH_BOOTSTRAP_SCRIPT win
 */
export function mainContainerEnv(own: Container, plan: MainContainerPlan, { uid, gid }: Ids): Variable[] {
  if (plan.setup === 'unmanaged') return [];
  const { bootstrap } = plan;
  const unlessOwn = (name: string, value: string | undefined): Variable[] =>
    value === undefined || has(own.env ?? [], name) ? [] : [{ name, value }];
  return [
    { name: SSH_ENV.role, value: 'sidecar' },
    { name: SSH_ENV.runtimeDir, value: SSH_RUNTIME_PATH },
    ...(plan.setup === 'init-script' ? [{ name: SSH_ENV.secretDir, value: SSH_SECRET_PATH }] : []),
    { name: SSH_ENV.username, value: plan.usernames[0] ?? '' },
    { name: SSH_ENV.usernames, value: plan.usernames.join(',') },
    { name: SSH_ENV.authorizedKeysFile, value: SSH_AUTHORIZED_KEYS_PATH },
    { name: SSH_ENV.port, value: String(plan.port) },
    { name: SSH_ENV.auditLogging, value: String(plan.auditLogging) },
    ...unlessOwn(SSH_ENV.uid, uid === null ? undefined : String(uid)),
    ...unlessOwn(SSH_ENV.gid, gid === null ? undefined : String(gid)),
    ...unlessOwn(SSH_ENV.bootstrapScript, bootstrap === undefined ? undefined : verbatim(bootstrap.script)),
    ...(bootstrap === undefined ? [] : [{ name: SSH_ENV.bootstrapRequired, value: String(bootstrap.required) }]),
  ];
}

/** The kubelet takes `$(NAME)` for a reference to another variable, and `$$`, a shell's process id, for an escaped `$`. */
const verbatim = (value: string): string => value.replaceAll('$', () => '$$');
