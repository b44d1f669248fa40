/** Generations on their way from D1 into files: whole, late, twice, at once, and with a crash between any two steps. */
import { runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { GenerationId } from "../../src/core/ids.ts";
import { auditBooks } from "../../src/gates/audit.ts";
import { archiveOnce, accountsToArchive, cutoffAt, readArchived } from "../../src/insight/archive.ts";
import { DAY_MS, dayAt } from "../../src/insight/generation-days.ts";
import { readGeneration } from "../../src/insight/generations.ts";
import { openBooks } from "../../src/ledger/shards.ts";
import {
  gateOf,
  newAccount,
  newGeneration,
  request,
  setClock,
  settlement,
  USD,
  type TestAccount,
} from "./account-setup.ts";

const STORES = { db: env.DB, archive: env.ARCHIVE };
const NOW_MS = Date.now();
const CUTOFF_MS = cutoffAt(NOW_MS);
/** Noon of a day so many days before today. */
const noon = (daysAgo: number): number => Math.floor(NOW_MS / DAY_MS) * DAY_MS - daysAgo * DAY_MS + DAY_MS / 2;

/** Generations that were settled and booked at `atMs`, as they would have been then. */
async function book(account: TestAccount, atMs: number, costs: readonly bigint[]): Promise<readonly GenerationId[]> {
  await setClock(account, atMs);
  const ids: GenerationId[] = [];
  for (const costNusd of costs) {
    const one = request(account, { generationId: newGeneration(atMs), wantedNusd: costNusd, minimumNusd: costNusd });
    await account.gate.admit(one);
    await account.gate.settle([settlement(account, one.generationId, costNusd)]);
    ids.push(one.generationId);
  }
  await runDurableObjectAlarm(account.gate);
  await setClock(account, NOW_MS);
  return ids;
}

const inDatabase = async (account: TestAccount) =>
  (
    await env.DB.prepare("SELECT id FROM generations WHERE account_id = ? ORDER BY id")
      .bind(account.id)
      .all<{ id: string }>()
  ).results.map(({ id }) => id);
const filesOf = async (account: TestAccount) =>
  (await env.ARCHIVE.list({ prefix: `generations/${account.id}/` })).objects.map(({ key }) => key.split("/").slice(2));
const usageOf = async (account: TestAccount) =>
  (
    await env.DB.prepare(
      "SELECT day, requests, charged_nusd AS charged FROM usage_days WHERE account_id = ? ORDER BY day",
    )
      .bind(account.id)
      .all()
  ).results;

async function expectBooksAreRight(): Promise<void> {
  const books = openBooks({ DB: env.DB });
  const from = books.from(null);
  if (from === undefined) throw new Error("the first page is one");
  const page = await auditBooks({ books, auditAccount: async (id) => await gateOf(id).audit() }, from);
  expect(page.checks.filter((check) => !check.ok)).toEqual([]);
}

test("days older than thirty leave as files, one by one, and everything stays readable", async () => {
  const account = await newAccount(100n * USD);
  const old = await book(account, noon(33), [USD, 2n * USD]);
  const next = await book(account, noon(32), [3n * USD]);
  const young = await book(account, noon(29), [4n * USD]);
  const before = await Promise.all([...old, ...next].map(async (id) => await readGeneration(STORES, account.id, id)));
  expect(await archiveOnce(STORES, account.id, CUTOFF_MS)).toBe(2);
  expect(await inDatabase(account)).toEqual([...next, ...young]);
  expect(await archiveOnce(STORES, account.id, CUTOFF_MS)).toBe(1);
  expect(await archiveOnce(STORES, account.id, CUTOFF_MS)).toBe(0);
  expect(await inDatabase(account)).toEqual(young);
  expect(await filesOf(account)).toEqual([
    [dayAt(noon(33)), `${old[0]}.jsonl.gz`],
    [dayAt(noon(32)), `${next[0]}.jsonl.gz`],
  ]);
  expect(await usageOf(account)).toEqual([
    { day: dayAt(noon(33)), requests: 2, charged: Number(3n * USD) },
    { day: dayAt(noon(32)), requests: 1, charged: Number(3n * USD) },
  ]);
  const after = await Promise.all([...old, ...next].map(async (id) => await readGeneration(STORES, account.id, id)));
  expect(after).toEqual(before);
  expect(after[1]).toMatchObject({ chargedNusd: 2n * USD, record: { id: old[1], appTitle: "Tést" } });
  const stranger = await newAccount();
  expect(await readGeneration(STORES, stranger.id, old[0] ?? newGeneration())).toBeUndefined();
  expect(await readArchived(STORES, account.id, newGeneration(noon(33)))).toBeUndefined();
  await expectBooksAreRight();
});

test("a row that comes late joins its day's file, inside its range or beside it", async () => {
  const account = await newAccount(100n * USD);
  const atMs = noon(40);
  const first = await book(account, atMs, [USD]);
  const last = await book(account, atMs + 20_000, [USD]);
  await archiveOnce(STORES, account.id, CUTOFF_MS);
  const inside = await book(account, atMs + 10_000, [2n * USD]);
  const beside = await book(account, atMs + 30_000, [4n * USD]);
  expect(await archiveOnce(STORES, account.id, CUTOFF_MS)).toBe(1);
  expect(await archiveOnce(STORES, account.id, CUTOFF_MS)).toBe(1);
  expect(await inDatabase(account)).toEqual([]);
  for (const id of [...first, ...inside, ...last, ...beside]) {
    expect((await readGeneration(STORES, account.id, id))?.record.id).toBe(id);
  }
  expect(await filesOf(account)).toHaveLength(2);
  expect(await usageOf(account)).toEqual([{ day: dayAt(atMs), requests: 4, charged: Number(8n * USD) }]);
  await expectBooksAreRight();
});

/** The stores, failing at the so-and-so-many-th call that changes something, before or after it takes effect. */
function failing(at: number, when: "before" | "after"): typeof STORES {
  let count = 0;
  const change = async <T>(work: () => Promise<T>): Promise<T> => {
    const isTheOne = ++count === at;
    if (isTheOne && when === "before") throw new Error("crash");
    const result = await work();
    if (isTheOne) throw new Error("crash");
    return result;
  };
  const db: Pick<D1Database, "prepare" | "batch"> = {
    prepare(query) {
      const statement = env.DB.prepare(query);
      if (!query.startsWith("INSERT INTO generation_files")) return statement;
      const named: Pick<D1PreparedStatement, "bind"> = {
        bind(...values: unknown[]) {
          const bound = statement.bind(...values);
          const run: Pick<D1PreparedStatement, "run"> = {
            run: async () => await change(async () => await bound.run<never>()),
          };
          return run as D1PreparedStatement;
        },
      };
      return named as D1PreparedStatement;
    },
    batch: async (statements) => await change(async () => await env.DB.batch<never>(statements)),
  };
  const archive: Pick<R2Bucket, "get" | "put"> = {
    get: async (key: string) => await env.ARCHIVE.get(key),
    put: async (key: string, value: ArrayBuffer, options?: R2PutOptions) =>
      await change(async () => await env.ARCHIVE.put(key, value, options)),
  } as Pick<R2Bucket, "get" | "put">;
  // The archive uses nothing else of the two.
  return { db: db as D1Database, archive: archive as R2Bucket };
}

// Three calls change something: the range's name, the file, the transaction that counts and deletes.
test.each(
  [1, 2, 3].flatMap((at) =>
    (["before", "after"] as const).flatMap((when) => [
      { at, when, late: false },
      { at, when, late: true },
    ]),
  ),
)(
  "a crash $when change $at (a row comes late meanwhile: $late) loses and doubles nothing",
  async ({ at, when, late }) => {
    const account = await newAccount(100n * USD);
    const atMs = noon(35);
    const ids = [...(await book(account, atMs, [USD])), ...(await book(account, atMs + 60_000, [USD]))];
    await expect(archiveOnce(failing(at, when), account.id, CUTOFF_MS)).rejects.toThrow("crash");
    for (const id of ids) expect((await readGeneration(STORES, account.id, id))?.record.id, "after the crash").toBe(id);
    await expectBooksAreRight();
    if (late) ids.push(...(await book(account, atMs + 30_000, [2n * USD])));
    for (let run = 0; run < 3; run++) await archiveOnce(STORES, account.id, CUTOFF_MS);
    expect(await inDatabase(account)).toEqual([]);
    for (const id of ids) expect((await readGeneration(STORES, account.id, id))?.record.id).toBe(id);
    expect(await usageOf(account)).toEqual([
      { day: dayAt(atMs), requests: late ? 3 : 2, charged: Number(late ? 4n * USD : 2n * USD) },
    ]);
    await expectBooksAreRight();
  },
);

test("five runs at once move each row once", async () => {
  const account = await newAccount(100n * USD);
  const ids = await book(account, noon(36), [USD, USD, USD]);
  const moved = await Promise.all(
    Array.from({ length: 5 }, async () => await archiveOnce(STORES, account.id, CUTOFF_MS)),
  );
  while ((await archiveOnce(STORES, account.id, CUTOFF_MS)) > 0);
  expect(moved.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(3);
  expect(await usageOf(account)).toEqual([{ day: dayAt(noon(36)), requests: 3, charged: Number(3n * USD) }]);
  for (const id of ids) expect((await readGeneration(STORES, account.id, id))?.record.id).toBe(id);
  await expectBooksAreRight();
});

test("a file that changed since it was read is not written over", async () => {
  const account = await newAccount(100n * USD);
  await book(account, noon(37), [USD]);
  const slow: Pick<R2Bucket, "get" | "put"> = {
    get: async (key: string) => await env.ARCHIVE.get(key),
    put: async (key: string, value: ArrayBuffer, options?: R2PutOptions) => {
      // Another run is faster, and takes a row that this one has not seen.
      await book(account, noon(37), [2n * USD]);
      await archiveOnce(STORES, account.id, CUTOFF_MS);
      return await env.ARCHIVE.put(key, value, options);
    },
  } as Pick<R2Bucket, "get" | "put">;
  expect(await archiveOnce({ db: env.DB, archive: slow as R2Bucket }, account.id, CUTOFF_MS)).toBe(0);
  while ((await archiveOnce(STORES, account.id, CUTOFF_MS)) > 0);
  expect(await usageOf(account)).toEqual([{ day: dayAt(noon(37)), requests: 2, charged: Number(3n * USD) }]);
  await expectBooksAreRight();
});

test("a file that does not read back keeps every row in D1", async () => {
  const account = await newAccount(100n * USD);
  const ids = await book(account, noon(38), [USD]);
  const deaf: Pick<R2Bucket, "get" | "put"> = {
    get: async () => await Promise.resolve(null),
    put: async (key: string, value: ArrayBuffer) => await env.ARCHIVE.put(key, value),
  } as Pick<R2Bucket, "get" | "put">;
  await expect(archiveOnce({ db: env.DB, archive: deaf as R2Bucket }, account.id, CUTOFF_MS)).rejects.toThrow(
    "reads back",
  );
  expect(await inDatabase(account)).toEqual(ids);
});

test("the books let no generation go that no file has", async () => {
  const account = await newAccount(100n * USD);
  await book(account, noon(39), [USD]);
  const deleted = env.DB.prepare("DELETE FROM generations WHERE account_id = ?").bind(account.id).run();
  await expect(deleted).rejects.toThrow(/leaves for a file/);
});

test("leaving D1 writes one row a generation by its own count, and two for the file", async () => {
  const account = await newAccount(100n * USD);
  await book(
    account,
    noon(34),
    Array.from({ length: 40 }, () => USD),
  );
  let rows = 0;
  const counting: Pick<D1Database, "prepare" | "batch"> = {
    prepare: (query) => env.DB.prepare(query),
    batch: async (statements) => {
      const results = await env.DB.batch<never>(statements);
      for (const { meta } of results) rows += meta.rows_written;
      return results;
    },
  };
  expect(await archiveOnce({ db: counting as D1Database, archive: env.ARCHIVE }, account.id, CUTOFF_MS)).toBe(40);
  // Each generation's, one for the day's usage, one for the file's count.
  expect(rows).toBe(42);
});

test("a day of more generations than a file takes becomes several, none of them overlapping", async () => {
  const account = await newAccount(100n * USD);
  const atMs = noon(34);
  const record = settlement(account, newGeneration(atMs), 1n).record;
  const rows = Array.from({ length: 2_500 }, (_, at) => [newGeneration(atMs + at * 1_000), atMs, 0, 0, record]);
  const insert = env.DB.prepare(
    `INSERT INTO generations (id, account_id, entry_id, created_at_ms, cost_nusd, charged_nusd, record)
     SELECT value ->> 0, ?1, ?2, value ->> 1, 0, 0, value -> 4 FROM json_each(?3)`,
  );
  const entryId = `${account.id}/${String(rows[0]?.[0])}`;
  await env.DB.prepare("INSERT INTO entries VALUES (?, 'usage', 1, NULL)").bind(entryId).run();
  for (let at = 0; at < rows.length; at += 500) {
    await insert.bind(account.id, entryId, JSON.stringify(rows.slice(at, at + 500))).run();
  }
  const moved: number[] = [];
  for (let count = -1; count !== 0;) moved.push((count = await archiveOnce(STORES, account.id, CUTOFF_MS)));
  expect(moved).toEqual([1_000, 1_000, 500, 0]);
  expect(await filesOf(account)).toHaveLength(3);
  for (const at of [0, 999, 1_000, 2_499]) {
    const id = rows[at]?.[0] as GenerationId; // as made above
    expect(await readArchived(STORES, account.id, id)).toBeDefined();
  }
});

test("accounts with something to archive are found in steps, however many others there are", async () => {
  const due = await newAccount(100n * USD);
  const young = await newAccount(100n * USD);
  await book(due, noon(31), [USD]);
  await book(young, noon(1), [USD]);
  const found: string[] = [];
  let after: TestAccount["id"] | null = null;
  for (let hasMore = true; hasMore;) {
    const page: Awaited<ReturnType<typeof accountsToArchive>> = await accountsToArchive(env.DB, after, CUTOFF_MS, 2);
    found.push(...page.accounts);
    hasMore = page.hasMore;
    after = page.lastId ?? null;
  }
  expect(found).toContain(due.id);
  expect(found).not.toContain(young.id);
  expect(new Set(found).size).toBe(found.length);
});
