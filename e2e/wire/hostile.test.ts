/** B6: what a client may do once its key is known. The server goes on serving others, and its memory is bounded. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MSG } from '../../lib/ssh/numbers.ts';
import { Writer } from '../../lib/ssh/wire.ts';
import { channelData, channelOpen, channelRequest, globalRequest, short, text } from '../../piper/testing/messages.ts';
import type { RawClient } from '../../piper/testing/raw-client.ts';
import { forgetPeak, memory } from './memory.ts';
import { startStack, type Stack } from './stack.ts';
import { connectRaw, exec, messageOf, openSession, served, type Way, WAYS } from './ways.ts';

/**
 * What one connection may cost each of our processes, in MiB, beyond what it needs to serve at all. Ten sessions whose
 * programs read nothing are 20 MiB of windows; the rest, up to 123 in these tests, is what V8 has not collected yet.
 */
const MOST_MEMORY = 160;

const MIB = 1024 * 1024;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
}, 180_000);
afterAll(() => stack?.stop());

/** Sends a message again and again, until the server reads no more or has had enough. Answers how many went out. */
async function flood(client: RawClient, message: Buffer, count: number): Promise<number> {
  for (let sent = 0; sent < count; sent++) {
    if (client.link.transport.closed) return sent;
    client.send(message);
    if (!client.link.blocked) continue;
    const room = new Promise<boolean>((resolve) => {
      client.onDrain = () => resolve(true);
    });
    if (!(await Promise.race([room, client.closed.promise.then(() => false), delay(1_000, false)]))) return sent;
  }
  return count;
}

/** What becomes of the client itself: the piper is stricter with strangers, the sidecar with its piper. */
type End = 'it ends' | 'it goes on' | 'only the piper ends it' | 'only the sidecar ends it';
const endsOn = (end: End, way: Way): boolean =>
  end === 'it ends' || end === (way === 'directly' ? 'only the sidecar ends it' : 'only the piper ends it');

/** Waits until all that was sent has been looked at: the server answers, or has ended the connection. */
async function lookedAt(client: RawClient): Promise<void> {
  const answered = new Promise<void>((resolve) => {
    client.onMessage = (payload) => (payload[0] === MSG.REQUEST_FAILURE ? resolve() : undefined);
  });
  if (!client.link.transport.closed) client.send(globalRequest('are-you-there@example.com', true));
  await Promise.race([answered, client.closed.promise]);
}
type Attack = (client: RawClient) => Promise<unknown>;

const windowAdjust = (channel: number, bytes: number): Buffer =>
  new Writer().byte(MSG.CHANNEL_WINDOW_ADJUST).uint32(channel).uint32(bytes).bytes();

