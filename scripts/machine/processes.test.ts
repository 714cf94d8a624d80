import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isAlive, killExactly, namespaceOf, processesOf, processId } from './processes.ts';

test('a process is known by its pid and its start time', async () => {
  const self = await processId(process.pid);
  expect(self).toMatchObject({ pid: process.pid });
  expect(self?.startTime).toMatch(/^\d+$/);
  expect(await processId(2 ** 22 + 1)).toBeUndefined();
});

test('a process that has inherited the pid of another is not killed in its place', async () => {
  const child = spawn('sleep', ['30']);
  const id = await processId(child.pid ?? 0);
  if (id === undefined) throw new Error('sleep did not start');
  await killExactly({ pid: id.pid, startTime: '1' });
  expect(await isAlive(id)).toBe(true);
  await killExactly(id);
  await once(child, 'close');
  expect(await isAlive(id)).toBe(false);
});

test('a process of several threads lives until the last of them has ended', async () => {
  const program = [
    'import ctypes, os, threading',
    'threading.Thread(target=os.read, args=(0, 1)).start()',
    'ctypes.CDLL(None).pthread_exit(None)',
  ];
  const child = spawn('python3', ['-c', program.join('\n')]);
  const stat = (): string => readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  await expect.poll(stat, { timeout: 50_000 }).toContain(') Z ');
  const id = await processId(child.pid ?? 0);
  if (id === undefined) throw new Error('it has ended');
  await killExactly(id);
  await once(child, 'close');
  expect(await isAlive(id)).toBe(false);
});

test('processes are found by the whole path of their program, not by a part of it', async () => {
  const child = spawn('sleep', ['31'], { argv0: '/var/lib/sshaccess/unit/node-init' });
  await once(child, 'spawn');
  const found = await processesOf('/var/lib/sshaccess/unit/node-init');
  expect(found.map(({ pid }) => pid)).toEqual([child.pid]);
  expect(await processesOf('/var/lib/sshaccess/uni')).toEqual([]);
  child.kill('SIGKILL');
  await once(child, 'close');
});

test('a namespace of a process that is gone is unknown', async () => {
  expect(await namespaceOf(process.pid, 'pid')).toMatch(/^pid:\[\d+\]$/);
  expect(await namespaceOf(2 ** 22 + 1, 'pid')).toBeUndefined();
});
