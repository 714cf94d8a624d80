import type { IdentityAssertion } from '../crds/identity-assertion.ts';
import type { Role } from '../crds/session-policy.ts';
import { type Account, accountOf } from './account.ts';
import type { AppTracker } from './app-tracker.ts';
import type { SidecarConfig } from './config.ts';
import { enterArguments } from './enter-arguments.ts';
import { type Entry, sessionEntry } from './entry.ts';
import { parseEnviron, type SessionConnection, sessionEnvironment, withoutPlaces } from './environment.ts';
import { type Identity, sessionIdentity, type SidecarIds } from './identity.ts';
import { greeting } from './greeting.ts';
import type { Outcome } from './outcome.ts';
import { type Program, startProgram } from './program.ts';
import type { ProgramStart } from './session.ts';

/** What starting a program needs besides the session itself. */
export type Place = {
  config: SidecarConfig;
  tracker: AppTracker;
  sidecar: SidecarIds;
};

export type SessionUser = {
  assertion: IdentityAssertion;
  connection: SessionConnection;
  since: Date;
  audited: boolean;
};

/** Where something of a user's runs, and as whom. */
export type Placement = { entry: Entry; identity: Identity };

/** Who this process is. */
export const ownIds = (): SidecarIds => ({
  uid: process.getuid?.() ?? -1,
  gid: process.getgid?.() ?? -1,
});

/** Looks at the app as it is now, and decides where and as whom what the user asks for runs. */
export async function situate(place: Place, { role, uidOffset }: IdentityAssertion): Promise<Placement> {
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
  return { entry, identity };
}

/** Starts a session's program where and as whom it is to run. */
export async function startSession(
  place: Place,
  user: SessionUser,
  start: ProgramStart,
  onEnd: (outcome: Outcome) => void,
): Promise<Program | undefined> {
  const { config } = place;
  const situation = await situate(place, user.assertion);
  if (start.channel.closing) return undefined;
  const account = accountIn(situation, user.assertion.role);
  const spec = programSpec(config, user, start, { ...situation, account });
  announce(start, situation.entry, () =>
    greeting({ ...config, ...user, ...user.assertion, entry: situation.entry, account, uid: situation.identity.uid }),
  );
  return startProgram(spec, start, onEnd);
}

/** A shell on a terminal is greeted; of what else runs, only who gets what they did not ask for is told. */
function announce({ request, terminal, channel }: ProgramStart, entry: Entry, greet: () => string[]): void {
  if (request.type === 'shell' && terminal !== undefined) {
    channel.write(
      Buffer.from(
        greet()
          .map((line) => `${line}\r\n`)
          .join(''),
      ),
    );
    return;
  }
  if (entry.kind !== 'toolbox' || request.type === 'sftp') return;
  if (request.type === 'exec' && !entry.unexpected) return;
  if (terminal === undefined) channel.write(Buffer.from(`${entry.notice}\n`), true);
  else channel.write(Buffer.from(`${entry.notice}\r\n`));
}

function accountIn({ entry, identity }: Placement, role: Role): Account {
  const app = entry.kind === 'chroot' ? entry.app : undefined;
  return accountOf({
    role,
    uid: identity.uid,
    passwd: app?.passwd.toString('utf8'),
    appHome: identity.uid === app?.uid ? parseEnviron(app.environ).get('HOME') : undefined,
  });
}

function programSpec(
  config: SidecarConfig,
  { assertion, connection }: SessionUser,
  { request, terminal, clientVariables, ownVariables }: ProgramStart,
  { entry, identity, account }: Placement & { account: Account },
) {
  const { role, policy } = assertion;
  const variables = parseEnviron(entry.app?.environ ?? Buffer.alloc(0));
  const app = entry.kind === 'chroot' ? variables : withoutPlaces(variables);
  const launch = { request, entry, identity, account, terminal, sftp: policy.sftp };
  return {
    enterPath: config.enterPath,
    arguments: enterArguments(launch, config.busyboxPath),
    environment: sessionEnvironment({
      role,
      app,
      client: clientVariables,
      own: ownVariables,
      account,
      term: terminal?.term,
      connection,
    }),
  };
}
