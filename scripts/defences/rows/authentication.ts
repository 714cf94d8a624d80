import type { Defence } from '../defence.ts';

const SERVER = 'lib/ssh/authentication/server.ts';
const SERVER_TEST = 'lib/ssh/authentication/server.test.ts';
const LIMITS_TEST = 'lib/ssh/authentication/server-limits.test.ts';
const LOGIN_TEST = 'piper/login.test.ts';
const OPTIONS_TEST = 'piper/key-options.test.ts';

/** Chapter A, but for what stands in lines of keys and in certificates. */
export const AUTHENTICATION: readonly Defence[] = [
  {
    row: 'A1',
    without: 'any signature of a known key is taken',
    file: SERVER,
    find: '(certificate ?? key).verify(algorithm, data, signature, rules)',
    replace: '(void [algorithm, data, signature, rules, certificate, key], true)',
    tests: [
      [SERVER_TEST, 'A1: what is not a signature of this key, over this session and this request'],
      [LOGIN_TEST, 'A1: a signature of another session is refused'],
    ],
  },
  {
    row: 'A1',
    without: 'a signature is good in every session',
    file: 'lib/ssh/authentication/request.ts',
    find: '.string(parts.sessionId)',
    replace: '.string(Buffer.alloc(32))',
    tests: [[SERVER_TEST, 'A1: what is not a signature of this key, over this session and this request']],
  },
  {
    row: 'A1',
    without: "an algorithm that is not the key's is taken",
    file: SERVER,
    find: '!signatureAlgorithms.includes(offer.algorithm)',
    replace: 'signatureAlgorithms.length === 0',
    tests: [[SERVER_TEST, 'A1: what is not a signature of this key, over this session and this request']],
  },
  {
    row: 'A1',
    without: 'the format of a signature may be another than the algorithm that was said',
    file: 'lib/ssh/keys/signature.ts',
    find: 'if (format !== algorithm) return false;',
    replace: 'void format;',
    tests: [['lib/ssh/keys/public-key.test.ts', "A1: the algorithm must be the key's and the signature's"]],
  },
  {
    row: 'A2',
    without: 'who signs is whoever was asked about before',
    file: SERVER,
    find: `else if (isQuery) this.#acceptQuery(offer);
    else if (!isSigned) this.#refuse(request, 'signature', true, { key });
    else this.#verified({ username, ...offered });`,
    replace: `else if (isQuery) {
      Object.assign(this, { asked: offered });
      this.#acceptQuery(offer);
    } else if (!isSigned) this.#refuse(request, 'signature', true, { key });
    else this.#verified({ username, ...offered, ...Reflect.get(this, 'asked') });`,
    tests: [
      [SERVER_TEST, "A2: who queries root's key and signs with alice's is alice"],
      [LOGIN_TEST, 'A2: the record shows the key that signed, not one that was queried'],
    ],
  },
  {
    row: 'A3',
    without: 'rights are those of the key that was asked about first',
    file: 'piper/attempts.ts',
    find: 'return { username, key, certificate, address: this.#address };',
    replace: `Object.assign(this, { asked: Reflect.get(this, 'asked') ?? key });
    return { username, key: Reflect.get(this, 'asked'), certificate, address: this.#address };`,
    tests: [[OPTIONS_TEST, 'A3: restrictions come from the key that signed']],
  },
  {
    row: 'A3',
    without: 'a pod that wants a second step is logged in to after the first',
    file: 'lib/ssh/authentication/client.ts',
    find: 'const isPartial = reader.boolean();',
    replace: 'const isPartial = reader.boolean();\n    if (isPartial) return this.#options.onSuccess();',
    tests: [['lib/ssh/authentication/client.test.ts', 'A3: partial success is not success']],
  },
  {
    row: 'A4',
    without: 'other methods than publickey are named',
    file: SERVER,
    find: "nameList(['publickey'])",
    replace: "nameList(['publickey', 'password'])",
    tests: [[SERVER_TEST, 'A4: the request']],
  },
  {
    row: 'A4',
    without: 'the username may change between attempts',
    file: SERVER,
    find: '!this.#username.equals(request.username)',
    replace: 'this.#username.length > 255',
    tests: [[SERVER_TEST, 'A4: the request']],
  },
  {
    row: 'A5',
    without: 'what is no message of authentication is passed over before success',
    file: SERVER,
    find: 'else throw unexpectedMessage();',
    replace: 'else void unexpectedMessage;',
    tests: [
      [SERVER_TEST, 'A5: before success every other message ends the connection'],
      [LOGIN_TEST, 'A5: … before authentication ends the connection'],
      [LOGIN_TEST, 'A5: a message after the signature and before success ends the connection'],
    ],
  },
  {
    row: 'A8',
    without: 'no signature is verified for an unknown user or key',
    file: SERVER,
    find: 'const isSigned = this.#isSigned(',
    replace: 'const isSigned = authorization.granted && this.#isSigned(',
    tests: [
      [
        LOGIN_TEST,
        'A8: unknown user, wrong key and forged signature cost the same work, so none can be told by its time',
      ],
    ],
  },
  {
    row: 'A8',
    without: 'an unknown user is compared with no key',
    file: 'piper/admission.ts',
    find: 'login?.keys ?? this.#nobody',
    replace: 'login?.keys ?? this.#nobody.slice(1)',
    tests: [
      [
        LOGIN_TEST,
        'A8: unknown user, wrong key and forged signature cost the same work, so none can be told by its time',
      ],
    ],
  },
  {
    row: 'A8',
    without: 'a username that is none gets another answer',
    file: SERVER,
    find: "if (username === undefined) this.#refuse(request, 'username', !isQuery, { key });",
    replace: 'if (username === undefined) throw unexpectedMessage();',
    tests: [
      [LOGIN_TEST, 'A8, C2: unknown user, wrong key, forged signature and a name that is none get the same bytes'],
    ],
  },
  {
    row: 'A8',
    without: 'a query for a known user and a wrong key is answered like one for a right key',
    file: SERVER,
    find: 'else if (!authorization.granted)\n',
    replace: 'else if (!authorization.granted && !isQuery)\n',
    tests: [
      [SERVER_TEST, 'A8: unknown user, unknown key and wrong signature look alike'],
      [LOGIN_TEST, 'A8, C2: unknown user, wrong key, forged signature and a name that is none get the same bytes'],
    ],
  },
  {
    row: 'A9',
    without: 'a Secret that is not there is passed over in silence',
    file: 'operator/user-keys.ts',
    find: "if (secret === undefined) return refused(finding('KeySecretNotFound', username, secretName));",
    replace: 'if (secret === undefined) return { lines: [], fingerprints: [], problems: [] };',
    tests: [['operator/user-keys.test.ts', 'A9: a missing Secret and one without keys say what to do']],
  },
  {
    row: 'A9',
    without: 'what we know is never too old',
    file: 'piper/admission.ts',
    find: "if (this.#directory.stale()) return 'stale';",
    replace: '',
    tests: [['piper/session.test.ts', 'A9, E2: what we know is too old: nobody comes in, and nobody stays']],
  },
  {
    row: 'A9',
    without: 'the silence of the API server may last',
    file: 'piper/directory/kubernetes-provider.ts',
    find: 'silence() > maxStalenessMs',
    replace: 'silence() > Math.max(maxStalenessMs, 86_400_000)',
    tests: [
      [
        'piper/directory/kubernetes-provider.test.ts',
        'A9: after too long a silence of the API server what we know is stale',
      ],
    ],
  },
  {
    row: 'A9',
    without: 'a Secret that does not parse leaves in whom it had let in before',
    file: 'piper/directory/route-table.ts',
    find: 'this.remove(secret);\n    if (parsed === undefined) return former;',
    replace: 'if (parsed === undefined) return former;\n    this.remove(secret);',
    tests: [
      ['piper/directory/route-table.test.ts', 'A9: a Secret with … grants nothing, and what it granted before is gone'],
    ],
  },
  {
    row: 'A10',
    without: 'a key query counts as a failure',
    file: SERVER,
    find: "this.#refuse(request, 'key-not-authorized', !isQuery,",
    replace: "this.#refuse(request, 'key-not-authorized', true,",
    tests: [
      [LIMITS_TEST, 'A10: limits'],
      ['piper/abuse/bans.test.ts', 'A10: a laptop that asks about sixty keys is not banned'],
    ],
  },
  {
    row: 'A10',
    without: 'signatures may fail without end on one connection',
    file: SERVER,
    find: '++this.#tries >= this.#options.maxTries',
    replace: '++this.#tries === 0',
    tests: [
      [LIMITS_TEST, 'A10: limits'],
      [LOGIN_TEST, 'A10: six failures end the connection, and the record says so once'],
    ],
  },
  {
    row: 'A10',
    without: 'key queries are without end',
    file: SERVER,
    find: 'const MAX_QUERIES = 64;',
    replace: 'const MAX_QUERIES = 1e9;',
    tests: [[LIMITS_TEST, 'A10: limits']],
  },
  {
    row: 'A10',
    without: 'failures are counted per address only',
    file: 'piper/abuse/failures.ts',
    find: 'this.#count(`${source} ${username}`, limits.failuresPerSourceAndUser, { source, username });',
    replace: 'void username;',
    tests: [
      [
        'piper/abuse/failures.test.ts',
        'A10: six failures ban the address from that username, and from no other; other addresses go on',
      ],
      [
        'piper/abuse/bans.test.ts',
        'A10: after too many failures under a username, its right key gets what a wrong one gets; others go on',
      ],
    ],
  },
  {
    row: 'A10',
    without: 'failures are counted per address and username only',
    file: 'piper/abuse/failures.ts',
    find: 'this.#count(source, limits.failuresPerSource, { source });',
    replace: '',
    tests: [
      ['piper/abuse/failures.test.ts', 'A10: an address that tries many usernames is banned from all'],
      [
        'piper/abuse/bans.test.ts',
        'A10: an address that guesses usernames is not served at all, and whoever is logged in stays',
      ],
    ],
  },
  {
    row: 'A10',
    without: 'who is banned under a username is let in there',
    file: 'piper/attempts.ts',
    find: "return isBanned ? { granted: false, why: 'banned' } : answer;",
    replace: 'return isBanned ? answer : answer;',
    tests: [
      [
        'piper/abuse/bans.test.ts',
        'A10: after too many failures under a username, its right key gets what a wrong one gets; others go on',
      ],
    ],
  },
  {
    row: 'A11',
    without: 'a signature for one pod is good for another',
    file: 'lib/ssh/authentication/request.ts',
    find: '.string(parts.sessionId)',
    replace: '.string(Buffer.alloc(32))',
    tests: [
      [
        'piper/relay.test.ts',
        'A11: with the right host key it can pass the login on, but it was signed for another session',
      ],
    ],
  },
  {
    row: 'A11',
    without: 'a pod with another host key hears the login',
    file: 'piper/upstream-attempt.ts',
    find: 'login.hostKeys.some((known) => key.equals(known))',
    replace: 'key.equals(key)',
    tests: [
      ['piper/relay.test.ts', 'A11: with a host key of its own it hears nothing, not even the attempt to log in'],
    ],
  },
];
