import type { Defence } from '../defence.ts';

const HOSTILE_TEST = 'lib/ssh/transport/hostile-client.test.ts';
const NEGOTIATION_TEST = 'lib/ssh/transport/negotiation.test.ts';
const ALGORITHMS = 'lib/ssh/transport/algorithms.ts';
const TRANSPORT_FILE = 'lib/ssh/transport/transport.ts';
const LOGIN_TEST = 'piper/login.test.ts';
const TERRAPIN = 'B1: Terrapin (CVE-2023-48795): packets put in or taken out of the first key exchange';
const TRANSPORT_TEST = 'lib/ssh/transport/transport.test.ts';

/** B1 to B3, and B7: the transport itself. */
export const TRANSPORT: readonly Defence[] = [
  {
    row: 'B1',
    without: 'neither end says that it is strict',
    file: 'lib/ssh/transport/key-exchange.ts',
    find: '[EXT_INFO[role], STRICT_KEX[role]]',
    replace: '[EXT_INFO[role]]',
    tests: [[HOSTILE_TEST, 'B1: a … says that it is strict, in its first KEXINIT only']],
  },
  {
    row: 'B1',
    without: 'packets are counted on over the first exchange of keys, though both are strict',
    file: TRANSPORT_FILE,
    find: 'this.#reader.changeKeys(suite.opener(keys), this.#strict)',
    replace: 'this.#reader.changeKeys(suite.opener(keys), false)',
    tests: [
      [HOSTILE_TEST, TERRAPIN],
      [TRANSPORT_TEST, 'every algorithm of the policy'],
    ],
  },
  {
    row: 'B1',
    without: 'what is no message of the first exchange of keys is passed over during it',
    file: TRANSPORT_FILE,
    find: `if (!this.#ready) {
      throw`,
    replace: `if (!this.#ready) {
      return;
      throw`,
    tests: [
      [HOSTILE_TEST, 'B1: the first key exchange takes nothing but itself'],
      [HOSTILE_TEST, TERRAPIN],
    ],
  },
  {
    row: 'B2',
    without: 'no hybrid, post-quantum key exchange is offered',
    file: ALGORITHMS,
    find: "'mlkem768x25519-sha256', ",
    replace: '',
    tests: [[NEGOTIATION_TEST, 'B2: what is offered']],
  },
  {
    row: 'B2',
    without: 'key exchange with SHA-1 is offered',
    file: ALGORITHMS,
    find: "'curve25519-sha256@libssh.org'],",
    replace: "'curve25519-sha256@libssh.org', 'diffie-hellman-group14-sha1'],",
    tests: [
      [NEGOTIATION_TEST, 'B2: what is offered'],
      [NEGOTIATION_TEST, 'B2: nothing in common'],
    ],
  },
  {
    row: 'B2',
    without: 'CBC is offered',
    file: ALGORITHMS,
    find: "'aes256-ctr', 'aes128-ctr'],",
    replace: "'aes256-ctr', 'aes128-ctr', 'aes128-cbc'],",
    tests: [
      [NEGOTIATION_TEST, 'B2: what is offered'],
      [NEGOTIATION_TEST, 'B2: nothing in common'],
    ],
  },
  {
    row: 'B2',
    without: 'MACs that are made before encrypting, and with SHA-1, are offered',
    file: ALGORITHMS,
    find: "'hmac-sha2-512-etm@openssh.com'],",
    replace: "'hmac-sha2-512-etm@openssh.com', 'hmac-sha1'],",
    tests: [[NEGOTIATION_TEST, 'B2: what is offered']],
  },
  {
    row: 'B2',
    without: 'host keys with SHA-1 are offered',
    file: ALGORITHMS,
    find: `    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
  cipher`,
    replace: `    'rsa-sha2-512',
    'rsa-sha2-256',
    'ssh-rsa',
  ],
  cipher`,
    tests: [
      [NEGOTIATION_TEST, 'B2: what is offered'],
      [NEGOTIATION_TEST, 'B2: nothing in common'],
    ],
  },
  {
    row: 'B2',
    without: 'compression is offered',
    file: 'lib/ssh/transport/kexinit.ts',
    find: `.nameList(['none'])
    .nameList(['none'])`,
    replace: `.nameList(['none', 'zlib'])
    .nameList(['none', 'zlib'])`,
    tests: [[NEGOTIATION_TEST, 'B2: what is offered']],
  },
  {
    row: 'B2',
    without: 'a peer that only compresses is served',
    file: 'lib/ssh/transport/negotiation.ts',
    find: "chooseOf('compression', ['none'], theirs.compressionToServer);",
    replace: '',
    tests: [[NEGOTIATION_TEST, 'B2: nothing in common']],
  },
  {
    row: 'B2',
    without: 'users hear that SHA-1 signatures are taken',
    file: ALGORITHMS,
    find: `'sk-ecdsa-sha2-nistp256@openssh.com',
`,
    replace: `'sk-ecdsa-sha2-nistp256@openssh.com',
  'ssh-rsa',
`,
    tests: [[NEGOTIATION_TEST, 'B2: what is offered']],
  },
  {
    row: 'B2',
    without: 'everybody is offered the MAC that some old clients need',
    file: ALGORITHMS,
    find: 'KNOWS_NO_NEWER_MAC.test(remoteSoftware)',
    replace: 'KNOWS_NO_NEWER_MAC.test(`dropbear_${remoteSoftware}`)',
    tests: [['lib/ssh/transport/server-kexinit.test.ts', 'B2: … is offered the MACs …']],
  },
  {
    row: 'B3',
    without: 'any host key of a pod is taken',
    file: 'piper/upstream-attempt.ts',
    find: 'login.hostKeys.some((known) => key.equals(known))',
    replace: 'key.equals(key)',
    tests: [
      [LOGIN_TEST, 'B3: a pod with another host key is refused before anything is said to it'],
      ['piper/relay.test.ts', 'A11: with a host key of its own it hears nothing, not even the attempt to log in'],
    ],
  },
  {
    row: 'B3',
    without: 'a pod need not prove that it has its host key',
    file: 'lib/ssh/transport/key-exchange.ts',
    find: '!hostKey.verify(negotiation.hostKey, hash, signature)',
    replace: 'signature.length === 0',
    tests: [[HOSTILE_TEST, 'B3: a changed … makes the signature wrong']],
  },
  {
    row: 'B3',
    without: 'a pod whose host key nobody knows is connected to',
    file: 'piper/upstream.ts',
    find: "if (options.login.hostKeys.length === 0) throw new RefusalError('host-key-unknown', 'the route has no host key');",
    replace: '',
    tests: [
      [
        'piper/main-container.test.ts',
        'B3: one of the known host keys is enough, and none known is a refusal of its own',
      ],
    ],
  },
  {
    row: 'B3',
    without: 'the host key may change with new keys',
    file: TRANSPORT_FILE,
    find: 'const isSame = this.#hostKey?.equals(key) ?? true;',
    replace: 'const isSame = true;',
    tests: [[TRANSPORT_TEST, 'B3: one may not change with a rekey, even to another that is accepted']],
  },
  {
    row: 'B3',
    without: 'nobody is told of a pod with another host key',
    file: 'piper/witness.ts',
    find: `  'host-key-mismatch',
`,
    replace: '',
    tests: [
      [
        'piper/witness.test.ts',
        'B3: a pod with another host key is an Event about the SshAccess, once however often it happens',
      ],
    ],
  },
  {
    row: 'B7',
    without: 'keys are never changed',
    file: 'lib/ssh/transport/key-age.ts',
    find: '>= rekeyAfterBytes) return true',
    replace: '< 0) return true',
    tests: [['lib/ssh/transport/rekey.test.ts', 'B7: in the middle of data, nothing is lost or reordered']],
  },
  {
    row: 'B7',
    without: 'data is sent on in the middle of an exchange of keys',
    file: TRANSPORT_FILE,
    find: `    this.#outboundHeld = true;
`,
    replace: '',
    tests: [['lib/ssh/transport/rekey.test.ts', 'B7: in the middle of data, nothing is lost or reordered']],
  },
  {
    row: 'B7',
    without: 'a side that is paused does not finish an exchange of keys',
    file: 'lib/ssh/transport/transport-socket.ts',
    find: 'this.#wantsPause && !this.#mustRead()',
    replace: 'this.#wantsPause',
    tests: [
      [
        'lib/ssh/transport/transport-socket.test.ts',
        'B7: simultaneous rekeys of two sides that pause each other do not wait for ever',
      ],
    ],
  },
  {
    row: 'B7',
    without: 'what comes between KEXINIT and NEWKEYS is taken',
    file: TRANSPORT_FILE,
    find: "if (this.#inboundHeld) throw new SshError('protocol', 'an unexpected message during a key exchange');",
    replace: '',
    tests: [[HOSTILE_TEST, 'B7: between KEXINIT and NEWKEYS of a rekey the peer may send nothing else']],
  },
  {
    row: 'B7',
    without: 'a user may change keys as often as they like',
    file: 'lib/ssh/transport/peer-rekeys.ts',
    find: 'if (this.#left < 0 || !this.#admit()) throw tooOften();',
    replace: '',
    tests: [['lib/ssh/transport/rekey.test.ts', 'B4, B7: a peer that does nothing but change keys is cut off']],
  },
  {
    row: 'B8',
    without: 'who asks for proof of keys that are not there gets one for each of those that are, and again and again',
    file: 'piper/host-keys/announcement.ts',
    find: 'if (key === undefined || ++count > keys.length) return undefined;',
    replace: 'if (key === undefined) continue;\n    count++;',
    tests: [['piper/host-keys/announcement.test.ts', 'B8: no proof of …']],
  },
];
