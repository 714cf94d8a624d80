import type { Defence } from '../defence.ts';

const MATRIX_TEST = 'piper/policy/matrix.test.ts';
const RULES = 'piper/policy/rules.ts';

/** Chapter D. */
export const POLICY: readonly Defence[] = [
  {
    row: 'D1',
    without: 'the piper lets every command run',
    file: 'crds/session-policy.ts',
    find: 'commands === null || commands.some((allowed) => Buffer.from(allowed).equals(bytes))',
    replace: 'commands === null || bytes.length > 0',
    tests: [
      [MATRIX_TEST, 'D1: of a list of commands, byte for byte: …'],
      [
        'sidecar/policy-sessions.test.ts',
        'D1: of a list of commands exactly those run, and any other is named in a sentence and recorded',
      ],
    ],
  },
  {
    row: 'D1',
    without: 'a request that nobody knows passes',
    file: RULES,
    find: "return ON_SESSIONS.has(request) ? undefined : 'unknown';",
    replace: 'return undefined;',
    tests: [[MATRIX_TEST, 'D1: …: … on a session: …']],
  },
  {
    row: 'D1',
    without: 'the pod lets in with any key',
    file: 'sidecar/piper-connection.ts',
    find: 'options.trusts(key)',
    replace: 'options.trusts(key) || true',
    tests: [['sidecar/connections.test.ts', 'D1: any key but the mapping key is refused']],
  },
  {
    row: 'D1',
    without: 'the pod takes any assertion',
    file: 'sidecar/assertion.ts',
    find: 'isWithin(assertion.policy, widest) ?',
    replace: 'isWithin(assertion.policy, assertion.policy) ?',
    tests: [['sidecar/policy.test.ts', 'D1: an assertion never exceeds the ceiling']],
  },
  {
    row: 'D1',
    without: 'the pod takes any role',
    file: 'sidecar/assertion.ts',
    find: 'ceiling.roles[assertion.role];',
    replace: 'ceiling.roles[assertion.role] ?? Object.values(ceiling.roles)[0];',
    tests: [['sidecar/policy.test.ts', 'D1: an assertion never exceeds the ceiling']],
  },
  {
    row: 'D2',
    without: 'an answer of ours overtakes those of the pod',
    file: 'piper/policy/reply-queue.ts',
    find: 'if (this.#waiting.length === 0) act();',
    replace: 'if (this.#waiting.length >= 0) act();',
    tests: [
      [
        'piper/policy/policy-filter.test.ts',
        'D2: a refused global request is answered in its turn, after those still under way',
      ],
      [
        'piper/policy/policy-filter.test.ts',
        'D2: a refused channel request is answered in its turn, channel by channel',
      ],
    ],
  },
  {
    row: 'D2',
    without: 'sockets are forwarded to where ports are not',
    file: RULES,
    find: "return unlessOn(policy, 'socketForwarding') ?? (readSocketPath",
    replace: 'return (readSocketPath',
    tests: [[MATRIX_TEST, 'D2: …: a client opens …']],
  },
  {
    row: 'D2',
    without: '-R passes where it is forbidden',
    file: RULES,
    find: "return policy.remoteForwarding === 'none' ? 'remoteForwarding' : undefined;",
    replace: 'return undefined;',
    tests: [[MATRIX_TEST, 'D2: …: the global request …']],
  },
  {
    row: 'D3',
    without: 'forwarding leads anywhere, by the piper',
    file: RULES,
    find: "policy.localForwarding === 'none' || !isLoopback(host)",
    replace: "policy.localForwarding === 'none'",
    tests: [[MATRIX_TEST, 'D3: a client forwards to … port …']],
  },
  {
    row: 'D3',
    without: 'other spellings of loopback pass',
    file: RULES,
    find: "(isIPv4(host) && host.startsWith('127.'))",
    replace: "host.startsWith('127.') || host.includes('127.0.0.1')",
    tests: [[MATRIX_TEST, 'D3: a client forwards to … port …']],
  },
  {
    row: 'D3',
    without: 'forwarding leads anywhere, by the pod',
    file: 'sidecar/forwarding/loopback.ts',
    find: 'return TARGETS.get(host);',
    replace: 'return TARGETS.get(host) ?? [host];',
    tests: [['sidecar/policy.test.ts', 'D3: forwarding leads to the three spellings of loopback and nowhere else']],
  },
  {
    row: 'D4',
    without: 'a forwarded channel serves sessions',
    file: RULES,
    find: "if (kind !== 'session') return ELSEWHERE.has(request) ? undefined : 'unknown';",
    replace: 'void ELSEWHERE;',
    tests: [[MATRIX_TEST, 'D4: on … nothing of a session is served']],
  },
  {
    row: 'D4',
    without: 'a pod opens ports that the client has cancelled',
    file: 'piper/policy/forwards.ts',
    find: 'for (const forward of this.#all) if (isSame(forward.at, at)) this.#all.delete(forward);',
    replace: 'void at;',
    tests: [
      [
        'piper/policy/pod-opens.test.ts',
        'D4, D7: a forwarded port: from its confirmation to its cancel, and no other address or port',
      ],
    ],
  },
  {
    row: 'D4',
    without: 'listeners of all connections have one list',
    file: 'sidecar/forwarding/listeners.ts',
    find: 'readonly #byName = new Map<string, Listener>();',
    replace:
      'readonly #byName = (globalThis as unknown as { all: Map<string, Listener> }).all ??= new Map<string, Listener>();',
    tests: [
      [
        'sidecar/forwarding/remote.test.ts',
        "D4: nobody cancels another's, nor their own in other words; after a cancel nobody is let in",
      ],
    ],
  },
  {
    row: 'D5',
    without: 'a client chooses what programs load',
    file: 'crds/session-policy.ts',
    find: '!VARIABLE.test(name) || isNeverFromClient(name)',
    replace: '!VARIABLE.test(name)',
    tests: [
      [
        'sidecar/environment.test.ts',
        'D5: what chooses programs and libraries is never taken from a client, whatever the policy says',
      ],
      ['piper/policy/sshd.test.ts', 'D5: no client chooses what programs of the image load, whatever the policy names'],
    ],
  },
  {
    row: 'D5',
    without: 'small letters choose what capitals may not',
    file: 'crds/session-policy.ts',
    find: 'const capitals = name.toUpperCase();',
    replace: 'const capitals = name;',
    tests: [
      [
        'sidecar/environment.test.ts',
        'D5: what chooses programs and libraries is never taken from a client, whatever the policy says',
      ],
    ],
  },
  {
    row: 'D5b',
    without: 'the privileged helper itself has the variables of the app',
    file: 'sidecar/program.ts',
    find: '    env: {},',
    replace: '    env: Object.fromEntries([...spec.environment].map(([name, value]) => [name, value.toString()])),',
    tests: [
      [
        'sidecar/in-app.test.ts',
        'D5b: what the app chose for its own programs means nothing to the helper, and reaches the session',
      ],
    ],
  },
  {
    row: 'D5b',
    without: 'a session has the variables of the helper',
    file: 'sidecar/enter/session.c',
    find: 'environ = options->variables;',
    replace: '(void)options->variables;',
    tests: [
      [
        'sidecar/enter/toolbox.test.ts',
        'D5b: gets the environment byte for byte, and nothing that was meant for the helper',
      ],
    ],
  },
  {
    row: 'D6',
    without: 'the kernel does not hold paths below the directory',
    file: 'sidecar/enter/sftp/jail.c',
    find: 'flags, mode, RESOLVE_BENEATH)',
    replace: 'flags, mode, 0)',
    tests: [['sidecar/enter/sftp/jail.test.ts', 'D6: nothing leads out by …, and nobody learns what is there']],
  },
  {
    row: 'D7',
    without: 'a pod opens an agent that nobody asked for',
    file: 'piper/policy/invitations.ts',
    find: 'return this.#agent && this.#channels.sessions > 0 ? type : undefined;',
    replace: 'return type;',
    tests: [['piper/policy/pod-opens.test.ts', 'D7: a pod opens nothing uninvited, with a policy …']],
  },
  {
    row: 'D7',
    without: 'a pod opens displays that nobody asked for',
    file: 'piper/policy/invitations.ts',
    find: 'return this.#channels.takeX11() ? type : undefined;',
    replace: 'return type;',
    tests: [['piper/policy/pod-opens.test.ts', 'D7: a pod opens nothing uninvited, with a policy …']],
  },
  {
    row: 'D7',
    without: 'a pod opens ports that nobody asked for',
    file: 'piper/policy/invitations.ts',
    find: 'return at !== undefined && this.#forwards.has(at);',
    replace: 'return at !== undefined;',
    tests: [
      ['piper/policy/pod-opens.test.ts', 'D7: a pod opens nothing uninvited, with a policy …'],
      ['piper/session.test.ts', 'D7: a hostile pod opens nothing, and its host keys and pings do not pass'],
    ],
  },
  {
    row: 'D7',
    without: 'a pod may go on opening',
    file: 'piper/policy/policy-filter.ts',
    find: 'const MOST_UNINVITED = 64;',
    replace: 'const MOST_UNINVITED = 1e9;',
    tests: [['piper/policy/pod-opens.test.ts', 'D7: a pod that opens and opens uninvited is cut off']],
  },
  {
    row: 'D8',
    without: 'a private key shows itself',
    file: 'lib/ssh/keys/private-key.ts',
    find: 'readonly #keyObject: KeyObject;',
    replace: `readonly #keyObject: KeyObject;
  get pem(): string {
    return this.toOpenSsh();
  }
  toJSON(): unknown {
    return { pem: this.pem };
  }`,
    tests: [['lib/ssh/keys/private-key.test.ts', 'D8: a private key does not show itself, …']],
  },
  {
    row: 'D9',
    without: 'the shell gets the command as text',
    file: 'sidecar/enter-arguments.ts',
    find: "Buffer.from('-c'), request.command]",
    replace: "Buffer.from('-c'), Buffer.from(request.command.toString().trim())]",
    tests: [
      ['sidecar/sessions.test.ts', 'D9: the command reaches the shell byte for byte'],
      ['sidecar/sessions.test.ts', 'D9: a command and variables that are not UTF-8 arrive as they are'],
    ],
  },
  {
    row: 'D10',
    without: 'sessions are counted for each connection alone',
    file: 'piper/policy/policy-filter.ts',
    find: 'this.#channels.sessions + sessionsElsewhere() >= policy.maxSessions',
    replace: '(void sessionsElsewhere, this.#channels.sessions >= policy.maxSessions)',
    tests: [['piper/session-limits.test.ts', 'D10: …: so many sessions, however many connections they are on']],
  },
  {
    row: 'D10',
    without: 'a user has any number of connections',
    file: 'piper/connection.ts',
    find: 'this.#context.connections.countOf(grant.username) >= this.#context.limits.connectionsPerUser',
    replace: 'grant.username === ""',
    tests: [['piper/login.test.ts', 'D10: a user has so many connections and no more']],
  },
  {
    row: 'D10',
    without: 'in the pod a user has any number of sessions',
    file: 'sidecar/user-connection.ts',
    find: 'this.#sessions.size >= policy.maxSessions || ',
    replace: '',
    tests: [['sidecar/connections.test.ts', 'D10: sessions are limited by the policy, and ended ones make room']],
  },
];
