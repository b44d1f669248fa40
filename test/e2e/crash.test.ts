/**
 * kill -9 and what the books say afterwards. Two crashes of one server over one data folder:
 *   1. everything at once (the whole process group), with 50 streams open and lanes of short answers running;
 *   2. the launcher and what watches it, so that a workerd is left that nobody looks after; the next start ends it.
 * Then nobody asks for the second crash's account until its holds must have ended: its gate has only its own alarm.
 * Last, the server is stopped and D1's file read as it lies there. The tests are one story: each goes on from the last.
 * The moment of each crash is drawn from CRASH_SEED, by default another one each time; failures name it.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import * as z from "zod";
import { commandOf } from "../../src/cli/leftover.ts";
import { alone } from "./alone.ts";
import { acknowledgedIds, readBooks } from "./books-file.ts";
import { createLoad, type Answer } from "./crash-load.ts";
import { serve, type Server } from "./serve.ts";
import { CATALOG, costOf, numberOf, startSlowUpstream, type SlowUpstream } from "./slow-upstream.ts";
import { makeTenant, type Tenant } from "./tenant.ts";

const STREAMS = 50;
const LANES = 8;
/** What a stream reserves at least: 300 tokens of output at 2,000 nano-dollars. */
const WORST_NUSD = 600_000;
/** An answer whose last byte the client had for so long is in the books. */
const SETTLED_MS = 250;
/** Holds end within this time of a restart. */
const HOLDS_END_MS = 90_000;
/** A hold's life; its alarm may be some seconds late. */
const HOLD_LIFE_MS = 60_000;
const SEED = Number(process.env["CRASH_SEED"] ?? Date.now() % 100_000);

let dir = "";
let upstream: SlowUpstream;
let server: Server;
/** Whose streams and answers the first crash hits, and the second. */
let first: Tenant;
let second: Tenant;
const load = createLoad(() => server);
const leaveMachine = alone();

interface Crash {
  readonly atMs: number;
  readonly restartedAtMs: number;
  /** Whole answers of the crash's account, by then. */
  readonly answers: readonly Answer[];
}
let groupCrash: Crash;
let launcherCrash: Crash;
let holdsEndedMs = 0;

beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "waypost-crash-"));
  upstream = await startSlowUpstream();
  server = await serve({ dataDir: dir, env: upstream.env });
  await operate("PUT", "/admin/catalog", CATALOG);
  [first, second] = [await makeTenant(server, "50"), await makeTenant(server, "50")];
  // One alone, so that the catalog is read; then the others at once.
  await load.open(first, 2_400, 250);
  await Promise.all(Array.from({ length: STREAMS - 1 }, () => load.open(first, 2_400, 250)));
  const lanes = load.lanes(first, LANES);
  await sleep(2_000 + 1_500 * drawn(SEED));
  const atMs = Date.now();
  await server.kill();
  await lanes.stop();
  const answers = [...load.answers];
  server = await server.restart();
  groupCrash = { atMs, restartedAtMs: Date.now(), answers };
});
afterAll(async () => {
  await server.kill();
  await upstream.stop();
  rmSync(dir, { recursive: true, force: true });
});

test("the audit passes at once, while what the streams that died had reserved still is", async () => {
  const audit = await auditNow();
  expect(audit, `seed ${SEED}`).toMatchObject({ ok: true });
  // The first stream's is a hold of its own; the others may be in the lease that it brought.
  expect(audit.open_holds).toBeGreaterThanOrEqual(1);
  expect(audit.open_leases).toBe(1);
  expect(nusd(Number(audit.leased)) + nusd(Number(await heldBy(first)))).toBeGreaterThanOrEqual(STREAMS * WORST_NUSD);
  // Not one hold of an answer that should have been settled.
  expect(audit.open_holds).toBeLessThanOrEqual(load.wishes.size - settledAnswers(groupCrash).length);
  expect(load.refusals).toEqual([]);
});

test("an answer that its client had for 250 ms before the kill is booked at its exact cost", async () => {
  const old = settledAnswers(groupCrash);
  expect(old.length).toBeGreaterThan(50);
  expect(await costsOf(first, old), `seed ${SEED}`).toEqual(old.map(({ wish }) => costOf(wish)));
});

