/** SSH libraries that others build their programs on. Each script here fails by itself, and ends with a word. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { succeed } from '../support/process.ts';
import { type Bench, describeClient } from './describe-client.ts';
import { goProgram } from './go-program.ts';

/** Runs a client with host, port, user, key and a folder as its arguments. */
async function passes(bench: Bench, ...program: string[]): Promise<void> {
  const { host, port, root, folder } = bench;
  const stdout = await succeed([...program, host, String(port), root.user, root.key, folder], { timeoutMs: 120_000 });
  expect(stdout).toBe('passed\n');
}

const python = (bench: Bench, script: string): Promise<void> =>
  passes(bench, join(bench.bin, 'python'), join(import.meta.dirname, 'python', script));

describeClient('paramiko', (works) => {
  works('a command, a terminal, sftp, direct-tcpip, keepalives', (bench) => python(bench, 'paramiko_client.py'));
});

describeClient('asyncssh', (works) => {
  works('a command, a signal, sftp, local forwarding, keepalives; remote forwarding is refused', (bench) =>
    python(bench, 'asyncssh_client.py'),
  );
});

describeClient('libssh2', (works) => {
  works('a command and sftp', (bench) => python(bench, 'libssh2_client.py'));
});

describeClient('go', (works) => {
  works('a command, sftp both ways, a dial to the loopback of the pod', async (bench) =>
    passes(bench, await goProgram('go-sftp', join(import.meta.dirname, 'go-sftp'))),
  );
});
