import * as z from 'zod';
import { PROCESS_NAMESPACES, type ProcessNamespace, SESSION_ENTRIES, SIDECAR_ENV } from '../crds/injection-record.ts';
import { SIDECAR_SECRET_PATH, SSH_PORT } from '../crds/names.ts';
import { parseEnvironment } from '../lib/process/config.ts';

/** Where things are in the sidecar's image, overridable for tests. */
const PATHS = {
  enter: 'SSHACCESS_ENTER_PATH',
  busybox: 'SSHACCESS_BUSYBOX_PATH',
  secret: 'SSHACCESS_SECRET_PATH',
  port: 'SSHACCESS_PORT',
} as const;

export type SidecarConfig = {
  container: string;
  sessionEntry: 'chroot' | 'toolbox';
  /** Undefined: uid 0 is not allowed; role root is the app's own uid. */
  rootUid: number | undefined;
  /** Undefined: role limited is refused. */
  limitedUid: number | undefined;
  processNamespace: ProcessNamespace;
  podName: string;
  namespace: string;
  port: number;
  secretPath: string;
  enterPath: string;
  busyboxPath: string;
};

const uid = z
  .string()
  .regex(/^\d{0,10}$/, 'give a uid, or leave it empty')
  .transform((text) => (text === '' ? undefined : Number(text)));

const Environment = z.object({
  [SIDECAR_ENV.container]: z.string().min(1),
  [SIDECAR_ENV.sessionEntry]: z.enum(SESSION_ENTRIES),
  [SIDECAR_ENV.rootUid]: uid.optional(),
  [SIDECAR_ENV.limitedUid]: uid.optional(),
  [SIDECAR_ENV.processNamespace]: z.enum(PROCESS_NAMESPACES).default('shared'),
  [SIDECAR_ENV.podName]: z.string().default(''),
  [SIDECAR_ENV.namespace]: z.string().default(''),
  [PATHS.port]: z.coerce.number().int().min(0).max(65_535).default(SSH_PORT),
  [PATHS.secret]: z.string().default(SIDECAR_SECRET_PATH),
  [PATHS.enter]: z.string().default('/opt/sshaccess/enter'),
  [PATHS.busybox]: z.string().default('/opt/sshaccess/busybox'),
});

/** Reads the configuration that the webhook has set. @throws ConfigError naming all that is wrong. */
export function readConfig(environment: NodeJS.ProcessEnv): SidecarConfig {
  const parsed = parseEnvironment(Environment, environment);
  return {
    container: parsed[SIDECAR_ENV.container],
    sessionEntry: parsed[SIDECAR_ENV.sessionEntry],
    rootUid: parsed[SIDECAR_ENV.rootUid],
    limitedUid: parsed[SIDECAR_ENV.limitedUid],
    processNamespace: parsed[SIDECAR_ENV.processNamespace],
    podName: parsed[SIDECAR_ENV.podName],
    namespace: parsed[SIDECAR_ENV.namespace],
    port: parsed[PATHS.port],
    secretPath: parsed[PATHS.secret],
    enterPath: parsed[PATHS.enter],
    busyboxPath: parsed[PATHS.busybox],
  };
}