test("the account's usage is the sum of what is booked, and a new answer adds exactly its cost", async () => {
  const before = await usageOf(first);
  const found = await costsOf(first, groupCrash.answers);
  const sum = found.reduce<number>((total, costNusd) => total + (costNusd ?? 0), 0);
  // What was settled and not yet delivered when the kill came is asked for in the last test.
  expect(before).toBeGreaterThanOrEqual(sum);
  const stream = await load.open(first, 5, 5);
  expect(await stream.end).toBe(true);
  const added = load.answers.slice(-1);
  const costs = await costsOf(first, added);
  expect(costs).toEqual(added.map(({ wish }) => costOf(wish)));
  expect(await usageOf(first)).toBe(before + Number(costs[0]));
});

test("a start ends a workerd that was left without its launcher, and takes the port over", async () => {
  await Promise.all(Array.from({ length: 5 }, () => load.open(second, 2_400, 250)));
  const known = load.answers.length;
  const lanes = load.lanes(second, LANES);
  await sleep(500 + 500 * drawn(SEED + 1));
  const workerd = Number(readFileSync(path.join(dir, "run/workerd.pid"), "utf8"));
  for (const watcher of childrenOf(workerd)) process.kill(watcher, "SIGKILL");
  process.kill(server.pid, "SIGKILL");
  await sleep(500);
  expect([commandOf(server.pid), commandOf(workerd)]).toEqual([undefined, expect.stringContaining("workerd")]);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  server = await server.restart();
  const restartedAtMs = Date.now();
  await lanes.stop();
  launcherCrash = { atMs: await lanes.brokenAtMs, restartedAtMs, answers: load.answers.slice(known) };
  expect(commandOf(workerd)).toBeUndefined();
});

// Leases of an isolate that was killed wait for its settles for up to a quarter of an hour, and then end by themselves.
test("within 90 s of a restart no hold is open, by the gates' own alarms; a stream that lives keeps its hold", async () => {
  // A minute of waiting, and nothing from here on is measured in less than seconds.
  leaveMachine();
  const third = await makeTenant(server, "1");
  const living = await load.open(third, 260, 250);
  const livingSinceMs = Date.now();
  await expect.poll(async () => await heldBy(first), { timeout: HOLDS_END_MS, interval: 250 }).toBe("0");
  holdsEndedMs = Date.now() - groupCrash.restartedAtMs;
  expect(holdsEndedMs).toBeLessThan(HOLDS_END_MS);
  // Two renewals after the admission.
  await sleep(Math.max(0, livingSinceMs + HOLD_LIFE_MS + 2_000 - Date.now()));
  expect(await heldBy(third)).not.toBe("0");
  expect(await living.end).toBe(true);
  await expect.poll(async () => await heldBy(third)).toBe("0");
  // The third account's charge goes to D1 meanwhile.
  await sleep(Math.max(1_000, launcherCrash.atMs + HOLD_LIFE_MS + 3_000 - Date.now()));
  // The first that anybody asks of the second account's gate since it was killed.
  const audit = await auditNow();
  expect(Date.now() - launcherCrash.restartedAtMs).toBeLessThan(HOLDS_END_MS);
  expect(audit, `seed ${SEED}`).toMatchObject({ ok: true, open_holds: 0, outbox: 0 });
});

