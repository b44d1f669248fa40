/**
 * Generations in R2: what D1 had for 30 days goes on as gzipped files, by account and UTC day, and stays readable by id.
 * A file is lines of JSON, `[id, entryId, createdAtMs, costNusd, chargedNusd, record]`, by id; its ids lie in the range
 * that `generation_files` names before it is written, so that a reader needs one row of D1 to find it. In this order:
 *   1. name the range (D1)   2. write the file (R2)   3. read it back   4. count the rows as usage and delete them (D1)
 * A crash between any two leaves rows in D1 that the next run takes from step 2 on; steps may be repeated by anyone, at
 * once too: a file is written only over the version that was read, and 4 is one transaction. A row that comes late into a
 * range joins its file. Nothing is deleted that was not read back.
 * Limits: FILE_ROWS_MAX generations or FILE_CHARS_MAX characters a file, a day has as many files as it needs.
 */
import * as z from "zod";
import type { EpochMs } from "../core/clock.ts";
import { asAccountId, type AccountId, type GenerationId } from "../core/ids.ts";
import { parseJson } from "../core/json.ts";
import { assert } from "../core/result.ts";
import { beginOf, DAY_MS, dayOf, firstIdAt, USAGE_GROUP, USAGE_OF_GENERATION, USAGE_SUMS } from "./generation-days.ts";

/** How long D1 keeps generations. */
const KEPT_MS = 30 * DAY_MS;
const FILE_ROWS_MAX = 1_000;
const FILE_CHARS_MAX = 4_000_000;

/** The two stores of an account's generations. */
export interface GenerationStores {
  readonly db: D1Database;
  readonly archive: R2Bucket;
}

/** A file by its range; `rows` have left D1 for it. */
const FileRow = z.object({ first_id: z.string(), last_id: z.string(), rows: z.int() });
type FileRow = z.infer<typeof FileRow>;

const GenerationRow = z.object({
  id: z.string(),
  entry_id: z.string(),
  created_at_ms: z.int(),
  cost_nusd: z.int(),
  charged_nusd: z.int(),
  record: z.string(),
});
type GenerationRow = z.infer<typeof GenerationRow>;

/** An archived generation as it is read back; its record is the JSON value that D1 had (generation-row.ts). */
const Line = z.tuple([z.string(), z.string(), z.int(), z.int(), z.int(), z.json()]);

/** The moment before which generations go: the beginning of a day, so that a day goes as a whole. */
export function cutoffAt(nowMs: EpochMs): EpochMs {
  return Math.floor((nowMs - KEPT_MS) / DAY_MS) * DAY_MS;
}

/** Accounts with generations from before `cutoffMs`, by id, after `afterId`; at most `limit` accounts are looked at. */
export async function accountsToArchive(
  db: D1Database,
  afterId: AccountId | null,
  cutoffMs: EpochMs,
  limit: number,
): Promise<{
  readonly accounts: readonly AccountId[];
  readonly lastId: AccountId | undefined;
  readonly hasMore: boolean;
}> {
  // One step of the index per account, however many generations it has.
  const found = await db
    .prepare(
      `WITH RECURSIVE seen(id) AS (
         SELECT MIN(account_id) FROM generations WHERE account_id > ?1
         UNION ALL SELECT (SELECT MIN(account_id) FROM generations WHERE account_id > seen.id) FROM seen
           WHERE seen.id IS NOT NULL LIMIT ?2)
       SELECT seen.id, (SELECT MIN(id) FROM generations WHERE account_id = seen.id) AS oldest
       FROM seen WHERE seen.id IS NOT NULL`,
    )
    .bind(afterId ?? "", limit)
    .all();
  const rows = z.array(z.object({ id: z.string(), oldest: z.string() })).parse(found.results);
  const cutoffId = firstIdAt(cutoffMs);
  const last = rows.at(-1)?.id;
  return {
    accounts: rows.filter(({ oldest }) => oldest < cutoffId).map(({ id }) => asAccountId(id)),
    lastId: last === undefined ? undefined : asAccountId(last),
    hasMore: rows.length === limit,
  };
}

/**
 * Moves the account's oldest generations, one file of them. Throws what D1 and R2 throw, and when the file does not read
 * back as it was written; then nothing has been deleted.
 * @returns how many have left D1; 0 when none is old enough, or another run was writing the same file.
 */
