/**
 * Compares gates and books, account by account, a part of the walk in each run. What differs is logged and kept in a
 * report; nothing is ever repaired here. The audit (gates/audit.ts) checks more, and reads every line for it; this reads
 * one balance an account, so that it can go on forever.
 * Limits: GATES_MAX gates and RUN_MS_MAX a run; a walk begins at most every `reconcileEveryMs`.
 */
import { listAccounts } from "../accounts/accounts.ts";
import { auditGates } from "../gates/audit.ts";
import { accountsWithEntries } from "../ledger/books.ts";
import { cursorAfter, type ShardCursor } from "../ledger/shards.ts";
import { RUN_MS_MAX, type JobPorts } from "./ports.ts";
import { keepPage, latestReport, openReport, type WalkedPage } from "./reconciliations.ts";
import { endTurn, takeTurn } from "./turns.ts";

const GATES_MAX = 500;
/** Each account may bring a statement to one batch, which D1 limits. */
const PAGE_ACCOUNTS_MAX = 50;

/** One run. Throws what D1 throws; the next run goes on where the last page was kept. */
export async function reconcile(ports: JobPorts): Promise<void> {
  const { books, clock } = ports;
  const begunMs = clock();
  const turn = await takeTurn(books.main, "reconciliation", begunMs);
  if (turn === undefined) return;
  try {
    const startedAtMs = await reportToContinue(ports);
    if (startedAtMs === null) return;
    // A cursor of a database that is no longer bound: the walk begins anew, under its report.
    let from = books.from(turn.cursor) ?? books.from(null);
    let gates = 0;
    while (from !== undefined && gates < GATES_MAX && clock() - begunMs < RUN_MS_MAX) {
      const page = await walk(ports, startedAtMs, from);
      await keepPage(books.main, page);
      tell(ports, page);
      gates += page.gates.length;
      from = page.cursor === null ? undefined : books.from(page.cursor);
    }
  } finally {
    await endTurn(books.main, "reconciliation");
  }
}

/** The open report's name, or a new one's when it is time; null: nothing to do yet. */
async function reportToContinue({ books, clock, reconcileEveryMs }: JobPorts): Promise<number | null> {
  const { open, startedAtMs } = await latestReport(books.main);
  if (open !== null) return open;
  const nowMs = clock();
  if (startedAtMs !== null && nowMs - startedAtMs < reconcileEveryMs) return null;
  await openReport(books.main, nowMs);
  return nowMs;
}

async function walk(ports: JobPorts, startedAtMs: number, { shard, afterId }: ShardCursor): Promise<WalkedPage> {
  const accounts = await listAccounts(shard.db, { afterId, limit: PAGE_ACCOUNTS_MAX });
  const ids = accounts.map(({ id }) => id);
  const active = await accountsWithEntries(shard.db, ids);
  const gates = await auditGates(
    ports,
    ids.filter((id) => active.has(id)),
  );
  const cursor = cursorAfter(ports.books, shard, ids.at(-1), ids.length === PAGE_ACCOUNTS_MAX);
  return { startedAtMs, atMs: ports.clock(), accounts: ids.length, gates, cursor };
}

function tell({ log }: JobPorts, { startedAtMs, gates, cursor }: WalkedPage): void {
  for (const { accountId, faults } of gates) {
    for (const fault of faults) log(JSON.stringify({ event: "reconciliation_fault", account_id: accountId, fault }));
  }
  if (cursor === null) log(JSON.stringify({ event: "reconciliation_done", started_at_ms: startedAtMs }));
}
