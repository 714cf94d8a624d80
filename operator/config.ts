import * as z from 'zod';
import { parseEnvironment } from '../lib/process/config.ts';

const port = z.coerce.number().int().min(1).max(65_535);

const Environment = z.object({
  POD_NAMESPACE: z.string().min(1),
  POD_NAME: z.string().min(1),
  ENDPOINT_HOST: z.string().default(''),
  ENDPOINT_PORT: port.default(2222),
  HEALTH_PORT: port.default(8080),
  WEBHOOK_SERVICE: z.string().default(''),
});

export type Config = {
  /** Where we run, and where route Secrets and our Lease lie. */
  systemNamespace: string;
  /** Of this replica, for the Lease and Events. */
  identity: string;
  /** What users type; no host: not known yet, commands say so. */
  endpoint: { host: string | undefined; port: number };
  healthPort: number;
  /** Undefined: nobody can be asked whether injection works, so nothing is rolled again. */
  webhookService: string | undefined;
};

/** @throws ConfigError */
export function loadConfig(environment: NodeJS.ProcessEnv): Config {
  const parsed = parseEnvironment(Environment, environment);
  return {
    systemNamespace: parsed.POD_NAMESPACE,
    identity: parsed.POD_NAME,
    endpoint: { host: parsed.ENDPOINT_HOST || undefined, port: parsed.ENDPOINT_PORT },
    healthPort: parsed.HEALTH_PORT,
    webhookService: parsed.WEBHOOK_SERVICE || undefined,
  };
}