test("D1's own file has every old answer once, each at its cost, and they sum to the charge", async () => {
  const [usage, audit] = [[await usageOf(first), await usageOf(second)], await auditNow()];
  expect(await server.stop()).toBe(0);
  const rows = readBooks(dir);
  expect(rows).toHaveLength(audit.totals?.generations ?? 0);
  const numbers = rows.map(({ record }) => numberOf(record.usage.inputText));
  expect(new Set(numbers).size).toBe(rows.length);
  for (const [at, row] of rows.entries()) {
    const wish = load.wishes.get(numbers[at] ?? -1);
    expect(row.charged_nusd).toBe(wish === undefined ? "nobody asked for it" : costOf(wish));
  }
  const sums = [first, second].map(({ account }) =>
    rows.filter((row) => row.account_id === account).reduce((sum, row) => sum + row.charged_nusd, 0),
  );
  expect(sums).toEqual(usage);

  const booked = new Set(rows.map(({ id }) => id));
  const unbooked = (crash: Crash) => crash.answers.filter(({ id }) => !booked.has(id));
  for (const crash of [groupCrash, launcherCrash]) {
    const settled = settledAnswers(crash);
    expect(
      unbooked(crash).filter((answer) => settled.includes(answer)),
      `seed ${SEED}`,
    ).toEqual([]);
  }
  // The log tells whose settle was acknowledged: none of them may be missing, however young.
  const acknowledged = acknowledgedIds(dir);
  // Half of the lanes are streamed.
  expect(acknowledged.length).toBeGreaterThan(settledAnswers(groupCrash).length / 5);
  expect(
    acknowledged.filter((id) => !booked.has(id)),
    `seed ${SEED}`,
  ).toEqual([]);
  const figures = [groupCrash, launcherCrash].map((crash) => ({
    answers: crash.answers.length,
    young: crash.answers.length - settledAnswers(crash).length,
    lostAgesMs: unbooked(crash).map((answer) => crash.atMs - answer.lastByteAtMs),
  }));
  console.log(JSON.stringify({ SEED, booked: rows.length, acknowledged: acknowledged.length, holdsEndedMs, figures }));
});

/** Answers that the books must have. */
function settledAnswers({ answers, atMs }: Crash): readonly Answer[] {
  return answers.filter(({ lastByteAtMs }) => lastByteAtMs < atMs - SETTLED_MS);
}

const Audit = z.looseObject({
  ok: z.boolean(),
  open_holds: z.int(),
  open_leases: z.int(),
  leased: z.string(),
  outbox: z.int(),
  totals: z.looseObject({ generations: z.int() }).nullable(),
});

async function auditNow(): Promise<z.infer<typeof Audit>> {
  return Audit.parse(await operate("GET", "/admin/audit"));
}

async function heldBy({ account }: Tenant): Promise<string> {
  const body = await operate("GET", `/admin/accounts/${account}`);
  return z.looseObject({ data: z.looseObject({ held: z.string() }) }).parse(body).data.held;
}

async function usageOf(tenant: Tenant): Promise<number> {
  const { status, body } = await call("GET", "/credits", tenant.managementKey);
  expect(status).toBe(200);
  return nusd(z.looseObject({ data: z.looseObject({ total_usage: z.number() }) }).parse(body).data.total_usage);
}

/** What each answer was charged; null for one that is not booked. A few at a time. */
async function costsOf(tenant: Tenant, answers: readonly Answer[]): Promise<readonly (number | null)[]> {
  const costs: (number | null)[] = [];
  for (let at = 0; at < answers.length; at += 10) {
    const some = answers.slice(at, at + 10).map(async ({ id }) => {
      const { status, body } = await call("GET", `/generation?id=${id}`, tenant.key);
      if (status === 404) return null;
      return nusd(z.looseObject({ data: z.looseObject({ total_cost: z.number() }) }).parse(body).data.total_cost);
    });
    costs.push(...(await Promise.all(some)));
  }
  return costs;
}

function nusd(usd: number): number {
  return Math.round(usd * 1e9);
}

async function operate(method: string, route: string, body?: unknown): Promise<unknown> {
  const answer = await call(method, route, server.operatorKey, body);
  expect(answer.status, `${method} ${route}: ${JSON.stringify(answer.body)}`).toBe(200);
  return answer.body;
}

async function call(method: string, route: string, key: string, body?: unknown) {
  const response = await fetch(`${server.apiBase}${route}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as unknown };
}

/** The processes whose parent is `pid`. */
function childrenOf(pid: number): readonly number[] {
  // A small container has no ps, a Mac no /proc.
  const pairs = existsSync("/proc/self/stat")
    ? readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map((child) => [child, parentOf(child)])
    : execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
        .split("\n")
        .map((line) => line.trim().split(/\s+/));
  return pairs.filter(([, parent]) => Number(parent) === pid).map(([child]) => Number(child));
}

function parentOf(pid: string): string | undefined {
  try {
    // pid (command) state parent ...; a command may hold spaces and brackets.
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1];
  } catch {
    return undefined;
  }
}

/** A number from 0 to 1 that a seed always gives. */
function drawn(seed: number): number {
  return ((Math.imul(seed + 1, 2_654_435_761) >>> 0) % 10_000) / 10_000;
}
