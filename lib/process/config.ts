import type * as z from 'zod';

/** The environment of a program is wrong; `message` lists every problem at once, one a line. */
export class ConfigError extends Error {
  readonly code = 'config';
}

/**
 * Parses a program's environment variables once, at its start.
 * @throws ConfigError naming each variable that is missing or wrong, and what it should be.
 */
export function parseEnvironment<T extends z.ZodType>(schema: T, environment: NodeJS.ProcessEnv): z.output<T> {
  const result = schema.safeParse(environment);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new ConfigError(`set these environment variables right and start again:\n${problems.join('\n')}`);
}
