/**
 * D1 commits and its answer never arrives. Each drop is counted and seen: D1 has the rows, the gate still owes them.
 * (books.test.ts has the drops under way of random work; here they are ten in a row, nothing else.)
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { GenerationId } from "../../src/core/ids.ts";
import type { AccountGate } from "../../src/gates/account-gate.ts";
import { readBalance } from "../../src/ledger/books.ts";
import { newAccount, request, settlement, USD, type TestAccount } from "./account-setup.ts";

const DROPS = 10;

/** Lets D1 commit the gate's next `drops` batches that write, and swallows the answers. */
async function dropAnswers(account: TestAccount, drops: number): Promise<{ dropped: number }> {
  const count = { dropped: 0 };
  await runInDurableObject(account.gate, (gate: AccountGate) => {
    let writes = false;
    const lossy: Pick<D1Database, "prepare" | "batch"> = {
      prepare: (query) => {
        writes = query.startsWith("INSERT");
        return env.DB.prepare(query);
      },
      batch: async (statements) => {
        // Statements are prepared just before their batch, with nothing in between.
        const isDropped = writes && count.dropped < drops;
        if (isDropped) count.dropped += 1;
        const results = await env.DB.batch<never>(statements);
        if (isDropped) throw new Error("the answer was lost");
        return results;
      },
    };
    // The gate uses nothing else of D1.
    gate.books = lossy as D1Database;
    // The appointments of this test are the only ones: an hour from now is never.
    gate.clock = () => Date.now() + 3_600_000;
  });
  return count;
}

async function spend(account: TestAccount, costNusd: bigint): Promise<GenerationId> {
  const one = request(account, { wantedNusd: costNusd, minimumNusd: costNusd });
  await account.gate.admit(one);
  const receipt = await account.gate.settle([settlement(account, one.generationId, costNusd)]);
  expect(receipt.acknowledged).toEqual([one.generationId]);
  return one.generationId;
}

/** What the books have of an account, and what its gate still owes them. */
async function state(account: TestAccount) {
  const { results } = await env.DB.prepare(
    `SELECT (SELECT COUNT(*) FROM generations WHERE account_id = ?1) AS generations,
      (SELECT SUM(charged_nusd) FROM generations WHERE account_id = ?1) AS charged,
      (SELECT COUNT(*) FROM entries WHERE kind = 'usage' AND id LIKE ?1 || '/%') AS entries`,
  )
    .bind(account.id)
    .all();
  const audit = await account.gate.audit();
  if (!audit.ok) throw new Error(JSON.stringify(audit.error));
  return {
    ...results[0],
    balanceNusd: (await readBalance(env.DB, account.id)).balanceNusd,
    outbox: audit.value.outboxCount,
    faults: audit.value.faults.filter((fault) => fault !== "the last flush failed: the answer was lost"),
  };
}

test("ten answers in a row are lost for one flush: D1 has it from the first try on, and once", async () => {
  const account = await newAccount(100n * USD);
  const count = await dropAnswers(account, DROPS);
  await spend(account, 3n * USD);
  const booked = { generations: 1, charged: Number(3n * USD), entries: 1, balanceNusd: 97n * USD, faults: [] };
  for (let at = 1; at <= DROPS; at++) {
    await runDurableObjectAlarm(account.gate);
    expect(count.dropped).toBe(at);
    expect(await state(account)).toEqual({ ...booked, outbox: 1 });
  }
  await runDurableObjectAlarm(account.gate);
  expect(await state(account)).toEqual({ ...booked, outbox: 0 });
});

test("what is settled while ten answers are lost waits, and follows in a flush of its own", async () => {
  const account = await newAccount(100n * USD);
  const count = await dropAnswers(account, DROPS);
  for (let at = 1; at <= DROPS; at++) {
    await spend(account, USD);
    await runDurableObjectAlarm(account.gate);
    expect(count.dropped).toBe(at);
    expect(await state(account)).toMatchObject({ generations: 1, entries: 1, outbox: at, faults: [] });
  }
  await runDurableObjectAlarm(account.gate);
  expect(await state(account)).toEqual({
    generations: DROPS,
    charged: Number(BigInt(DROPS) * USD),
    entries: 2,
    balanceNusd: 90n * USD,
    outbox: 0,
    faults: [],
  });
});

test("ten flushes lose their answer once each, each time across a restart of the gate", async () => {
  const account = await newAccount(100n * USD);
  for (let at = 1; at <= DROPS; at++) {
    const count = await dropAnswers(account, 1);
    await spend(account, USD);
    await runDurableObjectAlarm(account.gate);
    expect(count.dropped).toBe(1);
    const booked = { generations: at, entries: at, balanceNusd: BigInt(100 - at) * USD, faults: [] };
    expect(await state(account)).toMatchObject({ ...booked, outbox: 1 });
    await evictDurableObject(account.gate);
    await account.gate.view();
    await runDurableObjectAlarm(account.gate);
    expect(await state(account)).toMatchObject({ ...booked, outbox: 0 });
  }
});
