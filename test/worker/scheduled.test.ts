/** What the clock starts: the walk that compares gates and books, and generations leaving for files. */
import {
  createExecutionContext,
  createScheduledController,
  runDurableObjectAlarm,
  waitOnExecutionContext,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { cutoffAt } from "../../src/insight/archive.ts";
import type { JobPorts } from "../../src/jobs/ports.ts";
import { runScheduled } from "../../src/jobs/scheduled.ts";
import { takeTurn } from "../../src/jobs/turns.ts";
import { openBooks } from "../../src/ledger/shards.ts";
import worker from "../../src/worker.ts";
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
import { operator } from "./admin-setup.ts";
import { ask, newTenant } from "./fixture.ts";

const books = openBooks({ ...env });

/** Jobs at a moment of their own, with what they log. */
function jobsAt(
  atMs: number,
  given: Partial<JobPorts> = {},
): { readonly ports: JobPorts; readonly lines: () => unknown[] } {
  const lines: unknown[] = [];
  const ports: JobPorts = {
    clock: () => atMs,
    books,
    auditAccount: async (id) => await gateOf(id).audit(),
    log: (line) => void lines.push(JSON.parse(line)),
    reconcileEveryMs: 3_600_000,
    refresh: null,
    ...given,
  };
  return { ports, lines: () => lines };
}

interface Report {
  readonly started_at: string;
  readonly finished_at: string | null;
  readonly accounts: number;
  readonly gates: number;
  readonly faults: number;
  readonly found: readonly { readonly account_id: string; readonly fault: string }[];
}
const reports = async () => (await operator("GET", "/reconciliation")).body["data"] as readonly Report[];

async function spend(account: TestAccount, atMs: number, costNusd: bigint) {
  await setClock(account, atMs);
  const one = request(account, { generationId: newGeneration(atMs), wantedNusd: costNusd, minimumNusd: costNusd });
  await account.gate.admit(one);
  await account.gate.settle([settlement(account, one.generationId, costNusd)]);
  await runDurableObjectAlarm(account.gate);
  return one.generationId;
}

const HOUR_MS = 3_600_000;
const START_MS = Date.now();

test("before the first walk there is no report", async () => {
  expect(await operator("GET", "/reconciliation")).toMatchObject({ status: 200, body: { data: [] } });
});

test("a walk reports drift and repairs nothing; the next one begins when it is time", async () => {
  const account = await newAccount(5n * USD);
  // One that never had an entry has nothing to compare.
  await newAccount();
  await spend(account, START_MS, USD);
  const tamper = async (sign: "+" | "-") =>
    await env.DB.prepare(`UPDATE balances SET balance_nusd = balance_nusd ${sign} 7 WHERE account = ?`)
      .bind(`tenant:${account.id}`)
      .run();
  const balance = async () =>
    (
      await env.DB.prepare("SELECT balance_nusd AS b FROM balances WHERE account = ?")
        .bind(`tenant:${account.id}`)
        .first<{ b: number }>()
    )?.b;
  await tamper("+");
  const first = jobsAt(START_MS);
  await runScheduled(first.ports);
  const fault = "the gate and its outbox come to 4, the books to 4.000000007";
  const at = new Date(START_MS).toISOString();
  const [report] = await reports();
  expect(report).toMatchObject({
    started_at: at,
    finished_at: at,
    faults: 1,
    found: [{ account_id: account.id, at, fault }],
  });
  expect(report?.accounts).toBeGreaterThanOrEqual(2);
  expect(report?.gates).toBe((report?.accounts ?? 0) - 1);
  expect(first.lines()).toEqual([
    { event: "reconciliation_fault", account_id: account.id, fault },
    { event: "reconciliation_done", started_at_ms: START_MS },
  ]);
  expect(await balance()).toBe(Number(4n * USD) + 7);
  // Too soon: nothing happens.
  await runScheduled(jobsAt(START_MS + HOUR_MS - 1).ports);
  expect(await reports()).toHaveLength(1);
  await tamper("-");
  await runScheduled(jobsAt(START_MS + HOUR_MS).ports);
  expect(await reports()).toMatchObject([{ faults: 0, found: [] }, { faults: 1 }]);
});

test("a walk of many accounts goes on, run by run, where the last one stopped; a gate that is silent is a fault", async () => {
  const made: string[] = [];
  await env.DB.batch(
    Array.from({ length: 120 }, (_, at) => {
      const id = `gl1z${String(at).padStart(12, "0")}`;
      made.push(id);
      return env.DB.prepare("INSERT INTO accounts (id, name, created_at_ms) VALUES (?, 'many', 0)").bind(id);
    }),
  );
  const credit = (id: string) => [
    env.DB.prepare(
      "INSERT INTO lines VALUES (?1 || '/credit/x', 'promotion', -1), (?1 || '/credit/x', 'tenant:' || ?1, 1)",
    ).bind(id),
    env.DB.prepare("INSERT INTO entries VALUES (?1 || '/credit/x', 'credit', 1, NULL)").bind(id),
  ];
  for (let at = 0; at < made.length; at += 40) await env.DB.batch(made.slice(at, at + 40).flatMap(credit));
  const startedMs = START_MS + 2 * HOUR_MS;
  let asked = 0;
  let nowMs = startedMs;
  // Time goes by with each gate that is asked: a run is over after some of them.
  const slow = {
    clock: () => nowMs,
    auditAccount: async (id: Parameters<JobPorts["auditAccount"]>[0]) => {
      asked += 1;
      nowMs += 2_000;
      if (id === made[7]) throw new Error("the gate is away");
      return await gateOf(id).audit();
    },
  };
  const perRun: number[] = [];
  for (let run = 0; run < 10; run++) {
    const before = asked;
    await runScheduled(jobsAt(0, slow).ports);
    if (asked === before) break;
    perRun.push(asked - before);
  }
  expect(perRun.length).toBeGreaterThan(1);
  const [report] = await reports();
  expect(report).toMatchObject({ started_at: new Date(startedMs).toISOString(), gates: asked, faults: 1 });
  expect(report?.finished_at).not.toBeNull();
  expect(report?.found).toMatchObject([{ account_id: made[7], fault: "its gate did not answer" }]);
});

test("two runs at once: one has the turn; one that died gives it up after some minutes", async () => {
  const nowMs = START_MS + 10 * HOUR_MS;
  expect(await takeTurn(books.main, "reconciliation", nowMs)).toBeDefined();
  const before = (await reports()).length;
  await runScheduled(jobsAt(nowMs + 1_000).ports);
  expect(await reports()).toHaveLength(before);
  await runScheduled(jobsAt(nowMs + 200_000).ports);
  expect(await reports()).toHaveLength(before + 1);
});

test("old generations leave for their files, and stay readable through the API", async () => {
  const account = await newTenant(5n * USD);
  const oldMs = cutoffAt(START_MS) - HOUR_MS;
  const ids = [await spend(account, oldMs, USD), await spend(account, oldMs - 24 * HOUR_MS, USD)];
  await setClock(account, START_MS);
  const run = jobsAt(START_MS);
  await runScheduled(run.ports);
  expect(run.lines()).toContainEqual({ event: "archive", generations: 2, duration_ms: 0 });
  const left = await env.DB.prepare("SELECT COUNT(*) AS n FROM generations WHERE account_id = ?")
    .bind(account.id)
    .first();
  expect(left).toEqual({ n: 0 });
  for (const id of ids) {
    expect(await ask("GET", `/generation?id=${id}`, account.key)).toMatchObject({
      status: 200,
      body: { data: { id, total_cost: 1, provider_name: "Mistral" } },
    });
  }
  const again = jobsAt(START_MS + 1);
  await runScheduled(again.ports);
  expect(again.lines()).toEqual([]);
});

test("a bucket that fails is logged, account by account, and keeps nothing from its turn", async () => {
  const account = await newAccount(5n * USD);
  await spend(account, cutoffAt(START_MS) - HOUR_MS, USD);
  const broken: Pick<R2Bucket, "get"> = { get: async () => await Promise.reject(new Error("R2 is away")) };
  const withBroken = {
    ...books,
    from: (cursor: string | null) => {
      const from = books.from(cursor);
      return from === undefined ? undefined : { ...from, shard: { ...from.shard, archive: broken as R2Bucket } };
    },
  };
  const run = jobsAt(START_MS + 2, { books: withBroken });
  await runScheduled(run.ports);
  expect(run.lines()).toEqual([{ event: "archive_failed", account_id: account.id, message: "R2 is away" }]);
  const mended = jobsAt(START_MS + 3);
  await runScheduled(mended.ports);
  expect(mended.lines()).toMatchObject([{ event: "archive", generations: 1 }]);
});

test("the Worker's own scheduled event runs the jobs", async () => {
  await env.DB.prepare("DELETE FROM reconciliations").run();
  const context = createExecutionContext();
  await worker.scheduled(createScheduledController(), { ...env, PLACE: "none" }, context);
  await waitOnExecutionContext(context);
  expect(await reports()).toMatchObject([{ faults: expect.any(Number) }]);
});
