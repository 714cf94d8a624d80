import type { IdentityAssertion } from '../crds/identity-assertion.ts';
import type { SidecarConfig } from './config.ts';
import { enterCommand } from './enter-arguments.ts';
import type { Entry } from './entry.ts';
import { parseEnviron, type SessionConnection, sessionEnvironment, withoutPlaces } from './environment.ts';
import { greeting } from './greeting.ts';
import type { Outcome } from './outcome.ts';
import { type Place, type Placement, situate } from './place.ts';
import { type Program, startProgram } from './program.ts';
import type { ProgramStart } from './session.ts';

export type SessionUser = {
  assertion: IdentityAssertion;
  connection: SessionConnection;
  since: Date;
  /** The same moment, on a clock that is never set. */
  connectedAt: number;
  audited: boolean;
};

const PATIENCE_MS = 2000;

/** Starts a session's program where and as whom it is to run. */
export async function startSession(
  place: Place,
  user: SessionUser,
  start: ProgramStart,
  onEnd: (outcome: Outcome) => void,
): Promise<Program | undefined> {
  const { config } = place;
  const placement = await withPatience(start, config.container, () => situate(place, user.assertion));
  if (start.channel.closing) return undefined;
  const { entry, identity, account } = placement;
  const { username, role, uidOffset, fingerprint } = user.assertion;
  const spec = programSpec(config, user, start, placement);
  announce(start, entry, () => greeting({ ...config, ...user, ...user.assertion, entry, account, uid: identity.uid }));
  let gone = (): void => undefined;
  const onLeft = (): void => place.leftovers.left(program);
  place.counts.started(start.request.type);
  const program = startProgram(spec, start, { onEnd, onLeft, onGone: () => gone() });
  gone = place.leftovers.add({ username, role, uidOffset, fingerprint, since: user.connectedAt }, program);
  return program;
}

/** Who sits at a terminal where nothing happens yet is told what is waited for. */
async function withPatience<T>(
  { request, terminal, channel }: ProgramStart,
  container: string,
  work: () => Promise<T>,
): Promise<T> {
  if (request.type !== 'shell' || terminal === undefined) return await work();
  const tell = (): void => {
    if (!channel.closing) channel.write(Buffer.from(`sshaccess: waiting for container "${container}" to start.\r\n`));
  };
  const timer = setTimeout(tell, PATIENCE_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

/** A shell on a terminal is greeted; of what else runs, only who gets what they did not ask for is told. */
function announce({ request, terminal, channel }: ProgramStart, entry: Entry, greet: () => string[]): void {
  if (request.type === 'shell' && terminal !== undefined) {
    const lines = greet().map((line) => `${line}\r\n`);
    channel.write(Buffer.from(lines.join('')));
    return;
  }
  if (entry.kind !== 'toolbox' || request.type === 'sftp') return;
  if (request.type === 'exec' && !entry.unexpected) return;
  if (terminal === undefined) channel.write(Buffer.from(`${entry.notice}\n`), true);
  else channel.write(Buffer.from(`${entry.notice}\r\n`));
}

function programSpec(
  config: SidecarConfig,
  { assertion, connection }: SessionUser,
  { request, terminal, clientVariables, ownVariables }: ProgramStart,
  { entry, identity, account }: Placement,
) {
  const { role, policy } = assertion;
  const variables = parseEnviron(entry.app?.environ ?? Buffer.alloc(0));
  const app = entry.kind === 'chroot' ? variables : withoutPlaces(variables);
  const launch = { request, entry, identity, account, terminal, sftp: policy.sftp };
  return {
    enterPath: config.enterPath,
    ...enterCommand(launch, config.busyboxPath),
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
