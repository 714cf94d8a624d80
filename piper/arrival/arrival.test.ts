/** C1: who the client is, with and without a proxy before us. */
import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { keys, startRig } from '../testing/rig.ts';
import { Networks } from './networks.ts';

const LINE = 'PROXY TCP4 192.0.2.1 203.0.113.7 55608 2222\r\n';
const BINARY = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000201cb007107d9380016', 'hex');
const LOCAL = Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex');

async function rigOf(trusted: string) {
  const rig = await startRig({ limits: { trustedProxies: new Networks(trusted) } });
  return rig;
}

/** Sends these pieces, one after the other, and resolves with what came before the connection was closed. */
async function answerTo(port: number, ...pieces: (Buffer | string)[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let answer = '';
  socket.on('data', (data) => (answer += data.toString('latin1'))).on('error', () => undefined);
  for (const piece of pieces) await new Promise<void>((written) => socket.write(piece, () => setImmediate(written)));
  await once(socket, 'close');
  return answer;
}

test.each([
  ['version 1', LINE],
  ['version 2', BINARY],
])(
  "C1: a trusted proxy's header (%s) says who the client is: to the pod, the record and the limits",
  async (_, preface) => {
    const rig = await rigOf('127.0.0.0/8');
    await rig.login('acme-hello', keys.alice, { preface });
    const link = await rig.pod.links.take();
    expect(link.assertion).toMatchObject({ clientAddress: '192.0.2.1', clientPort: 55_608 });
    await expect
      .poll(() => rig.lines.find(({ event }) => event === 'start'))
      .toMatchObject({ clientAddress: '192.0.2.1' });
  },
);

test('C1: a header may come byte by byte', async () => {
  const rig = await rigOf('127.0.0.1');
  const socket = connect({ port: rig.port, host: '127.0.0.1', noDelay: true });
  onTestFinished(() => void socket.destroy());
  for (const byte of BINARY)
    await new Promise<void>((written) => socket.write(Buffer.of(byte), () => setImmediate(written)));
  const [ident] = await once(socket, 'data');
  expect(String(ident)).toMatch(/^SSH-2\.0-/);
});

test('C1: for its own connections a proxy is the client', async () => {
  const rig = await rigOf('127.0.0.1');
  await rig.login('acme-hello', keys.alice, { preface: LOCAL });
  expect((await rig.pod.links.take()).assertion).toMatchObject({ clientAddress: '127.0.0.1' });
});

test('C1: from anybody else a header is no SSH, and names nobody', async () => {
  const rig = await rigOf('10.0.0.0/8');
  for (const header of [LINE, BINARY]) {
    // It comes in place of an ident, or as a line before one (RFC 4253 section 4.2 allows that to servers only).
    await answerTo(rig.port, header, 'SSH-2.0-OpenSSH_9.9\r\n');
  }
  await expect.poll(() => rig.lines.filter(({ event }) => event === 'refused')).toHaveLength(2);
  expect(JSON.stringify(rig.lines)).not.toContain('192.0.2.1');
});

test('C1: a trusted proxy without a header is closed, before a word of ours', async () => {
  const rig = await rigOf('127.0.0.1');
  expect(await answerTo(rig.port, 'SSH-2.0-OpenSSH_9.9\r\n')).toBe('');
  expect(await answerTo(rig.port, LINE.replace('TCP4', 'TCP5'))).toBe('');
  await expect.poll(() => rig.lines.filter(({ msg }) => msg === 'no client behind a proxy')).toHaveLength(2);
});
