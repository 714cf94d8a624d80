/** Sessions that are open through all of it, and what has become of them. */
import { HeldShell } from '../support/held-shell.ts';
import type { Login } from '../support/openssh.ts';
import { shellsOn } from '../support/piper-pods.ts';
import type { Grant } from './fleet.ts';

/** Shells of a user whom nothing concerns: only the end of their piper may end them. */
export class CalmSessions {
  readonly #login: Login;
  readonly #size: number;
  #shells: HeldShell[] = [];
  opened = 0;
  /** With their piper. */
  lost = 0;

  constructor(login: Login, size: number) {
    this.#login = login;
    this.#size = size;
  }

  /** Opens as many as are missing. */
  async fill(): Promise<void> {
    const missing = this.#size - this.#shells.length;
    const opened = await HeldShell.openAll(Array.from({ length: missing }, () => this.#login));
    this.opened += opened.length;
    this.#shells.push(...opened);
  }

  /** By the pods of the piper. */
  async by(pipers: readonly string[]): Promise<Map<string, readonly HeldShell[]>> {
    const pairs = pipers.map(async (pod) => [pod, await shellsOn(pod, this.#shells)] as const);
    return new Map(await Promise.all(pairs));
  }

  /** @throws where one does not answer that was on another piper than those that `died` with theirs */
  async prove(died: readonly HeldShell[] = []): Promise<void> {
    await Promise.all(died.map((shell) => shell.ended));
    this.#shells = this.#shells.filter((shell) => !died.includes(shell));
    this.lost += died.length;
    await Promise.all(this.#shells.map((shell) => shell.prove()));
  }

  end(): void {
    for (const shell of this.#shells) shell.end();
  }
}

/** Shells of users who come and go: they must not outlive what they were opened by. */
export class ChangingSessions {
  readonly #all: { grant: Grant; shell: HeldShell }[] = [];

  get opened(): number {
    return this.#all.length;
  }

  /** One for each; a user whose access is being changed, or who has enough, gets none. */
  async open(grants: readonly Grant[], loginOf: (grant: Grant) => Login): Promise<void> {
    await Promise.all(
      grants.map(async (grant) => {
        const shell = await HeldShell.open(loginOf(grant)).catch(() => undefined);
        if (shell !== undefined) this.#all.push({ grant, shell });
      }),
    );
  }

  /** Those that are alive, though what they were opened by does not hold; said for people. */
  outlaws(holds: (grant: Grant) => boolean): string[] {
    return this.#all
      .filter(({ grant, shell }) => shell.alive && !holds(grant))
      .map(({ grant }) => JSON.stringify(grant));
  }

  /** How many had to end. */
  revoked(holds: (grant: Grant) => boolean): number {
    return this.#all.filter(({ grant }) => !holds(grant)).length;
  }

  end(): void {
    for (const { shell } of this.#all) shell.end();
  }
}
