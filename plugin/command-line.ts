/** What was asked for: `kubectl sshaccess <command> [name] [flags]`. */
import { parseArgs } from 'node:util';
import { Problem } from './problem.ts';

export const COMMANDS = {
  keygen: '<name>: make a key pair, and print the Secret for its public half',
  command: '<name> [username]: the line to log in with',
  config: '<name>: a block for ~/.ssh/config, one Host for each user',
  'known-hosts': '<name>: lines for ~/.ssh/known_hosts, with the host keys that the cluster knows of its gateway',
  status: '[name]: is it ready, and if not, what to do',
  who: '[name]: who is logged in, and who was last',
  sessions: '[name]: who has sessions open now',
  kick: '<name> <username>: end the sessions of a user, who may log in again',
  why: '<connection id>: why a login was refused or ended (needs the right to read the logs of the gateway)',
  completion: 'a completion script: put it into the PATH as kubectl_complete-sshaccess',
} as const;
export type Command = keyof typeof COMMANDS;

export type CommandLine = {
  command: Command;
  /** What stands after the command. */
  words: readonly string[];
  /** Passed on to kubectl as they are: which cluster, which namespace. */
  kubectlFlags: readonly string[];
  /** Where the gateway is installed. */
  system: string;
  /** Where keygen writes the private key. Default: the name. */
  file: string | undefined;
  /** The private key that command lines and configurations name. */
  identity: string | undefined;
};

const OPTIONS = {
  namespace: { type: 'string', short: 'n' },
  context: { type: 'string' },
  kubeconfig: { type: 'string' },
  system: { type: 'string', default: 'sshaccess-system' },
  file: { type: 'string', short: 'f' },
  identity: { type: 'string', short: 'i' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

const TO_KUBECTL = ['namespace', 'context', 'kubeconfig'] as const;

export const USAGE = [
  'kubectl sshaccess: SSH into running workloads',
  '',
  ...Object.entries(COMMANDS).map(([name, what]) => `  ${name} ${what}`),
  '',
  '  -n, --namespace, --context, --kubeconfig   as for kubectl',
  '  -i, --identity   the private key to name in command and config, and that status compares',
  '  -f, --file       where keygen writes the private key',
  '  --system         the namespace that sshaccess is installed in (default sshaccess-system)',
  '',
].join('\n');

/** @returns undefined when help was asked for. @throws Problem */
export function readCommandLine(args: readonly string[]): CommandLine | undefined {
  const { values, positionals } = parse(args);
  const [command, ...words] = positionals;
  if (values.help || command === undefined || command === 'help') return undefined;
  if (!isCommand(command)) throw new Problem(`there is no command "${command}"; kubectl sshaccess --help lists them`);
  const kubectlFlags = TO_KUBECTL.flatMap((flag) => (values[flag] === undefined ? [] : [`--${flag}=${values[flag]}`]));
  return { command, words, kubectlFlags, system: values.system, file: values.file, identity: values.identity };
}

const isCommand = (text: string): text is Command => Object.hasOwn(COMMANDS, text);

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Problem(error instanceof Error ? error.message : 'wrong arguments', { cause: error });
  }
}
