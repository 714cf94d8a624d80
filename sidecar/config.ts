import * as z from 'zod/mini';
import { PROCESS_NAMESPACES, type ProcessNamespace, SIDECAR_ENTRIES, SIDECAR_ENV } from '../crds/injection-record.ts';
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
  /** Where metrics are served; 0: nowhere. */
  metricsPort: number;
  secretPath: string;
  enterPath: string;
  busyboxPath: string;
};

// zod/mini knows no words: what is wrong is said here.
const uid = z.pipe(
  z.optional(z.string().check(z.regex(/^\d{0,10}$/, 'give a uid, or leave it empty'))),
  z.transform((text) => (text === undefined || text === '' ? undefined : Number(text))),
);
const oneOf = <const Names extends readonly string[]>(names: Names) =>
  z.enum(names, { error: `give one of ${names.join(', ')}` });
const port = z.pipe(
  z.string().check(z.regex(/^\d{1,5}$/, 'give the number of a port')),
  z.pipe(z.transform(Number), z.int().check(z.maximum(65_535, 'there is no port above 65535'))),
);

const Environment = z.object({
  [SIDECAR_ENV.container]: z.string('name the container of the app').check(z.minLength(1)),
  [SIDECAR_ENV.sessionEntry]: oneOf(SIDECAR_ENTRIES),
  [SIDECAR_ENV.rootUid]: uid,
  [SIDECAR_ENV.limitedUid]: uid,
  [SIDECAR_ENV.processNamespace]: z.optional(oneOf(PROCESS_NAMESPACES)),
  [SIDECAR_ENV.podName]: z.optional(z.string()),
  [SIDECAR_ENV.namespace]: z.optional(z.string()),
  [SIDECAR_ENV.metricsPort]: z.optional(port),
  [PATHS.port]: z.optional(port),
  [PATHS.secret]: z.optional(z.string()),
  [PATHS.enter]: z.optional(z.string()),
  [PATHS.busybox]: z.optional(z.string()),
});

/** Reads the configuration that the webhook has set. @throws ConfigError naming all that is wrong. */
export function readConfig(environment: NodeJS.ProcessEnv): SidecarConfig {
  const parsed = parseEnvironment(Environment, environment);
  return {
    container: parsed[SIDECAR_ENV.container],
    sessionEntry: parsed[SIDECAR_ENV.sessionEntry],
    rootUid: parsed[SIDECAR_ENV.rootUid],
    limitedUid: parsed[SIDECAR_ENV.limitedUid],
    processNamespace: parsed[SIDECAR_ENV.processNamespace] ?? 'shared',
    podName: parsed[SIDECAR_ENV.podName] ?? '',
    namespace: parsed[SIDECAR_ENV.namespace] ?? '',
    port: parsed[PATHS.port] ?? SSH_PORT,
    metricsPort: parsed[SIDECAR_ENV.metricsPort] ?? 0,
    secretPath: parsed[PATHS.secret] ?? SIDECAR_SECRET_PATH,
    enterPath: parsed[PATHS.enter] ?? '/opt/sshaccess/enter',
    busyboxPath: parsed[PATHS.busybox] ?? '/opt/sshaccess/busybox',
  };
}
