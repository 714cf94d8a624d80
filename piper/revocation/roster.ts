import type { Resident } from '../../crds/index.ts';
import type { Login } from '../directory/route-table.ts';

/**
 * Who of a route may have something running in its pods: by which keys, as far as that is known of what certificates let in.
 * @param logins what those usernames stand for now: a username that two routes claim stands for nobody
 * @param trustsAuthorities whether there are authorities that certify every user
 */
export function residentsOf(
  uid: string,
  logins: readonly (Login | undefined)[],
  trustsAuthorities: boolean,
  now: number,
): Resident[] {
  return logins
    .filter((login) => login !== undefined)
    .filter(({ route, expiresAt }) => route.uid === uid && route.enabled && expiresAt > now)
    .map(({ user: { username, role, uidOffset }, keys }) => {
      const valid = keys.filter(({ options }) => options.expiresAt > now);
      const isCertified = trustsAuthorities || valid.some(({ options }) => options.isAuthority);
      const fingerprints = isCertified ? null : [...new Set(valid.map(({ key }) => key.fingerprint))];
      return { username, role, uidOffset, fingerprints };
    });
}
