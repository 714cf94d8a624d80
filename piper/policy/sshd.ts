import { type IdentityAssertion, SESSION_FACTS, type SessionPolicy, SETUP_MARK } from '../../crds/index.ts';

/**
 * An sshd of the app's image. It knows neither users nor policies, so all that a policy says is the piper's to enforce;
 * this is what the filter must know of it for that.
 */
export type Sshd = {
  /** Where it listens: nobody is forwarded there, past the piper. */
  port: number;
  /** Our init script has set it up: its sftp-server only reads where we say so. */
  keepsReadOnly: boolean;
  /** Environment variables that it is told on each session, before anything of the client. */
  facts: readonly (readonly [name: string, value: string])[];
};

/** What somebody may do, and who sees to it: without an sshd, the sidecar does, too. */
export type Bounds = { policy: SessionPolicy; sshd?: Sshd | undefined };

/** @param software what it calls itself */
export function describeSshd(port: number, software: string, assertion: IdentityAssertion): Sshd {
  return { port, keepsReadOnly: software.split(' ').includes(SETUP_MARK), facts: factsOf(assertion) };
}

function factsOf({
  username,
  role,
  policy,
  clientAddress,
  clientPort,
  connectionId,
}: IdentityAssertion): Sshd['facts'] {
  return [
    [SESSION_FACTS.user, username],
    [SESSION_FACTS.role, role],
    [SESSION_FACTS.client, `${clientAddress} ${clientPort}`],
    [SESSION_FACTS.session, connectionId],
    [SESSION_FACTS.sftp, policy.sftp.access],
  ];
}
