/**
 * What the books cost: D1 bills each row written, index rows included. A flush is posted as the gate posts it, and D1's
 * own count is read. Near one row for a generation, once a flush carries enough of them.
 */
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { asProviderId } from "../../src/core/ids.ts";
import { postFlush } from "../../src/ledger/books.ts";
import { generationLines, joinedLines, usageEntryId } from "../../src/ledger/entries.ts";
import { newAccount, newGeneration, settlement, USD } from "./account-setup.ts";

/** D1 as `postFlush` sees it, counting the rows that its batches write. */
function counting(): { readonly db: D1Database; readonly rows: () => number } {
  let rows = 0;
  const db: Pick<D1Database, "prepare" | "batch"> = {
    prepare: (query) => env.DB.prepare(query),
    batch: async (statements) => {
      const results = await env.DB.batch<never>(statements);
      for (const { meta } of results) rows += meta.rows_written;
      return results;
    },
  };
  // The books use nothing else of D1.
  return { db: db as D1Database, rows: () => rows };
}

async function rowsOfFlush(generations: number): Promise<number> {
  const account = await newAccount(USD);
  const all = Array.from({ length: generations }, () => settlement(account, newGeneration(), 1_000n));
  const [first] = all;
  if (first === undefined) throw new Error("a flush has a generation");
  const lines = all.flatMap(({ costNusd, upstreamCostNusd }) =>
    generationLines(account.id, {
      provider: asProviderId("mistral"),
      costNusd,
      chargedNusd: costNusd,
      upstreamCostNusd,
    }),
  );
  const rows = all.map(({ generationId, record }) => [generationId, Date.now(), 1_000, 1_000, record]);
  const { db, rows: written } = counting();
  await postFlush(db, {
    account: account.id,
    entry: {
      id: usageEntryId(account.id, first.generationId),
      kind: "usage",
      createdAtMs: Date.now(),
      reason: null,
      lines: joinedLines(lines),
    },
    rowsJson: JSON.stringify(rows),
  });
  return written();
}

// One a generation; one for the entry, and two for each of three lines with their balances.
test.each([
  { generations: 1, rows: 8, perGeneration: 8 },
  { generations: 10, rows: 17, perGeneration: 1.7 },
  { generations: 35, rows: 42, perGeneration: 1.2 },
  { generations: 100, rows: 107, perGeneration: 1.07 },
  { generations: 500, rows: 507, perGeneration: 1.014 },
])("a flush of $generations writes $rows rows: $perGeneration each", async ({ generations, rows, perGeneration }) => {
  const written = await rowsOfFlush(generations);
  expect({ written, each: written / generations }).toEqual({ written: rows, each: perGeneration });
});
