/**
 * Moves generations older than 30 days into files, database by database and account by account, a part in each run.
 * An account whose archive fails is logged and left for a later run; the others go on.
 * Limits: FILES_MAX files and RUN_MS_MAX a run.
 */
import type { AccountId } from "../core/ids.ts";
import { accountsToArchive, archiveOnce, cutoffAt } from "../insight/archive.ts";
import { cursorAfter, type Shard } from "../ledger/shards.ts";
import { RUN_MS_MAX, type JobPorts } from "./ports.ts";
import { endTurn, keepCursor, takeTurn } from "./turns.ts";

const FILES_MAX = 100;
/** Accounts looked at in one step. */
const PAGE_ACCOUNTS_MAX = 200;

/** One run. Throws what the main database throws. */
export async function archiveGenerations(ports: JobPorts): Promise<void> {
  const { books, clock, log } = ports;
  const begunMs = clock();
  const turn = await takeTurn(books.main, "archive", begunMs);
  if (turn === undefined) return;
  const budget: Budget = { files: FILES_MAX, endMs: begunMs + RUN_MS_MAX };
  let moved = 0;
  try {
    let from = books.from(turn.cursor) ?? books.from(null);
    while (from !== undefined && budget.files > 0 && clock() < budget.endMs) {
      const { shard, afterId } = from;
      const page = await accountsToArchive(shard.db, afterId, cutoffAt(begunMs), PAGE_ACCOUNTS_MAX);
      for (const account of shard.archive === null ? [] : page.accounts) {
        moved += await archiveAccount(ports, shard, account, budget);
      }
      // An account that is not through keeps the run at its page: the next one begins there again.
      const isThrough = budget.files > 0 && clock() < budget.endMs;
      const cursor = isThrough ? cursorAfter(books, shard, page.lastId, page.hasMore) : cursorAt(from);
      await keepCursor(books.main, "archive", cursor);
      from = cursor === null || !isThrough ? undefined : books.from(cursor);
    }
  } finally {
    await endTurn(books.main, "archive");
    if (moved > 0) log(JSON.stringify({ event: "archive", generations: moved, duration_ms: clock() - begunMs }));
  }
}

/** What is left of a run. */
interface Budget {
  files: number;
  readonly endMs: number;
}

async function archiveAccount(
  { clock, log }: JobPorts,
  { db, archive }: Shard,
  account: AccountId,
  budget: Budget,
): Promise<number> {
  if (archive === null) return 0;
  const cutoffMs = cutoffAt(clock());
  let moved = 0;
  try {
    while (budget.files > 0 && clock() < budget.endMs) {
      budget.files -= 1;
      const count = await archiveOnce({ db, archive }, account, cutoffMs);
      if (count === 0) break;
      moved += count;
    }
  } catch (error) {
    log(JSON.stringify({ event: "archive_failed", account_id: account, message: messageOf(error) }));
  }
  return moved;
}

function cursorAt({ shard, afterId }: { readonly shard: Shard; readonly afterId: AccountId | null }): string {
  return `${shard.name}/${afterId ?? ""}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
