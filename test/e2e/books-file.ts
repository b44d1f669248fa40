/**
 * What a stopped server left in its data folder, read without it: the generations of D1's own files, and the settles
 * that its log says were acknowledged.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import * as z from "zod";
import type { GenerationRecord } from "../../src/insight/generation.ts";
import { readRecord } from "../../src/insight/generation-row.ts";

/** What is looked at. */
type Said = Pick<
  GenerationRecord,
  "requestedModel" | "provider" | "streamed" | "estimated" | "externalUser" | "cancelled" | "upstreamCostNusd"
>;
export interface BooksRow {
  readonly id: string;
  readonly account_id: string;
  readonly cost_nusd: number;
  readonly charged_nusd: number;
  readonly record: Said & { readonly usage: Pick<GenerationRecord["usage"], "inputText"> };
}

const Row = z
  .object({
    id: z.string(),
    account_id: z.string(),
    created_at_ms: z.int(),
    cost_nusd: z.int(),
    charged_nusd: z.int(),
    record: z.string().transform((text) => JSON.parse(text) as unknown),
  })
  .transform(({ record, created_at_ms: createdAtMs, ...row }): BooksRow => {
    const read = readRecord(record, { id: row.id, createdAtMs, costNusd: row.cost_nusd });
    if (!read.ok) throw new Error(read.error);
    return { ...row, record: read.value };
  });

/** All generations of every file that has them. Throws when there is none. */
export function readBooks(dataDir: string): readonly BooksRow[] {
  const storage = path.join(dataDir, "storage");
  const rows: BooksRow[] = [];
  let files = 0;
  for (const name of readdirSync(storage, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".sqlite")) continue;
    const db = new DatabaseSync(path.join(storage, name));
    try {
      if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'generations'").get() === undefined) continue;
      files++;
      const found = db
        .prepare("SELECT id, account_id, created_at_ms, cost_nusd, charged_nusd, record FROM generations")
        .all();
      for (const row of found) rows.push(Row.parse(row));
    } finally {
      db.close();
    }
  }
  if (files === 0) throw new Error(`There is no database with generations in ${storage}.`);
  return rows;
}

const LogLine = z.looseObject({
  generation_id: z.string().optional(),
  cost_nusd: z.int().optional(),
  streamed: z.boolean().optional(),
  settle_lost: z.boolean().optional(),
});

/**
 * Streamed generations whose settle the gate had acknowledged before the launcher could write no more. (The line of a
 * buffered one is written with the answer, before its settle is known.)
 */
export function acknowledgedIds(dataDir: string): readonly string[] {
  const lines = readFileSync(path.join(dataDir, "events.log"), "utf8").split("\n");
  return lines
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => LogLine.parse(JSON.parse(line)))
    .filter((line) => line.streamed === true && line.cost_nusd !== undefined && line.settle_lost !== true)
    .flatMap(({ generation_id: id }) => (id === undefined ? [] : [id]));
}
