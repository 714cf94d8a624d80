import type { DebianPackage } from '../../scripts/machine/apt.ts';

/** One row of docs/clients.md, and of the tests: `describeClient` (in describe-client.ts) holds them together. */
export type Client = {
  name: string;
  /** Where the tests get it from. */
  source: 'Debian 12' | 'PyPI' | 'Go modules';
  packages: readonly DebianPackage[];
  version: string;
  /** Prints the version; `{bin}` is the Python environment's folder of programs. */
  versionCommand: readonly string[];
  /** What a user types, with the names of the README. */
  line: string;
  /** What a connection agrees on with our piper: key exchange, host key, cipher, and MAC where the cipher needs one. */
  negotiates: string;
  /** The titles of its tests. */
  works: readonly string[];
  /** What a user has to know. */
  note?: string;
};

const OPENSSH = 'curve25519-sha256 ssh-ed25519 aes128-gcm@openssh.com';

/** Every client that the e2e tests take through the piper into a pod. */
export const CLIENTS = {
  openssh: {
    name: 'OpenSSH: ssh, scp, sftp',
    source: 'Debian 12',
    packages: ['openssh-client', 'curl'],
    version: 'OpenSSH_9.2p1',
    versionCommand: ['ssh', '-V'],
    line: 'ssh -i key -p 2222 acme-hello@ssh.example.com',
    negotiates: OPENSSH,
    works: [
      'a command: its output, its errors, its exit status',
      'scp of a folder, both protocols, with modes and times',
      'sftp: put and get -r, resume, rename, chmod, links, df',
      'sftp and scp of limited read',
      'ssh -O check, forward, cancel, exit: many sessions over one connection',
      'ssh -O proxy: another ssh inside of the connection',
      'tmux outlives the connection',
    ],
    note: '`scp` and `sftp` want a capital letter: `-P 2222`.',
  },
  rsync: {
    name: 'rsync',
    source: 'Debian 12',
    packages: ['rsync', 'openssh-client'],
    version: 'version 3.',
    versionCommand: ['rsync', '--version'],
    line: "rsync -az -e 'ssh -i key -p 2222' src/ acme-hello@ssh.example.com:/srv/src/",
    negotiates: OPENSSH,
    works: [
      'both ways with -z: contents, modes, links, times',
      '--delete removes there what is gone here',
      'a transfer that was cut resumes where it was',
      'limited: where its uid may write',
      'an image without rsync: the message names what is missing',
    ],
    note: 'The image must have rsync.',
  },
  sshfs: {
    name: 'sshfs',
    source: 'Debian 12',
    packages: ['sshfs', 'openssh-client'],
    version: 'SSHFS version 3.7.3',
    versionCommand: ['sshfs', '-V'],
    line: 'sshfs -p 2222 -o IdentityFile=$PWD/key acme-hello@ssh.example.com:/srv mnt',
    negotiates: OPENSSH,
    works: ['a mounted folder: write, read, rename, links, modes, truncate, df, remove'],
  },
  ansible: {
    name: 'Ansible',
    source: 'PyPI',
    packages: ['openssh-client'],
    version: 'core 2.19.14',
    versionCommand: ['{bin}/ansible', '--version'],
    line: 'ansible -i hosts hello -m ping',
    negotiates: OPENSSH,
    works: [
      'ping, copy, shell, fetch, become, with pipelining and ControlPersist',
      'ping, copy, shell, fetch, become, without pipelining',
      'limited: ping, shell and copy, with ansible_ssh_transfer_method=piped',
      'ansible_user needs ansible_remote_tmp; a User in ssh_config needs nothing',
    ],
    note:
      'The image must have Python. Name the user in `ssh_config`, or with `ansible_user` give ' +
      '`ansible_remote_tmp=/tmp/.ansible-${USER}`: Ansible asks for `~user`, which no passwd file of an image knows. ' +
      '`limited`, whose sftp only reads, needs `ansible_ssh_transfer_method=piped`.',
  },
  git: {
    name: 'git',
    source: 'Debian 12',
    packages: ['git', 'openssh-client'],
    version: 'git version 2.39',
    versionCommand: ['git', '--version'],
    line: 'git clone ssh://acme-hello@ssh.example.com:2222/srv/repository.git',
    negotiates: OPENSSH,
    works: ['root: push to a bare repository in the pod, clone, fetch', 'limited: push, clone, fetch, as its own uid'],
    note: 'The image must have git.',
  },
  vscode: {
    name: 'VS Code Remote-SSH (its command line)',
    source: 'Debian 12',
    packages: ['openssh-client', 'curl'],
    version: 'OpenSSH_9.2p1',
    versionCommand: ['ssh', '-V'],
    line: 'ssh -T -D 54321 -o ConnectTimeout=15 hello bash',
    negotiates: OPENSSH,
    works: [
      'ssh -T -D port host bash, with the script on stdin: the server answers through SOCKS5, and outlives the session',
      'ssh -T -D port -o ConnectTimeout=15 host sh, the same',
    ],
    note: 'It brings a server of its own, which wants glibc, libstdc++, tar and a home that can be written. It needs `-D`: `root`, or a policy with `localForwarding: loopback`.',
  },
  tramp: {
    name: 'Emacs TRAMP',
    source: 'Debian 12',
    packages: ['emacs-nox', 'openssh-client'],
    version: 'GNU Emacs 28.2',
    versionCommand: ['emacs', '--version'],
    line: 'C-x C-f /ssh:hello:/srv/app.conf',
    negotiates: OPENSSH,
    works: [
      '/ssh: lists, writes, reads, copies, renames, runs a command',
      '/scp: lists, writes, reads, copies, renames, runs a command',
      '/sshx: lists, writes, reads, copies, renames, runs a command',
    ],
  },
  lftp: {
    name: 'lftp',
    source: 'Debian 12',
    packages: ['lftp', 'openssh-client'],
    version: 'Version 4.9.2',
    versionCommand: ['lftp', '--version'],
    line: 'lftp -e "set sftp:connect-program \'ssh -a -x -i key -p 2222\'" sftp://acme-hello@ssh.example.com',
    negotiates: OPENSSH,
    works: ['mirror both ways, put, get, mv, rm'],
  },
  putty: {
    name: 'PuTTY: plink, psftp, pscp',
    source: 'Debian 12',
    packages: ['putty-tools', 'openssh-client', 'curl'],
    version: 'Release 0.78',
    versionCommand: ['plink', '-V'],
    line: 'plink -P 2222 -i key.ppk acme-hello@ssh.example.com',
    negotiates: 'curve25519-sha256 ssh-ed25519 aes256-ctr hmac-sha2-256-etm@openssh.com',
    works: [
      'plink: a command, its exit status; puttygen makes the key',
      'psftp and pscp: there and back',
      'plink -L reaches the loopback of the pod',
    ],
  },
  paramiko: {
    name: 'Paramiko',
    source: 'PyPI',
    packages: [],
    version: '5.1.0',
    versionCommand: ['{bin}/python', '-c', 'import paramiko; print(paramiko.__version__)'],
    line: "client.connect('ssh.example.com', 2222, 'acme-hello', key_filename='key')",
    negotiates: 'mlkem768x25519-sha256 ssh-ed25519 aes128-ctr hmac-sha2-256-etm@openssh.com',
    works: ['a command, a terminal, sftp, direct-tcpip, keepalives'],
  },
  asyncssh: {
    name: 'AsyncSSH',
    source: 'PyPI',
    packages: [],
    version: '2.24.1',
    versionCommand: ['{bin}/python', '-c', 'import asyncssh; print(asyncssh.__version__)'],
    line: "asyncssh.connect('ssh.example.com', 2222, username='acme-hello', client_keys=['key'])",
    negotiates: 'mlkem768x25519-sha256 ssh-ed25519 aes256-gcm@openssh.com',
    works: ['a command, a signal, sftp, local forwarding, keepalives; remote forwarding is refused'],
  },
  libssh2: {
    name: 'libssh2 1.11 (ssh2-python)',
    source: 'PyPI',
    packages: [],
    version: '1.2.0',
    versionCommand: ['{bin}/python', '-c', 'import ssh2; print(ssh2.__version__)'],
    line: "session.userauth_publickey_fromfile('acme-hello', 'key')",
    negotiates: 'curve25519-sha256 ssh-ed25519 aes256-gcm@openssh.com',
    works: ['a command and sftp'],
  },
  go: {
    name: 'Go: x/crypto/ssh and pkg/sftp',
    source: 'Go modules',
    packages: [],
    version: 'sftp v1.13.12',
    versionCommand: ['cat', 'e2e/clients/go-sftp/go.mod'],
    line: 'sftp.NewClient(connection)',
    negotiates: 'mlkem768x25519-sha256 ssh-ed25519 aes128-gcm@openssh.com',
    works: ['a command, sftp both ways, a dial to the loopback of the pod'],
  },
  dropbear: {
    name: 'Dropbear: dbclient',
    source: 'Debian 12',
    packages: ['dropbear-bin', 'curl'],
    version: 'v2022.83',
    versionCommand: ['dbclient', '-V'],
    line: 'dbclient -i key.db -p 2222 acme-hello@ssh.example.com',
    negotiates: 'curve25519-sha256 ssh-ed25519 aes128-ctr hmac-sha2-256',
    works: ['a command, its input and its exit status; -L reaches the loopback of the pod'],
    note: 'It has no newer MAC than hmac-sha2-256, which the gateway offers for it and for older curl.',
  },
  curl: {
    name: 'curl sftp:// (libssh2 1.10)',
    source: 'Debian 12',
    packages: ['curl'],
    version: 'libssh2/1.10.0',
    versionCommand: ['curl', '-V'],
    line: 'curl --key key sftp://acme-hello@ssh.example.com:2222/srv/file',
    negotiates: 'curve25519-sha256 ssh-ed25519 aes128-ctr hmac-sha2-256',
    works: ['a file there and back'],
    note: 'From libssh2 1.11 on it agrees on AES-GCM.',
  },
} as const satisfies Readonly<Record<string, Client>>;

export type ClientId = keyof typeof CLIENTS;