export async function archiveOnce(stores: GenerationStores, account: AccountId, cutoffMs: EpochMs): Promise<number> {
  const { db, archive } = stores;
  const file = await nameRange(db, account, cutoffMs);
  if (file === undefined) return 0;
  const rows = await rowsOf(db, account, file.first_id, file.last_id);
  const key = keyOf(account, file.first_id);
  const before = await readLines(archive, key);
  const lines = new Map([...(before?.lines ?? []), ...rows.map((row) => [row.id, lineOf(row)] as const)]);
  if (rows.some((row) => before?.lines.get(row.id) !== lineOf(row))) {
    const onlyIf = before === null ? new Headers({ "If-None-Match": "*" }) : { etagMatches: before.etag };
    const written = await archive.put(key, await gzip(textOf(lines)), {
      onlyIf,
      httpMetadata: { contentType: "application/gzip" },
    });
    if (written === null) return 0;
  }
  const after = await readLines(archive, key);
  const isWhole = rows.every((row) => after?.lines.get(row.id) === lineOf(row));
  assert(isWhole, "an archived generation reads back as it was written");
  // A row that came back after it was counted (D1 was told twice, a month apart) is not counted again.
  const isCounted = before !== null && file.rows === before.lines.size;
  const fresh = rows.filter((row) => !(isCounted && before.lines.has(row.id)));
  return await leave(db, account, file, { fresh: idsOf(fresh), all: idsOf(rows) });
}

interface ArchivedGeneration {
  /** JSON as it was stored (generation-row.ts). */
  readonly record: unknown;
  readonly createdAtMs: EpochMs;
  readonly costNusd: number;
  readonly chargedNusd: number;
}

/** A generation's line in a file, or undefined. Throws what D1 and R2 throw. */
export async function readArchived(
  { db, archive }: { readonly db: D1Database; readonly archive: R2Bucket | null },
  account: AccountId,
  id: GenerationId,
): Promise<ArchivedGeneration | undefined> {
  if (archive === null) return undefined;
  const file = await fileAt(db, account, id);
  if (file === undefined || file.last_id < id) return undefined;
  const line = (await readLines(archive, keyOf(account, file.first_id)))?.lines.get(id);
  if (line === undefined) return undefined;
  const [, , createdAtMs, costNusd, chargedNusd, record] = Line.parse(parseJson(line));
  return { record, createdAtMs, costNusd, chargedNusd };
}

/** The file that the oldest generation belongs to, its range named in D1; undefined when none is old enough. */
async function nameRange(db: D1Database, account: AccountId, cutoffMs: EpochMs): Promise<FileRow | undefined> {
  const oldest = await rowsBefore(db, account, firstIdAt(cutoffMs), 1);
  const [first] = oldest;
  if (first === undefined) return undefined;
  const known = await fileAt(db, account, first.id);
  if (known !== undefined && known.last_id >= first.id) return known;
  const day = dayOf(first.id);
  assert(day !== undefined, "a booked generation's id has its second");
  const next = await db
    .prepare("SELECT MIN(first_id) AS id FROM generation_files WHERE account_id = ?1 AND first_id > ?2")
    .bind(account, first.id)
    .first<{ id: string | null }>();
  const dayEnd = firstIdAt(beginOf(day) + DAY_MS);
  const end = next?.id !== null && next?.id !== undefined && next.id < dayEnd ? next.id : dayEnd;
  const last = lastThatFits(await rowsBefore(db, account, end, FILE_ROWS_MAX));
  await db
    .prepare("INSERT INTO generation_files (account_id, first_id, last_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")
    .bind(account, first.id, last)
    .run();
  return await fileAt(db, account, first.id);
}

function lastThatFits(rows: readonly GenerationRow[]): string {
  let chars = 0;
  let last: string | undefined;
  for (const { id, record } of rows) {
    chars += record.length;
    if (last !== undefined && chars > FILE_CHARS_MAX) break;
    last = id;
  }
  assert(last !== undefined, "a file has a generation");
  return last;
}

/** The file with the greatest beginning that is not after `id`. */
async function fileAt(db: D1Database, account: AccountId, id: string): Promise<FileRow | undefined> {
  const found = await db
    .prepare(
      `SELECT first_id, last_id, rows FROM generation_files WHERE account_id = ?1 AND first_id <= ?2
       ORDER BY first_id DESC LIMIT 1`,
    )
    .bind(account, id)
    .all();
  return z.array(FileRow).parse(found.results)[0];
}

