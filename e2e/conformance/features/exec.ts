/** Commands: what they are given, what they give back, and how they end. */
import { type Feature, type Obstacle, saw, see, type Subject } from '../feature.ts';
import { run } from '../../support/process.ts';
import { sshCommand } from '../../support/openssh.ts';

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
const MIB = 1 << 20;

/** Of the app's own processes nothing is seen there. */
export const outOfSight =
  (what: string, seen: RegExp) =>
  ({ column }: Subject): Obstacle | undefined =>
    column.place === 'isolated'
      ? { why: `the app is alone in its process namespace, so ${what} cannot be reached from beside it`, seen }
      : undefined;

const inToolbox =
  (why: string, seen: RegExp) =>
  ({ column }: Subject): Obstacle | undefined =>
    column.place === 'app' ? undefined : { why, seen };

export const EXEC: readonly Feature[] = [
  {
    title: "login shell of the app's passwd",
    obstacle: inToolbox(
      "sessions open in the toolbox, the sidecar's own image, with its shell",
      /not the shell of the app/,
    ),
    note: ({ column }) =>
      column.image === 'distroless' ? 'The image has no shell: it is ours, a busybox.' : undefined,
    attempt: async ({ client, column, role }) => {
      const finished = await client.ssh('', { ssh: ['-T'], input: 'ls -l /proc/$$/exe; echo "says $SHELL"\n' });
      see(finished.code === 0, finished);
      see(column.place === 'app', `not the shell of the app but ${finished.stdout}`);
      const [line = ''] = finished.stdout.split('\n');
      see(column.shell[role].test(line), finished);
    },
  },
  {
    title: 'exec: exit status',
    attempt: async ({ client }) => saw(await client.ssh('exit 7'), '', 7),
  },
  {
    title: 'exec: stdout and stderr apart',
    attempt: async ({ client }) => {
      const finished = await client.ssh('echo out; echo err >&2');
      saw(finished, 'out\n');
      see(/^err$/m.test(finished.stderr), finished);
    },
  },
  {
    title: 'exec: all 256 bytes, stdin to stdout',
    attempt: async ({ client }) => {
      const input = Buffer.concat(Array.from({ length: 512 }, () => EVERY_BYTE));
      const [there, direct] = await Promise.all([
        client.ssh('cat', { input: [input], hashOnly: true }),
        run(['cat'], { input: [input], hashOnly: true }),
      ]);
      see(there.code === 0 && there.stdoutSha256 === direct.stdoutSha256, there);
    },
  },
  {
    title: 'exec: half-close, the end of stdin alone',
    attempt: async ({ client }) => saw(await client.ssh('cat; echo end', { input: 'x\n' }), 'x\nend\n'),
  },
  {
    title: 'exec: `ssh -n`',
    attempt: async ({ client }) => saw(await client.ssh('cat; echo end', { ssh: ['-n'], input: 'x\n' }), 'end\n'),
  },
  {
    title: 'exec: the reader has enough (eow), the program ends',
    attempt: async ({ client }) => {
      const quoted = sshCommand(client.login, [], 'cat /dev/zero').map((word) => `'${word}'`);
      const finished = await run(['bash', '-c', `${quoted.join(' ')} | head -c ${MIB} | wc -c`], { timeoutMs: 30_000 });
      see(Number(finished.stdout) === MIB, finished);
    },
  },
  {
    title: 'environment of the app: all of it',
    roles: ['root'],
    obstacle: outOfSight('its environment', /\[\] \[\]/),
    attempt: async ({ client }) => saw(await client.ssh('echo "[$FRUIT] [$TZ]"'), '[apple] [Indian/Mauritius]\n'),
  },
  {
    title: 'environment of the app: locale, TZ and PATH, nothing else',
    roles: ['limited'],
    obstacle: outOfSight('its environment', /\[\] \[\]/),
    attempt: async ({ client }) => saw(await client.ssh('echo "[$FRUIT] [$TZ]"'), '[] [Indian/Mauritius]\n'),
  },
  {
    title: 'environment of the client: LANG passes, LD_PRELOAD does not',
    attempt: async ({ client, policy }) => {
      see(policy.clientEnvironment.includes('LANG'), 'the policy does not name LANG');
      const variables = ['-o', 'SetEnv=LANG=eo LD_PRELOAD=/nowhere.so'];
      saw(await client.alone('echo "[$LANG] [$LD_PRELOAD]"', { ssh: variables }), '[eo] []\n');
    },
  },
  {
    title: 'working directory of the app',
    obstacle: inToolbox('sessions open in the toolbox, whose working directory is /', /stdout "\/\\n"/),
    attempt: async ({ client }) => saw(await client.ssh('pwd'), '/data\n'),
  },
  {
    title: 'emptyDir, mounted Secret and what an init container wrote',
    obstacle: outOfSight('its files', /stdout "nowhere\\n"/),
    note: ({ column }) =>
      column.place === 'toolbox'
        ? 'Sessions are in the toolbox: the files of the app are in /proc/&lt;pid&gt;/root.'
        : undefined,
    attempt: async ({ client }) => {
      const script = [
        'for root in "" /proc/[0-9]*/root; do',
        '  [ -r "$root/data/from-init" ] && cat "$root/data/from-init" "$root/etc/app-secret/word" && exit',
        'done',
        'echo nowhere',
      ];
      saw(await client.ssh(script.join('\n')), 'written by init\nsesame\n');
    },
  },
];
