#!/usr/bin/env node
/** `kubectl sshaccess`: what can also be done with kubectl and ssh-keygen, in one word. Holds no right but its user's. */
import { writeFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { KIND, readAccess, readAccesses, type Access } from './accesses.ts';
import { type Command, type CommandLine, readCommandLine, USAGE } from './command-line.ts';
import { COMPLETION_SCRIPT } from './completion.ts';
import { fingerprintOf, keyLine } from './key-match.ts';
import { newKey } from './keygen.ts';
import { KICK, kickAnnotation } from './kick.ts';
import { knownHosts } from './known-hosts.ts';
import { kubectlWith, type Kubectl } from './kubectl.ts';
import { printable } from './printable.ts';
import { Problem } from './problem.ts';
import { sessionsReport, statusReport, whoReport } from './report.ts';
import { loginLine, sshConfig } from './ssh-config.ts';
import { checkedId, linesAbout } from './why.ts';

/** To stderr: stdout is for what is piped on, as a manifest into `kubectl apply -f -`. */
const say = (line: string): void => void process.stderr.write(`${printable(line)}\n`);

const RUN: Readonly<Record<Command, (line: CommandLine, kubectl: Kubectl) => Promise<string>>> = {
  keygen: async (line) => {
    const name = required(line, 'the name of the Secret');
    const file = line.file ?? name;
    const namespace = line.kubectlFlags.find((flag) => flag.startsWith('--namespace='))?.slice('--namespace='.length);
    const key = newKey(name, namespace, `${userInfo().username}@${hostname()}`);
    await writeNew(file, key.privateKey, 0o600);
    await writeNew(`${file}.pub`, `${key.publicLine}\n`, 0o644);
    say(`${file}: your private key, ${key.fingerprint}. Keep it to yourself; a passphrase: ssh-keygen -p -f ${file}`);
    return key.secret.trimEnd();
  },
  command: async (line, kubectl) =>
    loginLine(await readAccess(kubectl, required(line, 'an SshAccess')), line.words[1], line.identity),
  config: async (line, kubectl) => sshConfig(await readAccess(kubectl, required(line, 'an SshAccess')), line.identity),
  'known-hosts': async (line, kubectl) => knownHosts(await readAccess(kubectl, required(line, 'an SshAccess'))),
  status: async (line, kubectl) => {
    const key = line.identity === undefined ? undefined : await fingerprintOf(line.identity);
    const accesses = await wanted(line, kubectl);
    return accesses
      .flatMap((access) => [
        statusReport(access),
        ...(key === undefined ? [] : [keyLine(access, key, line.identity ?? '')]),
      ])
      .join('\n');
  },
  who: async (line, kubectl) => whoReport(await wanted(line, kubectl)),
  sessions: async (line, kubectl) => sessionsReport(await wanted(line, kubectl)),
  kick: async (line, kubectl) => {
    const name = required(line, 'an SshAccess and one of its users');
    const [, username = ''] = line.words;
    const value = kickAnnotation(await readAccess(kubectl, name), username, new Date());
    await kubectl('annotate', KIND, name, '--overwrite', `${KICK}=${value}`);
    return `the sessions of ${username} end within seconds; to keep them out, take them out of spec.users`;
  },
  why: async (line) => {
    const id = checkedId(required(line, 'the id of a connection'));
    const pods = ['--selector=app.kubernetes.io/component=piper', '--tail=-1', '--max-log-requests=20'];
    // The last --namespace counts for kubectl, and ours comes first: so it is asked without the user's.
    const flags = line.kubectlFlags.filter((flag) => !flag.startsWith('--namespace='));
    const log = await kubectlWith([...flags, `--namespace=${line.system}`])('logs', ...pods);
    const found = linesAbout(id, log);
    if (found === '') throw new Problem(`the gateway's logs know no connection ${id} (any more)`);
    return found;
  },
  completion: async () => COMPLETION_SCRIPT.trimEnd(),
};

async function wanted({ words }: CommandLine, kubectl: Kubectl): Promise<readonly Access[]> {
  const [name] = words;
  if (name !== undefined) return [await readAccess(kubectl, name)];
  const accesses = await readAccesses(kubectl);
  if (accesses.length === 0) throw new Problem('there is no SshAccess in this namespace; -n names another');
  return accesses;
}

function required({ command, words }: CommandLine, what: string): string {
  const [word] = words;
  if (word === undefined) throw new Problem(`kubectl sshaccess ${command} wants ${what}`);
  return word;
}

/** Never over a file that is there: it may be somebody's only key. */
async function writeNew(file: string, content: string, mode: number): Promise<void> {
  try {
    await writeFile(file, content, { mode, flag: 'wx' });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new Problem(`${file} is there already; give another with --file`, { cause: error });
    throw error;
  }
}

async function main(args: readonly string[]): Promise<number> {
  try {
    const line = readCommandLine(args);
    console.log(printable(line === undefined ? USAGE : await RUN[line.command](line, kubectlWith(line.kubectlFlags))));
    return 0;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    say(error.message);
    return 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
