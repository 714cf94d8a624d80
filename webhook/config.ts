import { X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { SSH_PORT } from '../crds/index.ts';
import { Resources } from './pod.ts';
import { PodSecurityLevel } from './pod-security-level.ts';
import { GuaranteedResources } from './sidecar-resources.ts';

const port = z.coerce.number().int().min(1).max(65_535);
const FIRST_UNPRIVILEGED_PORT = 1024;

/** An environment variable that holds JSON of `schema`. */
const json = <T extends z.ZodType>(schema: T) =>
  z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text);
      } catch {
        context.addIssue({ code: 'custom', message: 'must be JSON' });
        return z.NEVER;
      }
    })
    .pipe(schema);

/** What OpenSSL cannot read is no trust anchor, and without any nobody would be let in. */
function isCertificates(pem: string): boolean {
  if (pem === '') return true;
  try {
    return new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}

/** The webhook's environment. */
export const Config = z.object({
  PORT: port.default(8443),
  HEALTH_PORT: port.default(8080),
  /** On the loopback; 0: no profiles. */
  PROFILING_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  /** Holds tls.crt and tls.key; both are read again when they change. */
  TLS_DIR: z.string().default('/etc/sshaccess/tls'),
  /** PEM of the CA whose clients alone are answered; empty: everybody is. */
  CLIENT_CA: z.string().default('').refine(isCertificates, 'must be certificates in PEM'),
  /** Our own namespace, never injected. */
  POD_NAMESPACE: z.string().min(1),
  SIDECAR_IMAGE: z.string().min(1),
  SIDECAR_PULL_POLICY: z.enum(['Always', 'IfNotPresent', 'Never']).default('IfNotPresent'),
  SIDECAR_RESOURCES: json(Resources).default({
    requests: { cpu: '10m', memory: '64Mi' },
    limits: { cpu: '2', memory: '1Gi' },
  }),
  SIDECAR_GUARANTEED_RESOURCES: json(GuaranteedResources).default({ cpu: '100m', memory: '256Mi' }),
  /** Of each sidecar, for metrics; 0: none serves any. Low ports are not every sidecar's to bind. */
  SIDECAR_METRICS_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .refine((number) => number === 0 || number >= FIRST_UNPRIVILEGED_PORT, 'give a port of 1024 or more, or 0 for none')
    .refine((number) => number !== SSH_PORT, `${SSH_PORT} is the port of ssh; give another one, or 0 for none`)
    .default(0),
  DEFAULT_POD_SECURITY_LEVEL: PodSecurityLevel.default('privileged'),
  /** Names with commas between them; empty: all. */
  WATCH_NAMESPACES: z.string().default(''),
});
export type Config = z.infer<typeof Config>;
