/** The reports of reconciliations in the main database: written by the job, read by the operator. */
import { and, asc, desc, eq, lt, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { EpochMs } from "../core/clock.ts";
import type { GateFinding } from "../gates/audit.ts";
import { jobs, reconciliationFaults, reconciliations } from "./tables.ts";

export interface Reconciliation {
  readonly startedAtMs: EpochMs;
  /** Null while it goes on. */
  readonly finishedAtMs: EpochMs | null;
  readonly accounts: number;
  readonly gates: number;
  readonly faults: number;
  /** The first FOUND_MAX, by account. */
  readonly found: readonly { readonly accountId: string; readonly atMs: EpochMs; readonly fault: string }[];
}

/** Reports that are shown, and how long one is kept. */
export const REPORTS_MAX = 10;
const FOUND_MAX = 100;
const KEPT_MS = 30 * 86_400_000;

/** What a page of a walk came to. */
export interface WalkedPage {
  readonly startedAtMs: EpochMs;
  readonly atMs: EpochMs;
  readonly accounts: number;
  readonly gates: readonly GateFinding[];
  /** Where the walk goes on; null: it is done. */
  readonly cursor: string | null;
}

/** The report that goes on, and when the newest one began; null where there is none. */
export async function latestReport(
  db: D1Database,
): Promise<{ readonly open: EpochMs | null; readonly startedAtMs: EpochMs | null }> {
  const [latest] = await drizzle(db).select().from(reconciliations).orderBy(desc(reconciliations.startedAtMs)).limit(1);
  if (latest === undefined) return { open: null, startedAtMs: null };
  return { open: latest.finishedAtMs === null ? latest.startedAtMs : null, startedAtMs: latest.startedAtMs };
}

/** Opens a report; old ones go. Repeating it changes nothing. */
export async function openReport(db: D1Database, startedAtMs: EpochMs): Promise<void> {
  const books = drizzle(db);
  const beforeMs = startedAtMs - KEPT_MS;
  await books.batch([
    books.insert(reconciliations).values({ startedAtMs }).onConflictDoNothing(),
    books.delete(reconciliationFaults).where(lt(reconciliationFaults.startedAtMs, beforeMs)),
    books.delete(reconciliations).where(lt(reconciliations.startedAtMs, beforeMs)),
  ]);
}

/** Adds a page to its report and moves the cursor, in one transaction. */
export async function keepPage(db: D1Database, page: WalkedPage): Promise<void> {
  const books = drizzle(db);
  const { startedAtMs, atMs } = page;
  const faults = page.gates.flatMap(({ accountId, faults: found }) =>
    found.map((fault) => ({ startedAtMs, accountId, atMs, fault })),
  );
  await books.batch([
    books
      .update(reconciliations)
      .set({
        accounts: sql`${reconciliations.accounts} + ${page.accounts}`,
        gates: sql`${reconciliations.gates} + ${page.gates.length}`,
        faults: sql`${reconciliations.faults} + ${faults.length}`,
        ...(page.cursor === null ? { finishedAtMs: atMs } : {}),
      })
      .where(eq(reconciliations.startedAtMs, startedAtMs)),
    books.update(jobs).set({ cursor: page.cursor }).where(eq(jobs.name, "reconciliation")),
    ...faults.map((fault) => books.insert(reconciliationFaults).values(fault).onConflictDoNothing()),
  ]);
}

/** The newest reports with what they found. */
export async function readReports(db: D1Database): Promise<readonly Reconciliation[]> {
  const books = drizzle(db);
  const rows = await books.select().from(reconciliations).orderBy(desc(reconciliations.startedAtMs)).limit(REPORTS_MAX);
  const found = await Promise.all(
    rows.map(async ({ startedAtMs, faults }) =>
      faults === 0
        ? []
        : await books
            .select()
            .from(reconciliationFaults)
            .where(and(eq(reconciliationFaults.startedAtMs, startedAtMs)))
            .orderBy(asc(reconciliationFaults.accountId))
            .limit(FOUND_MAX),
    ),
  );
  return rows.map((row, at) => ({ ...row, found: found[at] ?? [] }));
}
