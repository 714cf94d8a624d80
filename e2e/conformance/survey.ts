/** Tries every feature in every column, and keeps what came of it. */
import { isDeepStrictEqual } from 'node:util';
import { DEFAULT_POLICIES, ROLES, type Role, type SessionPolicy } from '../../crds/session-policy.ts';
import { step } from '../../scripts/machine/progress.ts';
import { eventually } from '../support/eventually.ts';
import { Client } from './client.ts';
import { type Column, COLUMNS } from './columns.ts';
import { type Feature, judge, see } from './feature.ts';
import { NARROWED } from './features/narrowed.ts';
import { type Chapter, CHAPTERS, type Phase, rolesOf } from './features/index.ts';
import { applyAccess, type Keys, loginOf, policies } from './set-up.ts';
import type { Row, Section, Verdict } from './table.ts';

/** Columns at once, unless all they do is wait: processors are few. */
const AT_ONCE = 4;

/** A cell that is not as it must be, or could not be tried. */
export type Surprise = { column: string; row: string; seen: string };

/** A row in the making. */
type Line = Row & { chapter: Chapter; feature: Feature; cells: Map<string, Verdict> };
type Policies = ReadonlyMap<string, SessionPolicy>;

export class Survey {
  readonly surprises: Surprise[] = [];
  readonly #keys: Keys;
  readonly #lines = CHAPTERS.flatMap((chapter) =>
    chapter.features.flatMap((feature) =>
      rolesOf(chapter, feature).map((role): Line => ({
        chapter,
        feature,
        role,
        title: feature.title,
        cells: new Map(),
      })),
    ),
  );

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** Everything: first with open policies, then with those that ask for nothing. */
  async run(): Promise<void> {
    await this.#runPhase('opened');
    await this.#change({}, isDefault);
    await Promise.all([this.#runPhase('default'), this.#runPhase('patience', COLUMNS.length)]);
    await this.#runPhase('upheaval', COLUMNS.length);
    await this.#change({ root: NARROWED, limited: NARROWED }, ({ commands }) => commands !== null);
    await this.#runPhase('narrowed');
  }

  /** The table, as far as it is known. */
  sections(): Section[] {
    return CHAPTERS.map((chapter) => ({ ...chapter, rows: this.#lines.filter((line) => line.chapter === chapter) }));
  }

  /** Gives every SshAccess this policy, and waits until every route has it: a policy that allows less, at once. */
  async #change(policy: object, isThere: (policy: SessionPolicy) => boolean): Promise<void> {
    await applyAccess(policy);
    await eventually(async () => {
      const known = await policies();
      const late = this.#users().filter((user) => {
        const now = known.get(user);
        return now === undefined || !isThere(now);
      });
      see(late.length === 0, `routes have the policy of before: ${late.join(', ')}`);
    });
  }

  #users(): string[] {
    return COLUMNS.flatMap((column) => ROLES.map((role) => loginOf(column, role, this.#keys).user));
  }

  async #runPhase(phase: Phase, atOnce = AT_ONCE): Promise<void> {
    const known = await policies();
    const lines = this.#lines.filter(({ chapter }) => chapter.phase === phase);
    const waiting = [...COLUMNS];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const column = next;
        await step(`${column.heading}: ${phase}`, () => this.#tryColumn(column, lines, known));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }

  async #tryColumn(column: Column, lines: readonly Line[], known: Policies): Promise<void> {
    const client = (role: Role): Client => new Client(loginOf(column, role, this.#keys));
    const clients: Record<Role, Client> = { root: client('root'), limited: client('limited') };
    try {
      for (const role of ROLES) await clients[role].connect();
      for (const line of lines) {
        await this.#try(line, column, clients[line.role ?? 'root'], known);
        await clients[line.role ?? 'root'].settle();
      }
    } catch (error) {
      this.surprises.push({ column: column.heading, row: '(the column as a whole)', seen: String(error) });
    } finally {
      for (const role of ROLES) await clients[role].stop();
    }
  }

  async #try(line: Line, column: Column, client: Client, known: Policies): Promise<void> {
    const { chapter, feature, role, cells } = line;
    const policy = known.get(client.login.user);
    const row = [chapter.title, feature.title, role].filter((part) => part !== undefined).join(' · ');
    const attempt = async (): Promise<void> => {
      if (policy === undefined) throw new Error(`there is no route to ${client.login.user}`);
      cells.set(column.heading, await judge(feature, { column, role: role ?? 'root', client, policy }));
    };
    try {
      await attempt();
    } catch (error) {
      // A thousand cells: what fails twice in a row is no accident. What fails once is named.
      console.log(`${column.heading}: ${row}: is tried again: ${String(error)}`);
      await client.settle();
      await attempt().catch((again: unknown) =>
        this.surprises.push({ column: column.heading, row, seen: String(again) }),
      );
    }
  }
}

const isDefault = (policy: SessionPolicy): boolean =>
  ROLES.some((role) => isDeepStrictEqual(policy, DEFAULT_POLICIES[role]));
