import { startSidecar } from './testing/sidecar-fixture.ts';
import { rootAssertion } from './testing/user-client.ts';
import { buildEnter } from './enter/testing/build-enter.ts';
import { Writer } from '../lib/ssh/wire.ts';
const s = await startSidecar({ enterPath: await buildEnter(), busyboxPath: '/usr/bin/busybox' });
const c = s.connect();
await c.authenticated;
console.log('assert', await c.assert(rootAssertion));
const t = (x: string) => new Writer().string(x).bytes();
{
  const x = await c.session();
  await x.pty(80, 24);
  console.log(await x.request('shell'));
  x.open.write(Buffer.from('echo "0=$0"; sleep 100\n'));
  await new Promise((r) => setTimeout(r, 500));
  console.log(x.result);
  x.open.write(Buffer.from('\u0003'));
  x.open.write(Buffer.from('exit 5\n'));
  await new Promise((r) => setTimeout(r, 500));
  console.log(x.result);
}
{
  const x = await c.session();
  await x.request('subsystem', t('sftp'));
  x.open.write(new Writer().uint32(5).byte(1).uint32(3).bytes());
  await new Promise((r) => setTimeout(r, 500));
  console.log(x.result);
  x.open.close();
}
{
  const x = await c.session();
  await x.request('exec', t('yes'));
  await x.until('y\n');
  x.open.discard();
  const r = await x.done;
  console.log(r.code, r.signal, r.stderr, r.stdout.length);
}
{
  const x = await c.session();
  await x.request('exec', t('exec <&-; echo closed; sleep 0.3; echo done'));
  await x.until('closed');
  console.log('w', x.open.write(Buffer.alloc(4 * 2 ** 20)));
  const r = await x.done;
  console.log(r.code, r.signal, r.stderr, r.stdout.length, x.requests);
}
await c.close();
await s.close();
