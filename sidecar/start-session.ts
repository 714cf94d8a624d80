import type { IdentityAssertion } from '../crds/identity-assertion.ts';
import { accountOf } from './account.ts';
import type { AppTracker } from './app-tracker.ts';
import type { SidecarConfig } from './config.ts';
import { enterArguments } from './enter-arguments.ts';
import { type Entry, sessionEntry } from './entry.ts';
import { parseEnviron, type SessionConnection, sessionEnvironment, withoutPlaces } from './environment.ts';
import { type Identity, sessionIdentity, type SidecarIds } from './identity.ts';
import type { Outcome } from './outcome.ts';
import { type Program, startProgram } from './program.ts';
import type { ProgramStart } from './session.ts';

/** What starting a program needs besides the session itself. */
export type Place = {
  config: SidecarConfig;
  tracker: AppTracker;
  sidecar: SidecarIds;
};

export type SessionUser = { assertion: IdentityAssertion; connection: SessionConnection };

/** Who this process is. */
export const ownIds = (): SidecarIds => ({
  uid: process.getuid?.() ?? -1,
  gid: process.getgid?.() ?? -1,
});

/** Looks at the app as it is now, decides where and as whom the session runs, and starts its program there. */
export async function startSession(
  place: Place,
  user: SessionUser,
  start: ProgramStart,
  onEnd: (outcome: Outcome) => void,
): Promise<Program | undefined> {
  const { config, tracker, sidecar } = place;
  const entry = sessionEntry({
    sessionEntry: config.sessionEntry,
    container: config.container,
    privileged: sidecar.uid === 0,
    isolated: config.processNamespace === 'isolated',
    found: await tracker.inspect(),
    history: tracker.history,
    now: performance.now(),
  });
  if (start.channel.closing) return undefined;
  const { role, uidOffset } = user.assertion;
  const { rootUid, limitedUid } = config;
  const identity = sessionIdentity({
    role,
    entry: entry.kind,
    app: entry.app,
    rootUid,
    limitedUid,
    uidOffset,
    sidecar,
  });
  announce(entry, start);
  return startProgram(programSpec(config, user, start, { entry, identity }), start, onEnd);
}

function announce(entry: Entry, { request, terminal, channel }: ProgramStart): void {
  if (entry.kind !== 'toolbox' || request.type === 'sftp') return;
  if (request.type === 'exec' && !entry.unexpected) return;
  if (terminal === undefined) channel.write(Buffer.from(`${entry.notice}\n`), true);
  else channel.write(Buffer.from(`${entry.notice}\r\n`));
}

function programSpec(
  config: SidecarConfig,
  { assertion, connection }: SessionUser,
  { request, terminal, clientVariables }: ProgramStart,
  { entry, identity }: { entry: Entry; identity: Identity },
) {
  const { role } = assertion;
  const inApp = entry.kind === 'chroot' ? entry.app : undefined;
  const variables = parseEnviron(entry.app?.environ ?? Buffer.alloc(0));
  const app = inApp === undefined ? withoutPlaces(variables) : variables;
  const account = accountOf({
    role,
    uid: identity.uid,
    passwd: inApp?.passwd.toString('utf8'),
    appHome: identity.uid === inApp?.uid ? app.get('HOME') : undefined,
  });
  const launch = { request, entry, identity, account, terminal };
  return {
    enterPath: config.enterPath,
    arguments: enterArguments(launch, config.busyboxPath),
    environment: sessionEnvironment({
      role,
      app,
      client: clientVariables,
      account,
      term: terminal?.term,
      connection,
    }),
  };
}
