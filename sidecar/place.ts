import type { IdentityAssertion } from '../crds/identity-assertion.ts';
import { type Account, accountOf } from './account.ts';
import type { AppEntrance } from './app-sockets.ts';
import type { AppTracker } from './app-tracker.ts';
import type { SidecarConfig } from './config.ts';
import type { Counts } from './counts.ts';
import { placeArguments } from './enter-arguments.ts';
import { type Entry, sessionEntry } from './entry.ts';
import { parseEnviron } from './environment.ts';
import type { Leftovers } from './leftovers.ts';
import { type Identity, sessionIdentity, type SidecarIds } from './identity.ts';

/** What it takes to find out where in this pod a user's programs run. */
export type Place = {
  config: SidecarConfig;
  tracker: AppTracker;
  sidecar: SidecarIds;
  /** What sessions have running here, and what they have left. */
  leftovers: Leftovers;
  /** What has been done here. */
  counts: Counts;
};

/** Where something of a user's runs, and as whom. */
export type Placement = { entry: Entry; identity: Identity; account: Account };

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
  const app = entry.kind === 'chroot' ? entry.app : undefined;
  const account = accountOf({
    role,
    uid: identity.uid,
    passwd: app?.passwd.toString('utf8'),
    appHome: identity.uid === app?.uid ? parseEnviron(app.environ).get('HOME')?.toString() : undefined,
  });
  return { entry, identity, account };
}

/** How the user's sockets and files in the app are reached, as it is now. */
export async function entranceOf(place: Place, assertion: IdentityAssertion): Promise<AppEntrance> {
  const placement = await situate(place, assertion);
  return { enterPath: place.config.enterPath, arguments: placeArguments(placement) };
}
