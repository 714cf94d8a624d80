/** Terminals and signals. */
import { Writer } from '../../../lib/ssh/wire.ts';
import type { TestSession } from '../../../sidecar/testing/user-client.ts';
import { type Feature, saw, see } from '../feature.ts';
import { within } from '../raw-user.ts';
import { lacks } from './files.ts';

const SIGNALS = ['HUP', 'INT', 'QUIT', 'TERM', 'USR1'] as const;
const SMALL = { columns: 80, rows: 24 };
/** A shell that waits and hears signals: it hears none while a program is in its foreground. */
const LISTEN = 'echo ready; while :; do sleep 1 & wait $!; done';

// RFC 4254 §8: opcode and uint32 each, then TTY_OP_END.
const VERASE = 3;
const ECHO = 53;
const BACKSPACE = 8;
const MODES = new Writer().byte(VERASE).uint32(BACKSPACE).byte(ECHO).uint32(0).byte(0).bytes();

function interrupts(interrupt: (session: TestSession) => unknown): Feature['attempt'] {
  return async ({ client }) => {
    const user = await client.raw();
    const session = await user.running(`stty brkint; trap 'echo heard; exit 3' INT; ${LISTEN}`, 'ready', SMALL);
    await interrupt(session);
    const { stdout, code } = await within(session.done, () => session.result.stdout);
    see(stdout.includes('heard') && code === 3, `${code}: ${stdout}`);
  };
}

export const TERMINAL: readonly Feature[] = [
  {
    title: 'terminal: `tty` names it, and it is the one',
    attempt: async ({ client }) => {
      const finished = await client.ssh('tty && echo "seen on $(tty)" >"$(tty)"', { ssh: ['-tt'] });
      saw(finished, /^(\/dev\/pts\/\d+)\r?\nseen on \1\r?\n$/);
    },
  },
  {
    title: 'terminal: its size, and that it changes',
    attempt: async ({ client }) => {
      const user = await client.raw();
      const session = await user.running(`trap 'stty size; exit 0' WINCH; stty size; ${LISTEN}`, 'ready', SMALL);
      see(session.result.stdout.includes('24 80'), session.result.stdout);
      session.open
        .request('window-change', new Writer().uint32(132).uint32(50).uint32(0).uint32(0).bytes())
        .catch(() => undefined);
      const { stdout } = await within(session.done, () => session.result.stdout);
      see(stdout.includes('50 132'), stdout);
    },
  },
  {
    title: 'terminal: modes of the client (RFC 4254 §8)',
    attempt: async ({ client }) => {
      const user = await client.raw();
      const session = await user.running('stty -a', 'erase', { ...SMALL, modes: MODES });
      const { stdout } = await within(session.done, () => session.result.stdout);
      see(/erase = \^H;/.test(stdout) && /[^a-z]-echo\s/.test(stdout), stdout);
    },
  },
  {
    title: 'terminal: Ctrl-C is SIGINT',
    attempt: interrupts((session) => session.open.write(Buffer.of(3))),
  },
  {
    title: 'terminal: `break` is SIGINT where the terminal says so (BRKINT)',
    attempt: interrupts(async (session) => {
      // RFC 4335: for so many milliseconds.
      see(await session.request('break', new Writer().uint32(500).bytes()), 'break was refused');
    }),
  },
  {
    title: `signals ${SIGNALS.join(', ')}`,
    attempt: async ({ client }) => {
      const user = await client.raw();
      const traps = SIGNALS.map((name) => `trap 'echo heard ${name}' ${name}`).join('; ');
      const session = await user.running(`${traps}; ${LISTEN}`, 'ready');
      for (const name of SIGNALS) {
        const isSent = await session.request('signal', new Writer().string(name).bytes());
        see(isSent, `${name} was refused`);
        await within(session.until(`heard ${name}`), () => `${name}: ${session.result.stdout}`);
      }
      session.open.close();
    },
  },
  {
    title: 'exit-signal',
    attempt: async ({ client }) => {
      const user = await client.raw();
      const session = await user.running('echo ready; kill -KILL $$', 'ready');
      const { signal, code } = await within(session.done, () => JSON.stringify(session.result));
      see(signal === 'KILL' && code === undefined, JSON.stringify(session.result));
    },
  },
  {
    title: 'sudo',
    obstacle: (subject) =>
      lacks('sudo')(subject) ??
      (subject.role === 'limited'
        ? { policy: 'role `limited` is no_new_privs, always', seen: /no new privileges/ }
        : undefined),
    attempt: async ({ client }) => saw(await client.ssh('sudo -n -u "#1000" id -u'), '1000\n'),
  },
  {
    title: 'tmux',
    obstacle: lacks('tmux'),
    attempt: async ({ client }) => {
      const session = `tmux -f /dev/null -L "test-$$" new-session 'tty; sleep 1'`;
      const finished = await client.ssh(`export TERM=xterm; ${session}`, {
        ssh: ['-tt'],
        env: { ...process.env, TERM: 'xterm' },
      });
      saw(finished, /\/dev\/pts\/\d+/);
    },
  },
];
