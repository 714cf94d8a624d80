/** B2: what ssh-audit says about both servers, and about what each kind of client is offered. */
import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { z } from 'zod';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { pythonEnvironment } from '../clients/python-environment.ts';
import { complaints } from '../support/ssh-audit.ts';
import { startStack, type Stack } from './stack.ts';

let stack: Stack;
beforeAll(async () => {
  // Made once on a machine.
  await pythonEnvironment();
  stack = await startStack();
}, 600_000);
afterAll(() => stack?.stop());

const PATIENCE = { timeout: 180_000 };

/** What no option could remove, each with its reason; all else is a failure of the test. */
const LET_PASS: readonly RegExp[] = [
  // Every OpenSSH before 9.9, PuTTY before 0.81 and all libraries of their age have no hybrid. Ours is offered first.
  /^warn curve25519-sha256(@libssh\.org)?: does not provide protection against post-quantum attacks$/,
];
/** Nor this: it is the only MAC that Dropbear and libssh2 before 1.11 have, and nobody else is offered it. */
const MAC_OVER_PLAINTEXT = /^warn hmac-sha2-256: using encrypt-and-MAC mode$/;

const besides = (allowed: readonly RegExp[], found: readonly string[]): string[] =>
  found.filter((complaint) => !allowed.some((pattern) => pattern.test(complaint)));

/** A relay that puts another ident in place of the client's: ssh-audit calls itself OpenSSH. It has an address of its own. */
async function callingItself(ident: string, port: number, localAddress: string): Promise<number> {
  const server = createServer((client) => {
    const upstream = connect({ port, host: '127.0.0.1', localAddress });
    for (const socket of [client, upstream])
      socket.on('error', () => undefined).on('close', () => [client, upstream].forEach((each) => each.destroy()));
    upstream.write(`SSH-2.0-${ident}\r\n`);
    upstream.pipe(client);
    passWithoutFirstLine(client, upstream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return z.object({ port: z.number() }).parse(server.address()).port;
}

function passWithoutFirstLine(from: Socket, to: Socket): void {
  let line = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    line = Buffer.concat([line, chunk]);
    const end = line.indexOf('\n') + 1;
    if (end === 0) return;
    from.off('data', read);
    to.write(line.subarray(end));
    from.pipe(to);
  };
  from.on('data', read);
}

test(
  'B2: ssh-audit finds nothing in the piper that could be left out, nor gets connections too fast',
  PATIENCE,
  async () => {
    expect(besides(LET_PASS, await complaints('127.0.0.1', stack.port, { rate: true }))).toEqual([]);
  },
);

test('B2: nor in the sidecar', PATIENCE, async () => {
  expect(besides(LET_PASS, await complaints('127.0.0.1', stack.podPort))).toEqual([]);
});

test.each([
  ['AsyncSSH_2.24.1', '127.0.0.41', LET_PASS],
  ['libssh2_1.10.0', '127.0.0.42', [...LET_PASS, MAC_OVER_PLAINTEXT]],
] as const)('B2: nor in what a client that calls itself %s is offered', PATIENCE, async (ident, address, allowed) => {
  const port = await callingItself(ident, stack.port, address);
  const found = await complaints('127.0.0.1', port);
  expect(besides(allowed, found)).toEqual([]);
  expect(found.some((complaint) => MAC_OVER_PLAINTEXT.test(complaint))).toBe(allowed.length > LET_PASS.length);
});
