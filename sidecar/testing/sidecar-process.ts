import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { SIDECAR_ENV } from '../../crds/injection-record.ts';
import { POD_SECRET_KEYS } from '../../crds/secret-contract.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { bothRoles } from './sidecar-fixture.ts';
import { UserClient } from './user-client.ts';

const LogLine = z.looseObject({ level: z.string(), msg: z.string(), port: z.number().optional() });

/** `node sidecar/main.ts` as a process of its own, with a Secret in a folder. @param metricsPort 0: none */
export async function runSidecar(enterPath: string, metricsPort = 0) {
  const secretPath = await mkdtemp(join(tmpdir(), 'sidecar-'));
  const hostKey = PrivateKey.generateEd25519();
  const mappingKey = PrivateKey.generateEd25519();
  const child = spawn(process.execPath, ['--max-semi-space-size=1', join(import.meta.dirname, '../main.ts')], {
    env: {
      PATH: process.env['PATH'],
      [SIDECAR_ENV.container]: `app-${process.pid}`,
      [SIDECAR_ENV.sessionEntry]: 'toolbox',
      [SIDECAR_ENV.limitedUid]: '61000',
      // There is no app to see, and none to wait for.
      [SIDECAR_ENV.processNamespace]: 'isolated',
      ...(metricsPort !== 0 && { [SIDECAR_ENV.metricsPort]: `${metricsPort}` }),
      SSHACCESS_PORT: '0',
      SSHACCESS_SECRET_PATH: secretPath,
      SSHACCESS_ENTER_PATH: enterPath,
      SSHACCESS_BUSYBOX_PATH: '/bin/busybox',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: z.infer<typeof LogLine>[] = [];
  const stderr: string[] = [];
  createInterface(child.stdout).on('line', (line) => log.push(LogLine.parse(JSON.parse(line))));
  createInterface(child.stderr).on('line', (line) => stderr.push(line));
  const port = (): number | undefined => log.findLast(({ msg }) => msg === 'listening')?.port;
  return {
    log,
    stderr,
    port,
    connect: () => new UserClient({ port: port() ?? 0, key: mappingKey, hostKey: hostKey.publicKey }),
    publish: async (): Promise<void> => {
      await writeFile(join(secretPath, POD_SECRET_KEYS.hostKey), hostKey.toOpenSsh());
      await writeFile(join(secretPath, POD_SECRET_KEYS.mappingKeyPublic), mappingKey.publicKey.toLine());
      await writeFile(join(secretPath, POD_SECRET_KEYS.ceiling), JSON.stringify(bothRoles));
    },
    withdraw: () => rm(join(secretPath, POD_SECRET_KEYS.ceiling)),
    /** Resident memory in MiB: `VmRSS` now, `VmHWM` at its highest. */
    memory: (field: 'VmRSS' | 'VmHWM'): number => {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
    },
    /** Ports of TCP that it listens at (proc(5): state 0A is LISTEN). */
    listeningSockets: (): number => {
      const descriptors = readdirSync(`/proc/${child.pid}/fd`).flatMap((fd) => inodeOf(`/proc/${child.pid}/fd/${fd}`));
      const lines = ['tcp', 'tcp6'].flatMap((table) => readFileSync(`/proc/net/${table}`, 'latin1').split('\n'));
      const listening = lines.map((line) => line.trim().split(/\s+/)).filter((fields) => fields[3] === '0A');
      return listening.filter((fields) => descriptors.includes(fields[9] ?? '')).length;
    },
    stop: async (): Promise<number | null> => {
      if (child.exitCode === null) {
        child.kill('SIGTERM');
        await once(child, 'exit');
      }
      await rm(secretPath, { recursive: true, force: true });
      return child.exitCode;
    },
  };
}

/** Of a socket; what is none, or has just been closed, has none. */
function inodeOf(descriptor: string): string[] {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(descriptor))?.slice(1) ?? [];
  } catch {
    return [];
  }
}