const attacks: readonly (readonly [string, End, Attack])[] = [
  [
    'a channel that takes no data in a packet, and output for it',
    'only the piper ends it',
    async (client) => {
      client.send(channelOpen('session', 0, undefined, 0));
      await lookedAt(client);
    },
  ],
  [
    'a window of 4 GiB, and not reading',
    'it goes on',
    async (client) => {
      exec(client, await openSession(client, 0, 0xffffffff), 'cat /dev/zero');
      client.link.pause();
      await delay(3_000);
    },
  ],
  [
    'ten of them',
    'it goes on',
    async (client) => {
      for (let number = 0; number < 10; number++)
        exec(client, await openSession(client, number, 0xffffffff), 'cat /dev/zero');
      client.link.pause();
      await delay(3_000);
    },
  ],
  [
    'data beyond the window of a program that does not read',
    'it ends',
    async (client) => {
      const channel = await openSession(client);
      exec(client, channel, 'sleep 60');
      await flood(client, channelData(channel, Buffer.alloc(32_000)), 100_000);
      await lookedAt(client);
    },
  ],
  [
    'ten windows filled to the brim',
    'it goes on',
    async (client) => {
      for (let number = 0; number < 10; number++) {
        const channel = await openSession(client, number);
        exec(client, channel, 'sleep 60');
        await flood(client, channelData(channel, Buffer.alloc(32_000)), Math.floor((2 * MIB) / 32_000));
      }
    },
  ],
  [
    'a window of one-byte messages',
    'it goes on',
    async (client) => {
      const channel = await openSession(client);
      exec(client, channel, 'sleep 60');
      await flood(client, channelData(channel, 'x'), 200_000);
    },
  ],
  [
    '100,000 channels',
    'it goes on',
    async (client) => {
      client.onMessage = () => undefined;
      for (let number = 0; number < 100_000; number += 1_000) {
        const opens = Array.from({ length: 1_000 }, (_, index) => channelOpen('session', number + index));
        // A number that is in use must not be used again, so these are 100,000 different ones.
        for (const open of opens) await flood(client, open, 1);
      }
    },
  ],
  [
    'a million window adjustments',
    'it goes on',
    async (client) => {
      const channel = await openSession(client);
      await flood(client, windowAdjust(channel, 1), 1_000_000);
    },
  ],
  [
    'a window that is made larger than there are numbers',
    'it ends',
    async (client) => {
      const channel = await openSession(client);
      await flood(client, windowAdjust(channel, 0xffffffff), 2);
      await lookedAt(client);
    },
  ],
  [
    'global requests without reading the answers',
    'it goes on',
    async (client) => {
      client.link.pause();
      await flood(client, globalRequest('flood@example.com', true, text('x'.repeat(1_000))), 200_000);
    },
  ],
  [
    'keepalives without reading the answers',
    'only the piper ends it',
    async (client) => {
      client.link.pause();
      await flood(client, globalRequest('keepalive@openssh.com', true), 2_000_000);
    },
  ],
  [
    'channel requests without reading the answers',
    'it goes on',
    async (client) => {
      const channel = await openSession(client);
      client.link.pause();
      await flood(client, channelRequest(channel, 'flood@example.com', true), 2_000_000);
    },
  ],
  [
    'pings without reading the answers',
    'only the sidecar ends it',
    async (client) => {
      client.link.pause();
      await flood(client, new Writer().byte(192).string(Buffer.alloc(1_000)).bytes(), 200_000);
    },
  ],
  [
    'unknown messages',
    'it ends',
    async (client) => {
      await flood(client, Buffer.of(199), 1_000_000);
      await lookedAt(client);
    },
  ],
  [
    '100,000 variables, and one terminal after the other',
    'it goes on',
    async (client) => {
      const channel = await openSession(client);
      const variable = new Writer().string('LC_FLOOD').string('x'.repeat(8_000)).bytes();
      await flood(client, channelRequest(channel, 'env', false, variable), 100_000);
      const terminal = new Writer()
        .string('xterm')
        .uint32(80)
        .uint32(24)
        .uint32(0)
        .uint32(0)
        .string(Buffer.alloc(8_000));
      await flood(client, channelRequest(channel, 'pty-req', false, terminal.bytes()), 10_000);
    },
  ],
  [
    'window changes and signals for a program that heeds none',
    'it goes on',
    async (client) => {
      const channel = await openSession(client);
      const terminal = new Writer().string('xterm').uint32(80).uint32(24).uint32(0).uint32(0).string('');
      client.send(channelRequest(channel, 'pty-req', false, terminal.bytes()));
      exec(client, channel, "trap '' WINCH USR1; while :; do sleep 1; done");
      const size = new Writer().uint32(1).uint32(1).uint32(0).uint32(0).bytes();
      await flood(client, channelRequest(channel, 'window-change', false, size), 100_000);
      await flood(client, channelRequest(channel, 'signal', false, text('USR1')), 100_000);
    },
  ],
  [
    'extended data of an unknown kind',
    'it goes on',
    async (client) => {
      const channel = await openSession(client);
      const data = new Writer().byte(MSG.CHANNEL_EXTENDED_DATA).uint32(channel).uint32(7).string('x').bytes();
      await flood(client, data, 100_000);
    },
  ],
  [
    'a message for a channel that is not there',
    'it ends',
    async (client) => {
      client.send(channelData(77, 'x'));
      await lookedAt(client);
    },
  ],
  [
    'a channel closed twice',
    'it ends',
    async (client) => {
      const channel = await openSession(client);
      client.send(short(MSG.CHANNEL_CLOSE, channel));
      client.send(short(MSG.CHANNEL_CLOSE, channel));
      await lookedAt(client);
    },
  ],
  [
    'an answer to a question that nobody asked',
    'it ends',
    async (client) => {
      await flood(client, Buffer.of(MSG.REQUEST_FAILURE), 10);
      await lookedAt(client);
    },
  ],
  [
    'a confirmation of a channel that nobody opened',
    'it ends',
    async (client) => {
      const confirmation = new Writer().byte(MSG.CHANNEL_OPEN_CONFIRMATION).uint32(0).uint32(0);
      client.send(confirmation.uint32(MIB).uint32(32_768).bytes());
      await lookedAt(client);
    },
  ],
  [
    'keyboard-interactive answers, 32 million of them in a few bytes',
    'only the piper ends it',
    async (client) => {
      client.send(
        new Writer()
          .byte(61)
          .uint32(2 ** 25 - 1)
          .bytes(),
      );
      await lookedAt(client);
    },
  ],
  [
    'a packet that says it is 256 MiB long',
    'it ends',
    async (client) => {
      client.socket.write(Buffer.from([0x10, 0, 0, 0, ...Buffer.alloc(64)]));
      await lookedAt(client);
    },
  ],
  [
    'half a packet, and half a connection',
    'it ends',
    async (client) => {
      client.socket.end(Buffer.from([0, 0, 0x40, 0, 1, 2, 3]));
      await lookedAt(client);
    },
  ],
  [
    'an sftp message that says it is 4 GiB long',
    'it goes on',
    async (client) => {
      const channel = await openSession(client);
      client.send(channelRequest(channel, 'subsystem', true, text('sftp')));
      await messageOf(client, MSG.CHANNEL_SUCCESS);
      client.send(channelData(channel, Buffer.from([0xff, 0xff, 0xff, 0xff, 1])));
      await messageOf(client, MSG.CHANNEL_CLOSE);
    },
  ],
];

