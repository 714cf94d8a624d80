import { type Ceiling } from '../../crds/secret-contract.ts';
import { DEFAULT_POLICIES } from '../../crds/session-policy.ts';
import { createLogger } from '../../lib/process/logger.ts';
import { type Clock, systemClock } from '../../lib/ssh/clock.ts';
import { PrivateKey } from '../../lib/ssh/keys/private-key.ts';
import { trackApp } from '../app-tracker.ts';
import { auditTo } from '../audit.ts';
import type { SidecarConfig } from '../config.ts';
import { Counts } from '../counts.ts';
import { Leftovers } from '../leftovers.ts';
import { SidecarServer } from '../server.ts';
import { ownIds, type Place } from '../place.ts';
import { UserClient } from './user-client.ts';

const log = createLogger('sidecar', { level: process.env['TEST_LOG_LEVEL'] ?? 'silent' });

export const bothRoles: Ceiling = { version: 1, roles: { ...DEFAULT_POLICIES }, auditLogging: true };

export type SidecarFixture = {
  server: SidecarServer;
  mappingKey: PrivateKey;
  hostKey: PrivateKey;
  auditLines: string[];
  port: () => number;
  /** Connects with the mapping key and, unless told not to, waits until it has been accepted. */
  connect: (key?: PrivateKey) => UserClient;
  place: Place;
  close: () => Promise<void>;
};

type FixtureOptions = { ceiling?: Ceiling; config?: Partial<SidecarConfig>; clock?: Clock; firstStartMs?: number };

/** A real sidecar server on a loopback port, with the real helper and no app: sessions open in the toolbox. */
export async function startSidecar(
  helper: { enterPath: string; busyboxPath: string },
  { ceiling = bothRoles, config = {}, clock = systemClock, firstStartMs = 0 }: FixtureOptions = {},
): Promise<SidecarFixture> {
  const stop = new AbortController();
  const hostKey = PrivateKey.generateEd25519();
  const mappingKey = PrivateKey.generateEd25519();
  const auditLines: string[] = [];
  const full: SidecarConfig = {
    container: `app-${process.pid}`,
    sessionEntry: 'toolbox',
    rootUid: undefined,
    limitedUid: 61_000,
    processNamespace: 'shared',
    podName: 'pod',
    namespace: 'acme',
    port: 0,
    metricsPort: 0,
    secretPath: '/nonexistent',
    ...helper,
    ...config,
  };
  const tracker = trackApp(full.enterPath, full.container, { signal: stop.signal, firstStartMs });
  const audit = auditTo({ write: (line) => auditLines.push(line) });
  const place = { config: full, tracker, sidecar: ownIds(), leftovers: new Leftovers(), counts: new Counts() };
  const server = new SidecarServer({ port: 0, place, audit, log, clock });
  await server.setAccess({ hostKey, mappingKeys: [mappingKey.publicKey], ceiling });
  const port = (): number => server.port ?? 0;
  return {
    server,
    mappingKey,
    hostKey,
    auditLines,
    place,
    port,
    connect: (key = mappingKey) => new UserClient({ port: port(), key, hostKey: hostKey.publicKey }),
    close: async () => {
      stop.abort();
      await server.close();
    },
  };
}
