/** Tries every feature in every column, and keeps what came of it. */
import { isDeepStrictEqual } from 'node:util';
import type { Role, SessionPolicy } from '../../crds/session-policy.ts';
import { DEFAULT_POLICIES, ROLES } from '../../crds/session-policy.ts';
import { step } from '../../scripts/machine/progress.ts';
import { eventually } from '../support/eventually.ts';
import { Client } from './client.ts';
import { type Column, COLUMNS } from './columns.ts';
import { judge, see } from './feature.ts';
import { type Chapter, CHAPTERS, type Phase, rolesOf } from './features/index.ts';
import { applyAccess, type Keys, loginOf, policies } from './set-up.ts';
import type { Row, Section, Verdict } from './table.ts';

/** Columns at once, unless all they do is wait: processors are few. */
const AT_ONCE = 4;

/** A cell that is not as it must be, or could not be tried. */
export type Surprise = { column: string; row: string; seen: string };

export class Survey {
  readonly surprises: Surprise[] = [];
  readonly #cells = new Map<string, Map<string, Verdict>>();
  readonly #keys: Keys;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** Everything: first with open policies, then with those that ask for nothing. */
  async run(): Promise<void> {
    await this.#runPhase('opened');
    await applyAccess({});
    await eventually(async () => {
      const isNarrow = [...(await policies()).values()].every((policy) => isDefault(policy));
      see(isNarrow, 'a route still has the open policy');
    });
    await Promise.all([this.#runPhase('default'), this.#runPhase('patience', COLUMNS.length)]);
    await this.#runPhase('upheaval', COLUMNS.length);
  }

  sections(): Section[] {
    return CHAPTERS.map(({ title, intro, ...chapter }) => ({
      title,
      intro,
      rows: chapter.features.flatMap((feature) =>
        rolesOf({ title, intro, ...chapter }, feature).map((role): Row => {
          const cells = this.#cells.get(rowName(title, feature.title, role)) ?? new Map<string, Verdict>();
          return { title: feature.title, role, cells };
        }),
      ),
    }));
  }

  async #runPhase(phase: Phase, atOnce = AT_ONCE): Promise<void> {
    const known = await policies();
    const chapters = CHAPTERS.filter((chapter) => chapter.phase === phase);
    const waiting = [...COLUMNS];
    const work = async (): Promise<void> => {
      for (let column = waiting.shift(); column !== undefined; column = waiting.shift()) {
        const { heading } = column;
        const next = column;
        await step(`${heading}: ${phase}`, () => this.#tryColumn(next, chapters, known));
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
  }

  async #tryColumn(
    column: Column,
    chapters: readonly Chapter[],
    known: ReadonlyMap<string, SessionPolicy>,
  ): Promise<void> {
    const clients = new Map(ROLES.map((role) => [role, new Client(loginOf(column, role, this.#keys))]));
    try {
      for (const client of clients.values()) await client.connect();
      for (const chapter of chapters) {
        for (const feature of chapter.features) {
          for (const role of rolesOf(chapter, feature)) {
            const row = rowName(chapter.title, feature.title, role);
            const client = clients.get(role ?? 'root');
            const policy = known.get(client?.login.user ?? '');
            if (client === undefined || policy === undefined) throw new Error(`${column.name} has no route`);
            await judge(feature, { column, role: role ?? 'root', client, policy }).then(
              (verdict) => this.#keep(row, column, verdict),
              (error: unknown) => this.surprises.push({ column: column.heading, row, seen: String(error) }),
            );
          }
        }
      }
    } catch (error) {
      this.surprises.push({ column: column.heading, row: '(the column as a whole)', seen: String(error) });
    } finally {
      for (const client of clients.values()) await client.stop();
    }
  }

  #keep(row: string, column: Column, verdict: Verdict): void {
    const cells = this.#cells.get(row) ?? new Map<string, Verdict>();
    this.#cells.set(row, cells.set(column.heading, verdict));
  }
}

const rowName = (chapter: string, title: string, role: Role | undefined): string =>
  [chapter, title, role].filter((part) => part !== undefined).join(' · ');

const isDefault = (policy: SessionPolicy): boolean =>
  ROLES.some((role) => isDeepStrictEqual(policy, DEFAULT_POLICIES[role]));
