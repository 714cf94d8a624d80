/** `npm run bench -- CASE`: figures as Markdown. Fails where it cannot measure, never because a figure is bad; but the fuzzer, where it finds a fault. */
import { cpus } from 'node:os';
import { build } from '../scripts/build.ts';
import { attempt } from '../scripts/machine/command.ts';
import { messageOf, SetupError } from '../scripts/machine/errors.ts';
import { benchCrowd } from './load/crowd.ts';
import { benchFuzz } from './load/fuzz.ts';
import { benchPiper } from './piper/piper.ts';
import { benchSidecar } from './sidecar.ts';
import { benchSize } from './size.ts';
import { benchTable } from './table/table.ts';

const CASES = {
  crowd: benchCrowd,
  fuzz: benchFuzz,
  piper: benchPiper,
  sidecar: benchSidecar,
  size: benchSize,
  table: benchTable,
};

const isCase = (name: string): name is keyof typeof CASES => Object.hasOwn(CASES, name);

async function machine(): Promise<string> {
  const ssh = await attempt('ssh', ['-V']);
  return `${cpus().length} cores, Node ${process.version}, ${ssh.stderr.trim()}`;
}

async function main([name = '', ...options]: readonly string[]): Promise<void> {
  if (!isCase(name)) throw new SetupError('USAGE', `Name a case: npm run bench -- ${Object.keys(CASES).join('|')}`);
  await build();
  const figures = await CASES[name](options);
  console.log(`npm run bench -- ${name}: ${await machine()}\n\n${figures}`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  console.error(`npm run bench: ${messageOf(error)}`);
  process.exitCode = 1;
}
