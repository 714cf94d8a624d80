/** Pure: why nobody gets into a pod whose image brings the sshd, by what the kubelet and the prober say of it. */
import { INIT_FAILURE_LINE, INIT_FAILURES, SSH_RUNTIME_PATH, type SshdSetup } from '../crds/index.ts';
import type { AccessPod, MainContainerState } from './access-pod.ts';
import { finding, type Finding } from './findings.ts';
import type { Outcome, ProbeTarget } from './probe/outcome.ts';

type InitFailure = (typeof INIT_FAILURES)[number];

/** Why; undefined: the gateway gets in, or nothing is known yet. */
export function sshdFinding(
  pod: AccessPod,
  outcome: Outcome | undefined,
  target: ProbeTarget | undefined,
): Finding | undefined {
  const { main, record } = pod;
  if (main === undefined || pod.isReady) return undefined;
  const where = `container ${main.name} of pod ${pod.name}`;
  const setup = record?.mainContainer?.setup ?? 'init-script';
  const isLookedAt = outcome !== undefined && target !== undefined && main.isRunning;
  const seen = isLookedAt ? probeFinding(outcome, { where, setup, main, target }) : undefined;
  // Why it ended before tells more than that nobody listens now; whatever answers is there in spite of that.
  const own = main.ended === undefined ? undefined : lastWords(where, main.ended);
  const best = outcome?.result === 'refused' ? (own ?? seen) : (seen ?? own);
  if (best !== undefined || main.isRunning || main.ended === undefined) return best;
  const command = `kubectl -n ${pod.namespace} logs ${pod.name} -c ${main.name} --previous`;
  return finding('MainContainerEnded', where, main.ended.exitCode, command);
}

type Seen = { where: string; setup: SshdSetup; main: MainContainerState; target: ProbeTarget };

function probeFinding(outcome: Outcome, { where, setup, main, target }: Seen): Finding | undefined {
  const { port, username } = target;
  switch (outcome.result) {
    case 'refused':
      return finding('SshdNotListening', where, setup, port, main.ports);
    case 'unreachable':
      return finding('SshdUnreachable', where, port, outcome.detail);
    case 'silent':
      return finding('SshdSilent', where, port);
    case 'not-ssh':
      return finding('NotSsh', where, port);
    case 'other-host-key':
      return finding('HostKeyMismatch', where, setup);
    case 'key-refused':
      return finding('MappingKeyRefused', where, setup, username);
    case 'failed':
      return finding('SshdLoginFailed', where, outcome.detail);
    case 'reached':
    default:
      return undefined;
  }
}

type LastWords = NonNullable<MainContainerState['ended']>;

/** By the exit code and the end of the log; undefined: it may have ended for reasons of its own. */
function lastWords(where: string, { exitCode, message }: LastWords): Finding | undefined {
  const [, word = '', sentence = ''] = INIT_FAILURE_LINE.exec(message) ?? [];
  if (isInitFailure(word)) return BY_WORD[word](where, sentence.replace(/[.; ]+$/, ''));
  const kind = TELLTALES.find(({ text }) => text.test(message));
  if (kind !== undefined) return kind.finding(where);
  // A shell that does not find a program; which one it was, nobody told.
  return exitCode === 127 && message === '' ? finding('NoOpensshServer', where) : undefined;
}

/** What images that set sshd up themselves, and sshd, leave in their log. */
const TELLTALES: readonly { text: RegExp; finding: (where: string) => Finding }[] = [
  {
    text: /\bsshd\b[^\n]{0,80}(?:not found|no such file)/i,
    finding: (where) => finding('NoOpensshServer', where),
  },
  { text: /nss_wrapper|nss-wrapper/i, finding: (where) => finding('NssWrapperMissing', where) },
  {
    text: new RegExp(
      `(?:runtime dir[^\\n]{0,80}missing|${SSH_RUNTIME_PATH}[^\\n]{0,80}(?:no such file|missing|permission denied|read-only))`,
      'i',
    ),
    finding: (where) => finding('RuntimeVolumeMissing', where),
  },
  {
    text: /bad permissions|unprotected private key|bad ownership or modes|no hostkeys available/i,
    finding: (where) => finding('WrongModes', where),
  },
];

const isInitFailure = (word: string): word is InitFailure => INIT_FAILURES.some((known) => known === word);

const setupFailed = (where: string, said: string): Finding => finding('SshdSetupFailed', where, said);

/** The sentence is the script's own, and says what to do. */
const BY_WORD: Readonly<Record<InitFailure, (where: string, said: string) => Finding>> = {
  'no-sshd': (where) => finding('NoOpensshServer', where),
  'runtime-dir': (where, said) => finding('RuntimeVolumeMissing', where, said),
  // Also where the wrapper is there, and the user is not in it, or has the uid of another.
  username: (where, said) =>
    said.includes('nss-wrapper') ? finding('NssWrapperMissing', where, said) : setupFailed(where, said),
  bootstrap: (where, said) => finding('BootstrapFailed', where, said),
  environment: setupFailed,
  tools: setupFailed,
  secret: setupFailed,
  settings: setupFailed,
  home: setupFailed,
  'sshd-config': setupFailed,
};