describe.each(WAYS)('%s', (way: Way) => {
  test.each(attacks)('%s: %s', { timeout: 180_000 }, async (_what, end, attack) => {
    const processes = [stack.piper, stack.pod];
    processes.forEach(forgetPeak);
    const before = processes.map((process) => memory(process, 'VmRSS'));
    const client = await connectRaw(stack, way, 'root');
    await attack(client);
    expect(await served(stack, way)).toBe('served');
    // Whoever does not read hears of the end when they do.
    client.link.resume();
    if (endsOn(end, way)) await expect.poll(() => client.link.transport.closed, { timeout: 30_000 }).toBe(true);
    else expect(client.link.transport.closed).toBe(false);
    for (const [index, process] of processes.entries())
      expect(memory(process, 'VmHWM') - (before[index] ?? 0)).toBeLessThan(MOST_MEMORY);
    client.close();
  });

  test('300 programs, each left at once: none of them stays', { timeout: 120_000 }, async () => {
    const client = await connectRaw(stack, way, 'root');
    for (let number = 0; number < 300; number++) {
      const channel = await openSession(client, number);
      exec(client, channel, `exec sleep ${7_000 + number}`);
      client.send(short(MSG.CHANNEL_CLOSE, channel));
      await messageOf(client, MSG.CHANNEL_CLOSE);
    }
    await expect
      .poll(() => commandLines().filter((line) => /sleep 7\d\d\d/.test(line)), { timeout: 60_000 })
      .toEqual([]);
    client.close();
  });

  test('compression is not offered, and who asks for it gets on without', async () => {
    const { stdout } = await stack.ssh(stack.root, ['-C', 'echo plain']);
    expect(stdout).toBe('plain\n');
  });
});

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });
}
