/** Every name that a field of a log line may have, in every program, and what it holds; docs/logs.md is made of it. */
export const LOG_FIELDS = {
  // Of each line
  level: 'trace, debug, info, warn, error or fatal',
  time: 'when: RFC 3339 with milliseconds, UTC',
  component: 'operator, webhook, piper or sidecar',
  msg: 'what happened, in constant words: what varies is in the other fields',
  // What went wrong
  err: 'an error: type, message, code, stack and cause',
  logProblem: 'why the fields of this line could not be written',
  problem: 'what is wrong, in a sentence',
  reason: 'why, in one word: those of docs/troubleshooting.md, and of docs/metrics.md',
  detail: 'more on that, in the words of whoever said it',
  retryMs: 'when it is tried again',
  // A connection, from the client to the pod
  connection:
    'its id: the same in the piper, the sidecar, SSH_AUDIT (session=), Events, and what the user reads at a refusal',
  event: 'what became of it: start, end or refused',
  clientAddress: 'where the client is, by the PROXY header if there is one',
  clientPort: 'its port there',
  proxyAddress: 'the load balancer that it came by',
  username: 'what the user logs in as',
  role: 'root or limited',
  fingerprint: 'of a public key, as ssh-keygen -l prints it',
  certificate: 'that the user has shown: keyId, serial, and the fingerprint of its authority',
  sshAccess: 'namespace/name of the SshAccess',
  pod: 'name of the pod',
  runtime: 'sidecar or main_container: whose sshd',
  software: 'what that sshd calls itself',
  durationMs: 'how long it took or lasted',
  bytesIn: 'from the client, on the wire',
  bytesOut: 'to the client, on the wire',
  opened: 'what was opened or started on it',
  refused: 'what was asked for on it and refused, with the field of the policy that says so',
  request: 'the ssh request',
  exitCode: 'of a program, as a shell counts; null: a signal ended it',
  signal: 'name of a signal',
  host: 'where a forward would have led',
  path: 'of a socket or file, or of a collection of the API',
  // Several of them
  connections: 'how many there are',
  users: 'usernames that lost access',
  count: 'how many',
  pods: 'how many pods',
  room: 'how many more there is room for',
  ban: 'id, source, username, failures, since and until',
  graceMs: 'how long who stops waits for the others',
  // Kubernetes
  object: 'namespace/name of what it is about',
  controller: 'which loop of the operator',
  namespace: 'of the pod or SshAccess',
  secret: 'name of a Secret, and nothing of its content',
  deployment: 'name of a Deployment',
  released: 'how many SshAccesses',
  requeueAfterMs: 'when it is looked at again, whatever happens',
  lease: 'name of the Lease',
  identity: 'who leads: name of the pod',
  decision: 'of the webhook on a pod: injected, unchanged or skipped',
  dryRun: 'nothing was made',
  container: "name of the app's container",
  podSecurityLevel: 'that holds in the namespace',
  // A program
  config: 'what it was started with',
  port: 'on which it listens, or would like to; of a forward, to which',
  image: "the sidecar's",
  hostKeys: 'fingerprints',
  roles: 'that the ceiling of the pod allows',
  file: 'name of a file',
  secrets: 'how many',
  endpointSlices: 'how many',
} as const;

type LogField = keyof typeof LOG_FIELDS;

/** Fields of a line. */
export type LogFields = { readonly [Name in LogField]?: unknown };

/** These fields, if all of them have names of the vocabulary; else what no value is, so that the compiler refuses them. */
export type Vocabulary<Fields> = Fields & { readonly [Name in Exclude<keyof Fields, LogField>]: never };
