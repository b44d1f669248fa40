/**
 * `npm run audit`: asks the server to check every invariant of the books, page by page, and prints what it found.
 * Totals of several databases are added up, exactly. Exit code 1 when a check fails or the server cannot be asked.
 * Limit: PAGES_MAX pages (of 200 accounts).
 */
import * as z from "zod";
import { isObject } from "../core/json.ts";
import { formatUsd, type NanoUsd } from "../core/money.ts";
import { assert } from "../core/result.ts";
import { chooseServer } from "./server.ts";

const PAGES_MAX = 100_000;

const Amount = z.union([z.int(), z.string().regex(/^-?\d+(\.\d{1,9})?$/)]);
type Amount = z.infer<typeof Amount>;

const Page = z.looseObject({
  ok: z.boolean(),
  open_holds: z.number(),
  open_leases: z.number(),
  leased: z.string(),
  unsettled: z.object({ count: z.number(), amount: z.string() }),
  outbox: z.number(),
  checks: z.array(z.looseObject({ name: z.string(), ok: z.boolean(), detail: z.string() })),
  /** Null on later pages: they are a database's as a whole. Counts are numbers, amounts decimal strings. */
  totals: z.record(z.string(), z.union([Amount, z.record(z.string(), Amount)])).nullable(),
  cursor: z.string().nullable(),
});
type Page = z.infer<typeof Page>;

/** What all pages say together: counts and totals add up, a check holds when it holds on every page. */
interface Findings {
  ok: boolean;
  openHolds: number;
  openLeases: number;
  leasedNusd: NanoUsd;
  unsettledCount: number;
  unsettledNusd: NanoUsd;
  outbox: number;
  readonly checks: Map<string, { ok: boolean; details: string[] }>;
  /** By name; a total that has parts is named with each, `balances, margin`. */
  readonly totals: Map<string, Amount>;
}

function addPage(findings: Findings, page: Page): void {
  findings.ok &&= page.ok;
  findings.openHolds += page.open_holds;
  findings.openLeases += page.open_leases;
  findings.leasedNusd += nanosOf(page.leased);
  findings.unsettledCount += page.unsettled.count;
  findings.unsettledNusd += nanosOf(page.unsettled.amount);
  findings.outbox += page.outbox;
  for (const [name, amount] of Object.entries(page.totals ?? {}).flatMap(partsOf)) {
    const before = findings.totals.get(name);
    findings.totals.set(name, before === undefined ? amount : sumOf(before, amount));
  }
  for (const { name, ok, detail } of page.checks) {
    const check = findings.checks.get(name) ?? { ok: true, details: [] };
    findings.checks.set(name, {
      ok: check.ok && ok,
      details: detail === "" ? check.details : [...check.details, detail],
    });
  }
}

function partsOf([name, total]: readonly [string, Amount | Record<string, Amount>]): readonly [string, Amount][] {
  if (!isObject(total)) return [[name, total]];
  return Object.entries(total).map(([part, amount]) => [`${name}, ${part}`, amount]);
}

/** Counts as numbers, amounts as exact decimals of any size. */
function sumOf(left: Amount, right: Amount): Amount {
  if (typeof left === "number" && typeof right === "number") return left + right;
  return formatUsd(nanosOf(left) + nanosOf(right));
}

function nanosOf(amount: Amount): bigint {
  const [whole = "0", fraction = ""] = String(amount).split(".");
  const nanos = BigInt(`${whole.replace("-", "")}${fraction.padEnd(9, "0")}`);
  return whole.startsWith("-") ? -nanos : nanos;
}

const NOTHING = {
  ok: true,
  openHolds: 0,
  openLeases: 0,
  leasedNusd: 0n,
  unsettledCount: 0,
  unsettledNusd: 0n,
  outbox: 0,
};

async function audit(): Promise<void> {
  const server = chooseServer();
  if (!server.ok) return refuse(server.error);
  const findings: Findings = { ...NOTHING, checks: new Map(), totals: new Map() };
  let cursor: string | null = "";
  for (let count = 0; cursor !== null; count++) {
    assert(count < PAGES_MAX, "an audit ends");
    const query: string = cursor === "" ? "" : `?cursor=${encodeURIComponent(cursor)}`;
    const answer = await server.value.api.call("GET", `/admin/audit${query}`);
    if (!answer.ok) return refuse(answer.error);
    const page = Page.safeParse(answer.value);
    if (!page.success) return refuse(`The server's audit has an unexpected shape: ${z.prettifyError(page.error)}`);
    addPage(findings, page.data);
    cursor = page.data.cursor;
  }
  print(server.value.url, findings);
  if (!findings.ok) process.exitCode = 1;
}

function print(url: string, findings: Findings): void {
  console.log(`Audit of ${url}`);
  for (const [name, { ok, details }] of findings.checks) {
    console.log(`  ${ok ? "ok  " : "FAIL"} ${name}${details.length === 0 ? "" : `: ${details.join("; ")}`}`);
  }
  const { openHolds, openLeases, outbox, unsettledCount } = findings;
  console.log(
    `  open holds ${openHolds}, open leases ${openLeases} of $${formatUsd(findings.leasedNusd)}, outbox ${outbox}`,
  );
  console.log(`  leases ended unsettled, ever: ${unsettledCount}, at most $${formatUsd(findings.unsettledNusd)} lost`);
  for (const [name, total] of findings.totals) console.log(`  ${name}: ${total}`);
  console.log(findings.ok ? "The books are right." : "The books are WRONG.");
}

function refuse(sentence: string): void {
  console.error(sentence);
  process.exitCode = 1;
}

await audit();
