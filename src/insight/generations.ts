/** Generations as booked in D1. Written only by a gate's flush (ledger/books.ts); read here, by account and id. */
import { and, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { AccountId, GenerationId } from "../core/ids.ts";
import { nusdFromStored, type NanoUsd } from "../core/money.ts";
import { assert } from "../core/result.ts";
import { parseGenerationRecord } from "./generation-schema.ts";
import type { GenerationRecord } from "./generation.ts";
import { generations } from "./tables.ts";

/** A generation with what the tenant paid for it. */
export interface BookedGeneration {
  readonly record: GenerationRecord;
  readonly chargedNusd: NanoUsd;
}

/** One generation of an account, or undefined when D1 doesn't have it (yet) or it is another account's. */
export async function readGeneration(
  db: D1Database,
  account: AccountId,
  id: GenerationId,
): Promise<BookedGeneration | undefined> {
  const [row] = await drizzle(db)
    .select({ record: generations.record, chargedNusd: generations.chargedNusd })
    .from(generations)
    .where(and(eq(generations.id, id), eq(generations.accountId, account)));
  if (row === undefined) return undefined;
  const record = parseGenerationRecord(row.record);
  assert(record.ok, "a booked generation is a whole record");
  return { record: record.value, chargedNusd: nusdFromStored(row.chargedNusd) };
}
