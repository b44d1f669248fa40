/**
 * Whose turn a job is, kept in the main database: one run at a time, by a lease that a dying run leaves behind for
 * LEASE_MS at most. A turn brings the cursor at which the run before stopped. Jobs must be right without it (two runs may
 * overlap when a lease ends under a slow one); it saves work.
 */
import { and, eq, lte } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { EpochMs } from "../core/clock.ts";
import { jobs } from "./tables.ts";

/** Longer than any run (RUN_MS_MAX) with the last call it waits for. */
const LEASE_MS = 180_000;

export type JobName = "reconciliation" | "archive" | "catalog";

/** Takes the job. @returns where to go on, or undefined when another run has it. */
export async function takeTurn(
  db: D1Database,
  name: JobName,
  nowMs: EpochMs,
): Promise<{ readonly cursor: string | null } | undefined> {
  const books = drizzle(db);
  await books.insert(jobs).values({ name, leaseUntilMs: 0, cursor: null }).onConflictDoNothing();
  const [taken] = await books
    .update(jobs)
    .set({ leaseUntilMs: nowMs + LEASE_MS })
    .where(and(eq(jobs.name, name), lte(jobs.leaseUntilMs, nowMs)))
    .returning({ cursor: jobs.cursor });
  return taken;
}

/** Keeps how far a run has come. */
export async function keepCursor(db: D1Database, name: JobName, cursor: string | null): Promise<void> {
  await drizzle(db).update(jobs).set({ cursor }).where(eq(jobs.name, name));
}

/** Gives the job back. */
export async function endTurn(db: D1Database, name: JobName): Promise<void> {
  await drizzle(db).update(jobs).set({ leaseUntilMs: 0 }).where(eq(jobs.name, name));
}
