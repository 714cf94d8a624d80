const MOST_NAMED = 8;
const LONGEST_NAME = 200;

/** What a user is told whose shell or command is not among those that the policy names. */
export function commandRefusal(commands: readonly string[]): string {
  if (commands.length === 0) return 'no command may be run here, and there is no shell';
  const named = commands.slice(0, MOST_NAMED).map(printable).join('; ');
  const more = commands.length > MOST_NAMED ? `; and ${commands.length - MOST_NAMED} more` : '';
  return `only these commands may be run here, exactly as written: ${named}${more}`;
}

// Whoever wrote the policy shall not move the user's cursor.
const printable = (command: string): string => command.slice(0, LONGEST_NAME).replaceAll(/\p{C}/gu, '?');
