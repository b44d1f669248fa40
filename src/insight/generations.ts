/**
 * Generations as booked: in D1 for 30 days, then in a file (archive.ts). Written only by a gate's flush
 * (ledger/books.ts); read here, by account and id.
 */
import { and, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { AccountId, GenerationId } from "../core/ids.ts";
import { nusdFromStored, type NanoUsd } from "../core/money.ts";
import { parseJson } from "../core/json.ts";
import { assert } from "../core/result.ts";
import { readArchived } from "./archive.ts";
import { readRecord, type RecordColumns } from "./generation-row.ts";
import type { GenerationRecord } from "./generation.ts";
import { generations } from "./tables.ts";

/** A generation with what the tenant paid for it. */
export interface BookedGeneration {
  readonly record: GenerationRecord;
  readonly chargedNusd: NanoUsd;
}

/**
 * One generation of an account, or undefined when the books don't have it (yet) or it is another account's. One that
 * leaves D1 meanwhile is in its file before it does.
 */
export async function readGeneration(
  stores: { readonly db: D1Database; readonly archive: R2Bucket | null },
  account: AccountId,
  id: GenerationId,
): Promise<BookedGeneration | undefined> {
  const [row] = await drizzle(stores.db)
    .select({
      record: generations.record,
      createdAtMs: generations.createdAtMs,
      costNusd: generations.costNusd,
      chargedNusd: generations.chargedNusd,
    })
    .from(generations)
    .where(and(eq(generations.accountId, account), eq(generations.id, id)));
  if (row !== undefined) return bookedOf(parseJson(row.record), { ...row, id });
  const archived = await readArchived(stores, account, id);
  return archived === undefined ? undefined : bookedOf(archived.record, { ...archived, id });
}

function bookedOf(
  value: unknown,
  { chargedNusd, ...columns }: RecordColumns & { readonly chargedNusd: number },
): BookedGeneration {
  const record = readRecord(value, columns);
  assert(record.ok, "a booked generation is a whole record");
  return { record: record.value, chargedNusd: nusdFromStored(chargedNusd) };
}
