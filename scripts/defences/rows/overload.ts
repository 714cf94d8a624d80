import type { Defence } from '../defence.ts';

const TRANSPORT_FILE = 'lib/ssh/transport/transport.ts';
const LOGIN_TEST = 'piper/login.test.ts';
const TRANSPORT_TEST = 'lib/ssh/transport/transport.test.ts';
const FILTER_TEST = 'piper/policy/policy-filter.test.ts';
const CONNECTION_TEST = 'lib/ssh/connection/connection.test.ts';

/** B4 to B6: what is too much, and what is malformed. */
export const OVERLOAD: readonly Defence[] = [
  {
    row: 'B4',
    without: 'who does not log in may stay',
    file: 'piper/connection.ts',
    find: 'this.#grace = setTimeout(() => this.#loginTookTooLong(), context.limits.loginGraceMs);',
    replace: 'this.#grace = setTimeout(() => undefined, context.limits.loginGraceMs);',
    tests: [
      ['piper/strangers.test.ts', 'B4: who does not log in is sent away: silent, half a greeting, or half a login'],
    ],
  },
  {
    row: 'B4',
    without: 'the login grace is longer than half a minute',
    file: 'piper/config.ts',
    find: 'LOGIN_GRACE: seconds.default(30)',
    replace: 'LOGIN_GRACE: seconds.default(120)',
    tests: [['piper/config.test.ts', 'B4: in a pod everything has a default but the host keys']],
  },
  {
    row: 'B4',
    without: 'a source may have any number of start-ups',
    file: 'piper/arrival/start-ups.ts',
    find: '(this.#bySource.get(source)?.size ?? 0) >= this.#limits.startUpsPerSource',
    replace: 'source === ""',
    tests: [
      ['piper/arrival/start-ups.test.ts', 'B4: a source that is at its limit pays with its own oldest'],
      [
        'piper/strangers.test.ts',
        'B4: start-ups are capped; who holds all places keeps nobody out, and those who are logged in do not notice',
      ],
    ],
  },
  {
    row: 'B4',
    without: 'there may be any number of start-ups',
    file: 'piper/arrival/start-ups.ts',
    find: 'this.#count >= this.#limits.startUps',
    replace: 'this.#count < 0',
    tests: [
      [
        'piper/arrival/start-ups.test.ts',
        'B4: with all places taken, whoever has the most pays: a single source never keeps others out',
      ],
    ],
  },
  {
    row: 'B4',
    without: 'the oldest start-up gives way, whosever it is',
    file: 'piper/arrival/start-ups.ts',
    find: 'if (size > largest.size) largest',
    replace: 'if (largest.size === 0) largest',
    tests: [
      [
        'piper/arrival/start-ups.test.ts',
        'B4: with all places taken, whoever has the most pays: a single source never keeps others out',
      ],
    ],
  },
  {
    row: 'B4',
    without: 'who has logged in still is a start-up',
    file: 'piper/connection.ts',
    find: `    this.#onSettled();
    this.#loggedInAt`,
    replace: '    this.#loggedInAt',
    tests: [
      ['piper/strangers.test.ts', 'B4: who has proven who they are gives way to nobody while the pod is being reached'],
    ],
  },
  {
    row: 'B4',
    without: 'the pod keeps any number of start-ups',
    file: 'sidecar/server.ts',
    find: 'if (this.#startups.size >= MAX_STARTUPS) this.#dropStartup();',
    replace: '',
    tests: [['sidecar/connections.test.ts', 'B4: start-ups are limited: for one more stranger, the oldest goes']],
  },
  {
    row: 'B4',
    without: 'in the pod the oldest start-up goes, whosever it is',
    file: 'sidecar/server.ts',
    find: 'counts.get(address) === most',
    replace: 'most > 0',
    tests: [
      [
        'sidecar/connections.test.ts',
        'B4: a stranger that takes all start-ups anew, and anew, crowds out itself and not a login that is under way',
      ],
    ],
  },
  {
    row: 'B4',
    without: 'a stranger may change keys again and again',
    file: 'lib/ssh/transport/peer-rekeys.ts',
    find: 'if (++this.#ofStranger > MOST_OF_A_STRANGER) throw tooOften();',
    replace: 'void MOST_OF_A_STRANGER;',
    tests: [['lib/ssh/transport/rekey.test.ts', 'B4, B7: a peer that does nothing but change keys is cut off']],
  },
  {
    row: 'B4',
    without: 'all connections of a user, and all users, may change keys as often as each may',
    file: 'piper/rekey-rate.ts',
    find: 'if (!ofUser.all.has(now) || !this.#all.has(now, isRare ? 0 : RESERVED)) return false;',
    replace: 'void [ofUser.all.has(now), this.#all.has(now), isRare, RESERVED];',
    tests: [
      [
        'piper/rekey-rate.test.ts',
        'B4: a user has so many at once and so many more in a second, and takes none of the others',
      ],
      ['piper/rekey-rate.test.ts', 'B4: many users together do not have as many times as much'],
    ],
  },
  {
    row: 'B4',
    without: 'users who change keys all the time leave nothing to those who do it now and then',
    file: 'piper/rekey-rate.ts',
    find: 'const RESERVED = 128;',
    replace: 'const RESERVED = 0;',
    tests: [
      [
        'piper/rekey-rate.test.ts',
        'B4: users who keep to their own rate, and together use up that of all, cut off nobody who asks now and then',
      ],
    ],
  },
  {
    row: 'B4',
    without: 'who is let in for being known gives back to all what they have not taken',
    file: 'piper/arrival/arrival-rate.ts',
    find: 'ofAll?.giveBack();',
    replace: 'this.#all.giveBack();',
    tests: [
      [
        'piper/arrival/arrival-rate.test.ts',
        'B4: who is let in for being known gives nothing back that they have not taken: a flood does not gain by it',
      ],
    ],
  },
  {
    row: 'B4',
    without: 'whoever talks to us is known',
    file: 'lib/ssh/authentication/server.ts',
    find: 'options.transport.peerIsStranger = true;',
    replace: 'options.transport.peerIsStranger = false;',
    tests: [['lib/ssh/authentication/server-limits.test.ts', 'A10: limits']],
  },
  {
    row: 'B5',
    without: 'a packet may have any length',
    file: 'lib/ssh/transport/packets.ts',
    find: 'length > this.maxPacketLength || padded < 16',
    replace: 'padded < 16',
    tests: [['lib/ssh/transport/packets.test.ts', 'B5: ends the connection']],
  },
  {
    row: 'B5',
    without: 'padding is not looked at',
    file: 'lib/ssh/transport/packets.ts',
    find: 'padding < 4 || end - padding <= 5',
    replace: 'padding < 0',
    tests: [['lib/ssh/transport/packets.test.ts', 'B5: ends the connection']],
  },
  {
    row: 'B5',
    without: 'a string may be longer than its message',
    file: 'lib/ssh/wire.ts',
    find: "if (length > this.#buffer.length - start) throw malformed('it ends too early');",
    replace: '',
    tests: [
      [
        'lib/ssh/transport/fuzz.test.ts',
        'B5: 1500 hostile payloads in the right encryption: nothing but our own errors',
      ],
      ['lib/ssh/authentication/server.test.ts', 'A4: the request'],
    ],
  },
  {
    row: 'B5',
    without: 'bytes behind the end of a message are passed over',
    file: 'lib/ssh/wire.ts',
    find: 'if (this.remaining > 0) throw',
    replace: 'if (this.remaining < 0) throw',
    tests: [
      ['lib/ssh/authentication/server.test.ts', 'A4: the request'],
      ['lib/ssh/keys/public-key.test.ts', 'bytes after the end, and every truncation, are refused'],
    ],
  },
  {
    row: 'B5',
    without: 'a channel without a number leads somewhere',
    file: 'lib/ssh/connection/connection.ts',
    find: "throw new SshError('protocol', 'a message came for a channel that does not exist');",
    replace: 'throw new TypeError();',
    tests: [[CONNECTION_TEST, 'B5: whatever comes, in whatever order, only an SshError ends the connection']],
  },
  {
    row: 'B6',
    without: 'a connection may have any number of channels',
    file: 'piper/policy/policy-filter.ts',
    find: 'const MOST_CHANNELS = 256;',
    replace: 'const MOST_CHANNELS = 1e9;',
    tests: [[FILTER_TEST, 'B6: ten thousand channel opens leave 256 entries']],
  },
  {
    row: 'B6',
    without: 'any number of requests may wait for a reply',
    file: 'piper/policy/reply-queue.ts',
    find: 'const MOST_WAITING = 256;',
    replace: 'const MOST_WAITING = 1e9;',
    tests: [[FILTER_TEST, 'B6: requests that nobody answers end the connection instead of growing']],
  },
  {
    row: 'B6',
    without: 'a channel may take packets of 0 bytes',
    file: 'piper/policy/messages.ts',
    find: 'if (size === 0) throw',
    replace: 'if (size < 0) throw',
    tests: [
      [FILTER_TEST, 'B6: maximum packet size: 0 ends the connection, more than 256 KiB becomes 256 KiB, less stays'],
    ],
  },
  {
    row: 'B6',
    without: 'the piper reads on from who does not read its answers',
    file: 'piper/pipe.ts',
    find: 'to.link.blocked || from.unreadAnswers > MAX_UNREAD_ANSWERS',
    replace: 'to.link.blocked',
    tests: [['piper/flow.test.ts', 'B6: a client that asks and asks and does not read the answers is read no further']],
  },
  {
    row: 'B6',
    without: 'the piper reads on from a pod whose client does not read',
    file: 'piper/pipe.ts',
    find: 'const stop = to.link.blocked || ',
    replace: 'const stop = ',
    tests: [['piper/flow.test.ts', 'B6: a client that does not read stops the pod, after what sockets hold']],
  },
  {
    row: 'B6',
    without: 'a pod may ask without end before it is piped',
    file: 'piper/upstream-attempt.ts',
    find: 'const MOST_EARLY_REQUESTS = 16;',
    replace: 'const MOST_EARLY_REQUESTS = 1e9;',
    tests: [[LOGIN_TEST, 'B6: a pod that asks and asks before it is piped does not fill our memory']],
  },
  {
    row: 'B6',
    without: 'unknown messages are answered without end',
    file: TRANSPORT_FILE,
    find: 'const MAX_UNIMPLEMENTED = 1024;',
    replace: 'const MAX_UNIMPLEMENTED = 1e9;',
    tests: [[TRANSPORT_TEST, 'B6: unknown messages without end are not answered without end']],
  },
  {
    row: 'B6',
    without: 'in the pod a connection may have any number of channels',
    file: 'lib/ssh/connection/connection.ts',
    find: 'used < this.#options.maxChannels',
    replace: 'used >= 0',
    tests: [
      [CONNECTION_TEST, 'B6: channels are limited, those being opened included; 100,000 opens leave nothing behind'],
    ],
  },
  {
    row: 'B6',
    without: 'data beyond the window is held',
    file: 'lib/ssh/connection/receive-window.ts',
    find: 'if (length > this.#open) throw',
    replace: 'if (length < 0) throw',
    tests: [[CONNECTION_TEST, 'B6: data beyond the window ends the connection']],
  },
  {
    row: 'B6',
    without: 'the pod reads on from who does not read its answers',
    file: 'lib/ssh/connection/limits.ts',
    find: 'MAX_UNREAD_REPLIES = 64 * 1024',
    replace: 'MAX_UNREAD_REPLIES = 1e12',
    tests: [[CONNECTION_TEST, 'B6: a peer that asks without reading the answers is not read from until it does']],
  },
];
