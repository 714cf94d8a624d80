import { expect, test } from 'vitest';
import { knownHoles } from './known-holes.ts';

const REGRESSHION = 'CVE-2024-6387';
const PINGS = 'CVE-2025-26466';
/** As a word: `?` where the distribution may have closed it. */
const holes = (ident: string) => knownHoles(ident).map(({ cve, isSure }) => (isSure ? cve : `${cve}?`));

test.each([
  // Debian 11, 12, 13
  ['OpenSSH_8.4p1 Debian-5+deb11u3', []],
  ['OpenSSH_9.2p1 Debian-2', [REGRESSHION]],
  ['OpenSSH_9.2p1 Debian-2+deb12u2', [REGRESSHION]],
  ['OpenSSH_9.2p1 Debian-2+deb12u3', []],
  ['OpenSSH_9.2p1 Debian-2+deb12u7 sshaccess-setup-1', []],
  ['OpenSSH_9.2p1 Debian-2+deb12u10', []],
  ['OpenSSH_10.0p1 Debian-7', []],
  // Debian between releases
  ['OpenSSH_9.7p1 Debian-5', [REGRESSHION, `${PINGS}?`]],
  ['OpenSSH_9.7p1 Debian-7', [`${PINGS}?`]],
  ['OpenSSH_9.6p1 Debian-4', [`${REGRESSHION}?`, `${PINGS}?`]],
  ['OpenSSH_9.9p1 Debian-3', [`${PINGS}?`]],
  ['OpenSSH_9.9p2 Debian-1', []],
  // Ubuntu 20.04, 22.04, 23.10, 24.04, 24.10
  ['OpenSSH_8.2p1 Ubuntu-4ubuntu0.11', []],
  ['OpenSSH_8.9p1 Ubuntu-3ubuntu0.7', [REGRESSHION]],
  ['OpenSSH_8.9p1 Ubuntu-3ubuntu0.10', []],
  ['OpenSSH_9.3p1 Ubuntu-1ubuntu3.5', [REGRESSHION]],
  ['OpenSSH_9.3p1 Ubuntu-1ubuntu3.6', []],
  ['OpenSSH_9.6p1 Ubuntu-3ubuntu13', [REGRESSHION, PINGS]],
  ['OpenSSH_9.6p1 Ubuntu-3ubuntu13.3', [PINGS]],
  ['OpenSSH_9.6p1 Ubuntu-3ubuntu13.8', []],
  ['OpenSSH_9.6p1 Ubuntu-3ubuntu13.14', []],
  ['OpenSSH_9.7p1 Ubuntu-7ubuntu4.1', [PINGS]],
  ['OpenSSH_9.7p1 Ubuntu-7ubuntu4.3', []],
  // A rebuild of which nobody knows what is in it
  ['OpenSSH_9.2p1 Debian-2+deb12u3~bpo11+1', [REGRESSHION]],
  // Others say neither their patch nor their revision: Alpine 3.19 to 3.21, RHEL 9
  ['OpenSSH_8.4', []],
  ['OpenSSH_8.5', [`${REGRESSHION}?`]],
  ['OpenSSH_8.7', [`${REGRESSHION}?`]],
  ['OpenSSH_9.4', [`${REGRESSHION}?`]],
  ['OpenSSH_9.5', [`${REGRESSHION}?`, `${PINGS}?`]],
  ['OpenSSH_9.7 sshaccess-setup-1 sshaccess-bootstrap-failed', [`${REGRESSHION}?`, `${PINGS}?`]],
  ['OpenSSH_9.8', [`${PINGS}?`]],
  ['OpenSSH_9.9', [`${PINGS}?`]],
  ['OpenSSH_10.0', []],
  ['OpenSSH_10.2', []],
  ['OpenSSH_9.2p1 Raspbian-2+deb12u2', [`${REGRESSHION}?`]],
  // Not OpenSSH, or hostile
  ['dropbear_2022.83', []],
  ['OpenSSH_for_Windows_9.5', []],
  ['OpenSSH_9', []],
  ['OpenSSH_9.', []],
  ['', []],
  [' OpenSSH_9.2p1 Debian-2', []],
  ['OpenSSH_9999999999999999999.1', []],
  [`OpenSSH_9.${'2'.repeat(200)}`, []],
  [`OpenSSH_9.2p1 Debian-${'9'.repeat(300)}`, [`${REGRESSHION}?`]],
])('%s', (ident, expected) => {
  expect(holes(ident)).toEqual(expected);
});

test('however long and odd, an ident is read in no time and never thrown at', () => {
  const odd = ['+', '.', '~', 'u', '9', ' ', '-', 'p', '\u{1F4A9}', '\0'].map(
    (part) => `OpenSSH_9.2p1 Debian-${part.repeat(100_000)}`,
  );
  for (const ident of odd) expect(knownHoles(ident).length).toBeLessThan(3);
});
