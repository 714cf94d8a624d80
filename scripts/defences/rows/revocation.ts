import type { Defence } from '../defence.ts';

const OPERATOR_TEST = 'operator/operator.test.ts';
const SESSION_TEST = 'piper/session.test.ts';
const TRACE_TEST = 'piper/login-trace.test.ts';
const OTLP = 'lib/process/tracing/otlp.ts';
const OTLP_TEST = 'lib/process/tracing/otlp.test.ts';

/** Chapter E. */
export const REVOCATION: readonly Defence[] = [
  {
    row: 'E1',
    without: 'nobody asks whether those who are here may stay',
    file: 'piper/piper.ts',
    find: 'this.connections.recheck(former.keys());',
    replace: '',
    tests: [
      [SESSION_TEST, 'E1: …: both ends are closed within a second'],
      [SESSION_TEST, 'E1: a client that does not read is cut off too'],
    ],
  },
  {
    row: 'E1',
    without: 'a session outlives its key',
    file: 'piper/admission.ts',
    find: `if (typeof options === 'string') return options === 'expired' ? 'expired' : 'revoked';
    //`,
    replace: `if (typeof options === 'string') return { expiresAt: Infinity };
    //`,
    tests: [[SESSION_TEST, 'E1: …: both ends are closed within a second']],
  },
  {
    row: 'E1',
    without: 'a session outlives its user',
    file: 'piper/admission.ts',
    find: "if (current === undefined || current.route.uid !== grant.login.route.uid) return 'revoked';",
    replace:
      'if (current === undefined || current.route.uid !== grant.login.route.uid) return { expiresAt: Infinity };',
    tests: [[SESSION_TEST, 'E1: …: both ends are closed within a second']],
  },
  {
    row: 'E1',
    without: 'a session outlives the switch',
    file: 'piper/admission.ts',
    find: "if (!current.route.enabled) return 'disabled';",
    replace: '',
    tests: [[SESSION_TEST, 'E1: …: both ends are closed within a second']],
  },
  {
    row: 'E1',
    without: 'a session keeps the rights that its user has lost',
    file: 'piper/admission.ts',
    find: "if (!isWithin(grant.policy, policyUnder(current.user.policy, options))) return 'revoked';",
    replace: '',
    tests: [[SESSION_TEST, 'E1: …: both ends are closed within a second']],
  },
  {
    row: 'E1',
    without: 'a session outlives its time',
    file: 'piper/connection.ts',
    find: 'this.#stopWatching = clock.after(Math.min(ending.inMs, LONGEST_WAIT_MS), () => this.recheck());',
    replace: 'void [clock, LONGEST_WAIT_MS];',
    tests: [
      [SESSION_TEST, 'E1: a user whose access ends while connected is disconnected at that time'],
      ['piper/key-options.test.ts', 'E1: end when the key expires, and say so; the pod has known when'],
    ],
  },
  {
    row: 'E1',
    without: 'all are asked to go, whoever is concerned',
    file: 'piper/connections.ts',
    find: 'for (const connection of this.#byUser.get(username) ?? []) connection.recheck();',
    replace: "for (const ofUser of this.#byUser.values()) for (const connection of ofUser) connection.end('revoked');",
    tests: [[SESSION_TEST, 'E1: only the user who is concerned is disconnected']],
  },
  {
    row: 'E1',
    without: 'a spec that is not understood changes nothing',
    file: 'operator/reconciler.ts',
    find: 'await closeRoute(run)',
    replace: 'await Promise.resolve()',
    tests: [
      [OPERATOR_TEST, 'E1: a spec that does not parse lets nobody in, for it may be the one that revokes somebody'],
    ],
  },
  {
    row: 'E1',
    without: 'a pod that cannot hear who has lost access is given up',
    file: 'piper/revocation/visits.ts',
    find: 'visit.cancelRest = clock.after(inMs, () => this.#hurry(visit));',
    replace: 'void [clock, inMs];',
    tests: [
      [
        'piper/revocation/sweeper.test.ts',
        'E1: a pod that its user keeps too busy to listen is told as long as it is there, however long that takes',
      ],
    ],
  },
  {
    row: 'E1',
    without: 'what was lost while no piper ran is never made up for',
    file: 'piper/revocation/sweeper.ts',
    find: 'if (!directory.stale()) this.#visits.introduce(this.#served(), MOST_NEW_AT_A_LOOK);',
    replace: 'void [directory, MOST_NEW_AT_A_LOOK];',
    tests: [
      [
        'piper/revocation/sweeper.test.ts',
        'E1: a piper that has started tells each pod once who may stay, and spares what began since it was there',
      ],
    ],
  },
  {
    row: 'E1',
    without: 'a tenant whose pods do not answer holds up what others are to hear',
    file: 'piper/revocation/rounds.ts',
    find: ' || queue.running >= this.#limits.atOnceOfOne',
    replace: '',
    tests: [
      [
        'piper/revocation/rounds.test.ts',
        'E1: who has very much to do holds up nobody else, and has no more than their share at once',
      ],
    ],
  },
  {
    row: 'E1',
    without: 'what a key let in outlives the time of that key where nobody is connected',
    file: 'piper/revocation/sweeper.ts',
    find: '[loss, expiryOf(login, lookedAt, time)]',
    replace: '[loss, ...(expiryOf(login, lookedAt, time) === undefined ? [] : [])]',
    tests: [
      [
        'piper/revocation/sweeper.test.ts',
        'E1: what a key let in ends when its time is over, though nobody is connected',
      ],
    ],
  },
  {
    row: 'E1',
    without: 'what a user has started lives on in the pod',
    file: 'sidecar/user-connection.ts',
    find: 'for (const session of this.#sessions) session.kill();',
    replace: '',
    tests: [
      [
        'sidecar/channel-requests.test.ts',
        'E1: access that has ended takes daemons with it, whether a request or the farewell says so',
      ],
    ],
  },
  {
    row: 'E2',
    without: 'nobody looks whether what we know is too old',
    file: 'piper/piper.ts',
    find: 'if (this.#options.directory.stale()) this.connections.recheckAll();',
    replace: '',
    tests: [[SESSION_TEST, 'A9, E2: what we know is too old: nobody comes in, and nobody stays']],
  },
  {
    row: 'E3',
    without: 'a connection leaves no line at its begin',
    file: 'piper/connection.ts',
    find: `    this.#record.started(grant, upstream);
`,
    replace: '',
    tests: [['piper/login.test.ts', 'E3: a user with the right key reaches the pod, which is told who they are']],
  },
  {
    row: 'E3',
    without: 'a connection leaves no line at its end',
    file: 'piper/record.ts',
    find: "this.#log[LEVELS[reason] ?? 'info'](line, 'connection');",
    replace: 'void [line, LEVELS];',
    tests: [['piper/login.test.ts', 'E3: a user with the right key reaches the pod, which is told who they are']],
  },
  {
    row: 'E3',
    without: 'the line at the end does not say what was opened',
    file: 'piper/connection.ts',
    find: 'onBegin: this.#record.began,',
    replace: 'onBegin: () => undefined,',
    tests: [['piper/login.test.ts', 'E3: a user with the right key reaches the pod, which is told who they are']],
  },
  {
    row: 'E3',
    without: 'forwards leave no record',
    file: 'piper/policy/policy-filter.ts',
    find: `    this.#options.onBegin(kind);
`,
    replace: '',
    tests: [['e2e/wire/records.test.ts', 'E3: … leaves a start, an end, and its audit lines']],
  },
  {
    row: 'E3',
    without: 'what is refused leaves no record',
    file: 'piper/connection.ts',
    find: 'this.#requestRefused(grant, what, objection)',
    replace: 'void [what, objection]',
    tests: [[SESSION_TEST, 'E3: what was refused is in the record, with the field of the policy that says so']],
  },
  {
    row: 'E3',
    without: 'in the pod a command leaves no line',
    file: 'sidecar/session.ts',
    find: `    audit(event);
    return true;`,
    replace: '    return true;',
    tests: [
      ['sidecar/sessions.test.ts', 'E3: every session leaves a connect line, and a command or subsystem its own'],
    ],
  },
  {
    row: 'E3',
    without: 'in the pod a session of one command leaves no line that it has begun',
    file: 'sidecar/session.ts',
    find: "if (event.type !== 'connect' && event.refused !== true) audit({ type: 'connect' });",
    replace: '',
    tests: [
      ['sidecar/sessions.test.ts', 'E3: every session leaves a connect line, and a command or subsystem its own'],
    ],
  },
  {
    row: 'E4',
    without: 'a trace has the username',
    file: 'piper/login-trace.ts',
    find: "'sshaccess.role': login.user.role,",
    replace: "'sshaccess.role': login.user.username,",
    tests: [[TRACE_TEST, 'E4: of the user a trace says nothing, nor what they do: that stays in the log']],
  },
  {
    row: 'E4',
    without: 'strangers write traces',
    file: 'piper/login-trace.ts',
    find: 'if (!this.#isLogin) this.#root = undefined;',
    replace: 'if (this.#root === undefined) return;',
    tests: [[TRACE_TEST, 'E4: strangers leave none']],
  },
  {
    row: 'E4',
    without: 'any number of spans is held',
    file: OTLP,
    find: 'this.#waiting.length + this.#onTheirWay + spans.length > MOST_SPANS',
    replace: 'this.#onTheirWay > MOST_SPANS',
    tests: [[OTLP_TEST, 'E4: no more than 2048 spans are held, and the traces beyond are counted as dropped']],
  },
  {
    row: 'E4',
    without: 'a collector may talk for as long as it likes',
    file: OTLP,
    find: 'if ((request.socket?.bytesRead ?? 0) <= LARGEST_ANSWER_BYTES) return;',
    replace: 'if ((request.socket?.bytesRead ?? 0) >= 0) return;',
    tests: [[OTLP_TEST, 'E4: a collector that sends … without end is hung up on, and not only when its time is over']],
  },
  {
    row: 'E4',
    without: 'each batch looks the name up, whether the one before has come to an end or not',
    file: OTLP,
    find: 'this.#isLookingUp = true;',
    replace: 'this.#isLookingUp = false;',
    tests: [
      [OTLP_TEST, 'E4: of lookups of its name that hang there is one at a time, and when it is found traces come'],
    ],
  },
  {
    row: 'E4',
    without: 'a collector need not prove who it is',
    file: OTLP,
    find: 'agent: false, signal, lookup: this.#lookUp }',
    replace: 'agent: false, signal, lookup: this.#lookUp, rejectUnauthorized: false }',
    tests: [[OTLP_TEST, 'E4: with https a collector has to prove its name, or gets nothing']],
  },
];
