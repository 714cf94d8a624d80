/** The environment of a program is wrong; `message` lists every problem at once, one a line. */
export class ConfigError extends Error {
  readonly code = 'config';
}

type Issue = { path: PropertyKey[]; message: string };

/** What is used of a schema: those of zod and of zod/mini are such. */
type Schema<Output> = {
  safeParse: (value: unknown) => { success: true; data: Output } | { success: false; error: { issues: Issue[] } };
};

/**
 * Parses a program's environment variables once, at its start.
 * @throws ConfigError naming each variable that is missing or wrong, and what it should be.
 */
export function parseEnvironment<Output>(schema: Schema<Output>, environment: NodeJS.ProcessEnv): Output {
  const result = schema.safeParse(environment);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new ConfigError(`set these environment variables right and start again:\n${problems.join('\n')}`);
}