const COLUMNS = "id, entry_id, created_at_ms, cost_nusd, charged_nusd, record";

async function rowsBefore(db: D1Database, account: AccountId, end: string, limit: number) {
  const found = await db
    .prepare(`SELECT ${COLUMNS} FROM generations WHERE account_id = ?1 AND id < ?2 ORDER BY id LIMIT ?3`)
    .bind(account, end, limit)
    .all();
  return z.array(GenerationRow).parse(found.results);
}

async function rowsOf(db: D1Database, account: AccountId, firstId: string, lastId: string) {
  const found = await db
    .prepare(`SELECT ${COLUMNS} FROM generations WHERE account_id = ?1 AND id BETWEEN ?2 AND ?3 ORDER BY id LIMIT ?4`)
    .bind(account, firstId, lastId, FILE_ROWS_MAX)
    .all();
  return z.array(GenerationRow).parse(found.results);
}

/** Counts the fresh ones as usage and deletes all, in one transaction; those that another run took are not there. */
async function leave(
  db: D1Database,
  account: AccountId,
  file: FileRow,
  ids: { readonly fresh: string; readonly all: string },
): Promise<number> {
  const sums = USAGE_SUMS.map((column) => `${column} = ${column} + excluded.${column}`).join(", ");
  const columns = [...USAGE_GROUP, ...USAGE_SUMS];
  const [, , deleted] = await db.batch([
    db
      .prepare(
        `INSERT INTO usage_days (account_id, ${columns.join(", ")})
         SELECT ?1, ${USAGE_GROUP.join(", ")}, ${USAGE_SUMS.map((column) => `SUM(${column})`).join(", ")}
         FROM (SELECT ${USAGE_OF_GENERATION} FROM generations
           WHERE account_id = ?1 AND id IN (SELECT value FROM json_each(?2))) WHERE true
         GROUP BY ${USAGE_GROUP.join(", ")}
         ON CONFLICT (account_id, ${USAGE_GROUP.join(", ")}) DO UPDATE SET ${sums}`,
      )
      .bind(account, ids.fresh),
    db
      .prepare(
        `UPDATE generation_files SET rows = rows + (SELECT COUNT(*) FROM generations
           WHERE account_id = ?1 AND id IN (SELECT value FROM json_each(?2))) WHERE account_id = ?1 AND first_id = ?3`,
      )
      .bind(account, ids.fresh, file.first_id),
    db
      .prepare(`DELETE FROM generations WHERE account_id = ?1 AND id IN (SELECT value FROM json_each(?2)) RETURNING id`)
      .bind(account, ids.all),
  ]);
  return deleted?.results.length ?? 0;
}

function idsOf(rows: readonly GenerationRow[]): string {
  return JSON.stringify(rows.map(({ id }) => id));
}

/** `generations/<account>/<day>/<first id>.jsonl.gz`: who lists a bucket sees days. */
function keyOf(account: AccountId, firstId: string): string {
  return `generations/${account}/${dayOf(firstId) ?? "unknown"}/${firstId}.jsonl.gz`;
}

function lineOf(row: GenerationRow): string {
  const head = [row.id, row.entry_id, row.created_at_ms, row.cost_nusd, row.charged_nusd];
  // The record's text goes in as it is: JSON without line ends, as D1 makes it.
  return `${JSON.stringify(head).slice(0, -1)},${row.record.replaceAll("\n", " ")}]`;
}

function textOf(lines: ReadonlyMap<string, string>): string {
  const sorted = [...lines].toSorted(([left], [right]) => (left < right ? -1 : 1));
  return sorted.map(([, line]) => `${line}\n`).join("");
}

async function readLines(
  archive: R2Bucket,
  key: string,
): Promise<{ readonly etag: string; readonly lines: ReadonlyMap<string, string> } | null> {
  const object = await archive.get(key);
  if (object === null) return null;
  const text = await new Response(object.body.pipeThrough(new DecompressionStream("gzip"))).text();
  const lines = text.split("\n").filter((line) => line !== "");
  return { etag: object.etag, lines: new Map(lines.map((line) => [idIn(line), line])) };
}

/** Ids have no quotes: the line's beginning is enough. */
function idIn(line: string): string {
  return line.slice(2, line.indexOf('"', 2));
}

async function gzip(text: string): Promise<ArrayBuffer> {
  return await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
}
