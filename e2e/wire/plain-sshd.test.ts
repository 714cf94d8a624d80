/** Sshds that know nothing of us (mainContainer.managed: false), as kind and as odd as images have them, behind the real piper. */
import { createHash, randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { DEFAULT_POLICIES, type SessionPolicy } from '../../crds/index.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Reader } from '../../lib/ssh/wire.ts';
import { channelRequest, text } from '../../piper/testing/messages.ts';
import { run, type Finished } from '../support/process.ts';
import { listensOn, says } from './probes.ts';
import { sshdPod } from './sshd-pod.ts';
import { startStack, type Stack } from './stack.ts';
import { connectRaw, exec, messageOf, openSession } from './ways.ts';

const MIB = 1024 * 1024;
/** What most images have, and what shows which programs sshd starts; the keys lie where others may write. */
const CONFIG = [
  'UsePAM no',
  'StrictModes no',
  'Subsystem sftp internal-sftp',
  'AcceptEnv LANG LC_*',
  'LogLevel VERBOSE',
];

/** A stack of its own, with users whose policies differ so from the defaults. */
async function stackOf(
  config: readonly string[],
  policy: Partial<SessionPolicy> = {},
  piper: NodeJS.ProcessEnv = {},
): Promise<Stack> {
  const roles = {
    root: { ...DEFAULT_POLICIES.root, ...policy },
    limited: { ...DEFAULT_POLICIES.limited, ...policy },
  };
  // The first line counts in an sshd_config.
  const stack = await startStack(piper, roles, sshdPod({ as: 'root', config: [...config, ...CONFIG] }));
  onTestFinished(stack.stop);
  return stack;
}

const sessionsOf = ({ auditLines }: Stack): string[] =>
  auditLines.filter((line) => line.startsWith('Starting session'));

const sftp = (stack: Stack, user: 'root' | 'limited', input: string): Promise<Finished> => {
  const { username } = stack[user];
  return run(['sftp', ...stack.options(stack[user]), '-P', String(stack.port), '-b', '-', `${username}@127.0.0.1`], {
    input,
  });
};

describe('a plain sshd', { timeout: 120_000 }, () => {
  test('64 MiB go and come back whole while all three change their keys again and again', async () => {
    const stack = await stackOf(['RekeyLimit 5M'], {}, { REKEY_AFTER_MIB: '7' });
    const block = randomBytes(64 * MIB);
    const args = ['-v', '-o', 'RekeyLimit=6M', 'cat'];
    const options = { input: [block], hashOnly: true, timeoutMs: 100_000 };
    const { stdoutSha256, stderr, code } = await stack.ssh(stack.root, args, options);
    expect([code, stdoutSha256]).toEqual([0, createHash('sha256').update(block).digest('hex')]);
    expect(stderr.split('SSH2_MSG_NEWKEYS received').length).toBeGreaterThan(10);
  });

  test('a signal of the client reaches the program, and its end the client', async () => {
    const stack = await stackOf([]);
    const client = await connectRaw(stack, 'through the piper', 'root');
    const channel = await openSession(client);
    exec(client, channel, 'echo here; exec sleep 60');
    await says(client, 'here');
    client.send(channelRequest(channel, 'signal', false, text('TERM')));
    const end = new Reader(await messageOf(client, MSG.CHANNEL_REQUEST), 5);
    expect([end.name(), end.boolean(), end.utf8()]).toEqual(['exit-signal', false, 'TERM']);
    client.close();
  });

  test('it cannot keep sftp read-only, so who may only read has none, and is told what to change', async () => {
    const stack = await stackOf([]);
    const target = join(stack.remote, 'by-sftp');
    await writeFile(join(stack.folder, 'source'), 'content');
    const put = `put ${join(stack.folder, 'source')} ${target}\n`;
    expect(await sftp(stack, 'root', put)).toMatchObject({ code: 0 });
    const begun = sessionsOf(stack).length;
    const refused = await sftp(stack, 'limited', put);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toMatch(/cannot keep sftp read-only.*policy\.<role>\.sftp\.access.*InitScript/);
    expect(sessionsOf(stack)).toHaveLength(begun);
  });

  test('a list of commands: those run, and for all else the pod starts nothing at all', async () => {
    const stack = await stackOf([], { commands: ['echo allowed'] });
    expect(await stack.ssh(stack.limited, ['echo allowed'])).toMatchObject({ stdout: 'allowed\n', code: 0 });
    for (const command of ['id', 'echo allowed; id', 'echo allowed ']) {
      const { stdout, stderr, code } = await stack.ssh(stack.limited, [command]);
      expect({ stdout, code }).toEqual({ stdout: '', code: 126 });
      expect(stderr).toContain('names the commands that you may run');
    }
    for (const terminal of ['-T', '-tt']) {
      const shell = await stack.ssh(stack.limited, [terminal, ''], { input: 'id\n' });
      expect(shell).toMatchObject({ code: 126 });
      expect(`${shell.stdout}${shell.stderr}`).toContain('names the commands that you may run');
      expect(shell.stdout).not.toContain('uid=');
    }
    expect(sessionsOf(stack)).toHaveLength(1);
  });

  test('and not even where the image makes a shell of whatever it is asked', async () => {
    const stack = await stackOf(['ForceCommand exec /bin/sh'], {
      commands: [],
      sftp: { access: 'read-only', paths: null },
    });
    for (const args of [['-T', ''], ['id'], ['-s', 'sftp']])
      expect(await stack.ssh(stack.limited, args, { input: 'id\n' })).toMatchObject({ stdout: '', code: 126 });
    expect(sessionsOf(stack)).toEqual([]);
  });

  test('many sessions on one connection: one that may not begin leaves the others alone', async () => {
    const stack = await stackOf([], { commands: ['cat'] });
    const client = await connectRaw(stack, 'through the piper', 'root');
    const cat = await openSession(client, 0);
    exec(client, cat, 'cat');
    await messageOf(client, MSG.CHANNEL_SUCCESS);
    for (let round = 0; round < 20; round++) {
      const refused = await openSession(client, 1);
      exec(client, refused, 'id');
      await messageOf(client, MSG.CHANNEL_CLOSE);
      // What a client writes to a program before it knows better.
      client.send(Buffer.concat([Buffer.of(MSG.CHANNEL_DATA), number(refused), text('to nobody')]));
      client.send(Buffer.concat([Buffer.of(MSG.CHANNEL_CLOSE), number(refused)]));
    }
    client.send(Buffer.concat([Buffer.of(MSG.CHANNEL_DATA), number(cat), text('still here')]));
    await says(client, 'still here');
    client.close();
  });

  test('-R listens on the loopback only, though the image lets clients choose', async () => {
    const stack = await stackOf(['GatewayPorts clientspecified'], { remoteForwarding: 'loopback' });
    for (const [address, granted] of [
      ['localhost', true],
      ['127.0.0.1', true],
      ['', false],
      ['0.0.0.0', false],
      ['::', false],
      ['*', false],
    ] as const) {
      const client = await connectRaw(stack, 'through the piper', 'root');
      expect([address, await listensOn(address, 0)(client)]).toEqual([address, granted]);
      client.close();
    }
  });

  test.each([
    ['a password, too', ['AuthenticationMethods publickey,password']],
    ['another user', ['AllowUsers nobody']],
    ['the right user at the first try', ['MaxAuthTries 1', 'DenyUsers app']],
    ['no keys at all', ['PubkeyAuthentication no', 'PasswordAuthentication yes']],
  ])('that wants %s: a refusal that says what to do', async (_what, config) => {
    const stack = await stackOf(config);
    const { stderr, code } = await stack.ssh(stack.root, ['-o', 'LogLevel=INFO', 'true']);
    expect(code).toBe(255);
    expect(stderr).toMatch(/authorizedKeysPath.*\[mapping-key-refused, connection [0-9a-f]{16}\]/);
  });

  test('a banner of the image goes nowhere, and is no harm', async () => {
    const stack = await stackOf(['Banner /etc/passwd']);
    const { stdout, stderr } = await stack.ssh(stack.root, ['-o', 'LogLevel=INFO', 'echo in']);
    expect([stdout, stderr]).toEqual(['in\n', '']);
  });

  test('no known host key, and another one, are refusals before anything is said', async () => {
    const stack = await stackOf([]);
    const reason = async () => (await stack.ssh(stack.root, ['-o', 'LogLevel=INFO', 'true'])).stderr;
    await stack.setRoute({ hostKeys: [] });
    await expect.poll(reason, { timeout: 30_000 }).toContain('[host-key-unknown,');
    await stack.setRoute({ hostKeys: [PrivateKey.generateEd25519().publicKey.toLine()] });
    await expect.poll(reason, { timeout: 30_000 }).toContain('[host-key-mismatch,');
    expect(stack.auditLines.join('\n')).not.toMatch(/Accepted|Failed|Invalid user/);
  });

  test('a user whose key is gone is cut off, and told why', async () => {
    const stack = await stackOf([]);
    const session = stack.ssh(stack.limited, ['-o', 'LogLevel=INFO', 'sleep 60']);
    await expect.poll(() => sessionsOf(stack), { timeout: 30_000 }).toHaveLength(1);
    await stack.setRoute({ users: stack.route.users.slice(0, 1) });
    const { stderr, code } = await session;
    expect(code).toBe(255);
    expect(stderr).toMatch(/access was revoked.*\[revoked, connection [0-9a-f]{16}\]/);
  });
});

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
