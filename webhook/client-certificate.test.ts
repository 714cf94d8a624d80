/** F2: with a CA of its clients, the webhook answers an API server and nobody else, and nobody takes its places from it. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { createLogger } from '../lib/process/logger.ts';
import { Config } from './config.ts';
import { WebhookMetrics } from './metrics.ts';
import { admissionServer } from './server.ts';
import { readCertificate, tlsOptions } from './serving-certificate.ts';

const folder = mkdtempSync(join(tmpdir(), 'sshaccess-webhook-'));
const at = (file: string): string => join(folder, file);
const pem = (name: string): string => readFileSync(at(`${name}.crt`), 'utf8');

/** A key and a certificate, of itself or of `authority`. */
function certify(name: string, authority?: string): void {
  const ca = authority === undefined ? [] : ['-CA', at(`${authority}.crt`), '-CAkey', at(`${authority}.key`)];
  const kind = ['-addext', `basicConstraints=critical,CA:${authority === undefined ? 'TRUE' : 'FALSE'}`];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.crt`)];
  execFileSync('openssl', ['req', '-x509', ...key, '-subj', `/CN=${name}`, ...ca, ...kind, ...files], {
    stdio: 'ignore',
  });
}

const metrics = new WebhookMetrics();
let server: ReturnType<typeof admissionServer>;
let port = 0;
let reviews = 0;

beforeAll(async () => {
  certify('tls');
  certify('authority');
  certify('other');
  certify('api-server', 'authority');
  certify('mallory', 'other');
  server = admissionServer(await readCertificate(folder), {
    answer: async ({ uid, namespace }) => {
      reviews++;
      return {
        response: { uid, allowed: true },
        record: { namespace, pod: 'web', dryRun: false, decision: 'unchanged' },
      };
    },
    isStopping: () => false,
    clientCA: pem('authority'),
    metrics,
    log: createLogger('webhook', { level: 'silent' }),
  });
  await server.listen({ port: 0, host: '127.0.0.1' });
  port = z.object({ port: z.int() }).parse(server.server.address()).port;
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** With an error or without. */
const closed = (socket: TLSSocket): Promise<void> =>
  new Promise((resolve) => void (socket.closed ? resolve() : socket.once('close', resolve)));

/** A connection that has said all it has to say of TLS. */
async function call(who?: 'api-server' | 'mallory', from = '127.0.0.1'): Promise<TLSSocket> {
  const own = who === undefined ? {} : { cert: pem(who), key: readFileSync(at(`${who}.key`)) };
  const socket = net.connect({ host: '127.0.0.1', port, localAddress: from });
  const secured = connect({ socket, ca: pem('tls'), servername: 'tls', checkServerIdentity: () => undefined, ...own });
  onTestFinished(() => void secured.destroy());
  secured.on('error', () => undefined);
  await Promise.race([once(secured, 'secureConnect'), closed(secured)]);
  return secured;
}

/** What is answered to a review on it; '' where it is closed instead. */
async function review(socket: TLSSocket): Promise<string> {
  const request = {
    uid: 'u',
    kind: { version: 'v1', kind: 'Pod' },
    operation: 'CREATE',
    namespace: 'acme',
    object: {},
  };
  const body = JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
  const head = `POST /mutate-pods HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  const answered = new Promise<string>((resolve) => socket.once('data', (data: Buffer) => resolve(data.toString())));
  socket.write(`${head}\r\n\r\n${body}`);
  const said = await Promise.race([answered, closed(socket).then(() => '')]);
  return said.split('\r\n', 1)[0] ?? '';
}

test('F2: who has a certificate of the CA is answered; with that of another, or without, the connection ends', async () => {
  const before = reviews;
  for (const who of ['mallory', undefined] as const) expect(await review(await call(who))).toBe('');
  expect(reviews).toBe(before);
  expect(await review(await call('api-server'))).toBe('HTTP/1.1 200 OK');
});

test('F2: nor is anybody else answered once the serving certificate has been renewed', async () => {
  certify('tls');
  server.server.setSecureContext(tlsOptions(await readCertificate(folder), pem('authority')));
  for (const who of ['mallory', undefined] as const) expect(await review(await call(who))).toBe('');
  expect(await review(await call('api-server'))).toBe('HTTP/1.1 200 OK');
});

test('F2: those who are in as many places as there are connections take none from the API server', async () => {
  const held = await Promise.all(Array.from({ length: 5 }, () => call('api-server')));
  for (const socket of held) expect(await review(socket)).toBe('HTTP/1.1 200 OK');
  // Without a word of TLS, and each from an address of its own: nobody there has more than another.
  const strangers = Array.from({ length: 600 }, (_, index) => {
    const localAddress = `127.1.${Math.floor(index / 200)}.${(index % 200) + 1}`;
    return net.connect({ host: '127.0.0.1', port, localAddress });
  });
  onTestFinished(() => strangers.forEach((socket) => void socket.destroy()));
  for (const socket of strangers) socket.on('error', () => undefined).resume();
  const open = (): number => strangers.filter((socket) => !socket.closed).length;
  await expect.poll(open, { timeout: 20_000 }).toBeLessThanOrEqual(500);
  for (const socket of held) expect(await review(socket)).toBe('HTTP/1.1 200 OK');
  expect(await review(await call('api-server'))).toBe('HTTP/1.1 200 OK');
});

test('F2: the certificate of docs/operations.md is one that is let in', async () => {
  const document = readFileSync(join(import.meta.dirname, '../docs/operations.md'), 'utf8');
  const line = /^openssl req .*$/m.exec(document)?.[0] ?? '';
  const alone = mkdtempSync(at('document-'));
  execFileSync('sh', ['-c', line], { cwd: alone, stdio: 'ignore' });
  const [own, key] = ['crt', 'key'].map((end) => readFileSync(join(alone, `webhook-client.${end}`), 'utf8'));
  const both = `${pem('authority')}${own}`;
  expect(Config.shape.CLIENT_CA.safeParse(own).success).toBe(true);
  server.server.setSecureContext(tlsOptions(await readCertificate(folder), both));
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, cert: own, key });
  onTestFinished(() => void socket.destroy());
  expect(await review(socket)).toBe('HTTP/1.1 200 OK');
  expect(await review(await call('api-server'))).toBe('HTTP/1.1 200 OK');
  expect(await review(await call('mallory'))).toBe('');
});

test('F2: what is no CA is refused at the start, and not each API server after it', () => {
  const environment = { POD_NAMESPACE: 'sys', SIDECAR_IMAGE: 'sidecar' };
  expect(Config.safeParse({ ...environment, CLIENT_CA: pem('authority') }).success).toBe(true);
  for (const wrong of ['ca.crt', pem('api-server'), pem('authority').slice(0, 200)])
    expect(Config.safeParse({ ...environment, CLIENT_CA: wrong }).success).toBe(false);
});
