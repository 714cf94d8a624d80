/**
 * What goes wrong most often, as a person meets it: what they see, the one command that tells the reason, the very words
 * in which it does, and what to do then. docs/troubleshooting.md is written from it, e2e/faults.e2e.ts makes each happen.
 */
import { finding } from '../operator/findings.ts';
import { REFUSALS, type RefusalCode } from '../piper/refusals.ts';
import { noSuchKey } from '../plugin/key-match.ts';

/** How a person asks. */
export const QUESTIONS = {
  describe: 'kubectl describe sshacc <name>',
  status: 'kubectl sshaccess status <name> -i <key>',
  ssh: 'ssh …',
} as const;

export type Fault = {
  /** What is wrong. */
  readonly title: string;
  /** What somebody sees who does not know that yet. */
  readonly symptom: string;
  readonly ask: keyof typeof QUESTIONS;
  /** What the answer has in it; `<…>` stands for what differs. */
  readonly says: string;
  readonly remedy: string;
};

const DENIED = '`Permission denied (publickey)`';
const refusal = (code: RefusalCode): string => `${REFUSALS[code].sentence} [${code}, connection <id>]`;

export const SEEDED_FAULTS = {
  wrongKey: {
    title: 'the key is another one',
    symptom: DENIED,
    ask: 'status',
    says: noSuchKey('<fingerprint>', '<key>', '<namespace>/<name>'),
    remedy: 'name the right one with `ssh -i`, or put the public half of this one into the Secret of the user',
  },
  secretMissing: {
    title: 'the Secret of a user is missing',
    symptom: DENIED,
    ask: 'describe',
    says: finding('KeySecretNotFound', '<username>', '<secret>').message,
    remedy: '`kubectl create secret generic <secret> --from-file=ssh-publickey=key.pub`',
  },
  privateKey: {
    title: 'a private key is in the Secret',
    symptom: DENIED,
    ask: 'describe',
    says: finding('PrivateKeyInSecret', '<username>', '<secret>').message,
    remedy: 'make a new pair: who may read Secrets there has had this one',
  },
  noShell: {
    title: 'the image has no shell',
    symptom: 'commands that you know from other images are not found',
    ask: 'ssh',
    says: "sshaccess: this image has no shell (<path>); this one is the gateway's, a busybox.",
    remedy: '`busybox --list` shows what there is; what else you need must be in the image',
  },
  restricted: {
    title: 'the namespace enforces Pod Security `restricted`',
    symptom: 'users with access `limited` are refused',
    ask: 'describe',
    says: finding('SshReady', 1, 1, '<username>').message,
    remedy: 'access `root` (it is the uid of the app there), or `baseline` for the namespace',
  },
  webhookDown: {
    title: 'the webhook is down',
    symptom: 'pods come up without ssh, and logins say that they are still those of before',
    ask: 'describe',
    says: 'these pods were started without ssh<before>: <pod>',
    remedy:
      '`kubectl get pods -n sshaccess-system -l app.kubernetes.io/component=webhook`; when it runs, restart the pods as the message says',
  },
  networkPolicy: {
    title: 'a NetworkPolicy keeps the gateway out',
    symptom: 'the login takes seconds, and is refused',
    ask: 'ssh',
    says: refusal('unreachable'),
    remedy: 'a NetworkPolicy that lets the piper in to port 2222: [network-policies.md](network-policies.md)',
  },
  noReadyPod: {
    title: 'no pod is ready',
    symptom: 'the login is refused',
    ask: 'describe',
    says: finding('SshNotReady', '<pod>: Unschedulable: <why>').message,
    remedy: 'what the message says; `kubectl describe pod` says more',
  },
  usernameTaken: {
    title: 'the username is taken',
    symptom: DENIED,
    ask: 'describe',
    says: finding('UsernameTaken', '<username>', '<other>').message,
    remedy: 'another `spec.slug` or `suffix`: who was first keeps the name',
  },
  expired: {
    title: 'the access has expired',
    symptom: 'the login is refused',
    ask: 'ssh',
    says: refusal('expired'),
    remedy: 'a later `expiresAt`, or none',
  },
  podHostKey: {
    title: 'the pod has another host key than its SshAccess',
    symptom: 'the login is refused',
    ask: 'ssh',
    says: refusal('host-key-mismatch'),
    remedy:
      'find out what answers there: an EndpointSlice or a pod that somebody else has made. With `main_container`: [bring-your-own-image.md](bring-your-own-image.md)',
  },
  gatewayHostKey: {
    title: 'the gateway has another host key than `known_hosts`',
    symptom: '`REMOTE HOST IDENTIFICATION HAS CHANGED!`',
    ask: 'ssh',
    says: 'Offending <type> key in <file>:<line>',
    remedy:
      'was it installed anew? If not, do not log in: something else answers at its address. If so, `ssh-keygen -R` takes the old key out',
  },
  wrongPort: {
    title: 'the port is another one',
    symptom: '`Connection refused`, or a password is asked for: the server of the machine answers at port 22',
    ask: 'ssh',
    says: 'ssh: connect to host <host> port <port>: Connection refused',
    remedy: '`-p`, with the port of `.status.endpoint`: 2222 where nothing else was chosen',
  },
} as const satisfies Readonly<Record<string, Fault>>;
export type SeededFault = keyof typeof SEEDED_FAULTS;

/** What the words look like when they are said. */
export function patternOfWords(says: string): RegExp {
  const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
  return new RegExp(
    says
      .split(/<[^>]+>/)
      .map(literal)
      .join('.*?'),
  );
}
