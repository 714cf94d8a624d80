import type { Role } from '../crds/session-policy.ts';
import { passwdEntry } from './passwd.ts';

/** The user that a session's programs take themselves for; without a home, the helper makes one (enter/home.h). */
export type Account = { name: string; home: string | undefined; shell: string };

const DEFAULT_SHELL = '/bin/sh';
// The account of a service such as www-data; who has a key to the pod may have a shell as the app.
const NO_LOGIN = /\/(nologin|false|true|sync|halt|shutdown)$/;

/** Nobody's home, though images and pods say so: what others leave there (.profile, .gitconfig) would be the session's. */
const SHARED = /^\/+(tmp|var\/+tmp|dev\/+shm)(\/+\.?)*$/;

export type AccountInput = {
  role: Role;
  uid: number;
  /** The app's passwd file; undefined in the toolbox. */
  passwd: string | undefined;
  /** HOME in the app's environment, where the session runs as the app's own uid. */
  appHome: string | undefined;
};

/** Name, home and shell of a session, also where the image has no entry for its uid. */
export function accountOf({ role, uid, passwd, appHome }: AccountInput): Account {
  const entry = passwd === undefined ? undefined : passwdEntry(passwd, uid);
  const absolute = (path: string | undefined): string | undefined =>
    path?.startsWith('/') === true ? path : undefined;
  const shell = absolute(entry?.shell);
  const home = appHome ?? absolute(entry?.home) ?? (uid === 0 ? '/root' : undefined);
  return {
    name: entry?.name ?? (uid === 0 ? 'root' : role === 'limited' ? 'limited' : 'sshaccess'),
    home: home === undefined || SHARED.test(home) ? undefined : home,
    shell: shell === undefined || NO_LOGIN.test(shell) ? DEFAULT_SHELL : shell,
  };
}
