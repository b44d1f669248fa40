/**
 * What the books can prove about themselves, in SQL. Reads only. A check of a page looks at the entries of a range of
 * accounts (their ids are the beginning of the entries' ids); a check of the whole books scans everything once.
 * Each answers the first few offenders; none means that the invariant holds.
 */
import * as z from "zod";
import type { AccountId } from "../core/ids.ts";
import type { NanoUsd } from "../core/money.ts";
import { SumText } from "./books.ts";
import { CHART, classSql } from "./chart.ts";

/** A page of accounts, by id, both ends included. */
export interface AccountRange {
  readonly first: AccountId;
  readonly last: AccountId;
}

/** One invariant: its name, and the ids that break it. */
export interface BooksFinding {
  readonly name: string;
  readonly offenders: readonly string[];
}

/** A database's totals: balances by class of account, and counts. All tenants together are one line. */
export interface BooksTotals {
  readonly accounts: number;
  readonly entries: number;
  readonly generations: number;
  /** Sum of what generations were charged. */
  readonly chargedNusd: NanoUsd;
  /** One per class of the chart of accounts; they sum to zero. Names beyond the chart are `unknown`, if there are any. */
  readonly balancesNusd: Readonly<Record<string, NanoUsd>>;
}

/** How many offenders a check names. */
const OFFENDERS_MAX = 10;

const Ids = z.array(z.object({ id: z.string() }));

const PAGE_CHECKS = {
  entries_sum_to_zero: `SELECT entry_id AS id FROM lines WHERE entry_id > ?1 || '/' AND entry_id < ?2 || '0'
    GROUP BY entry_id HAVING SUM(amount_nusd) <> 0`,
  lines_have_an_entry: `SELECT DISTINCT l.entry_id AS id FROM lines l
    WHERE l.entry_id > ?1 || '/' AND l.entry_id < ?2 || '0' AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.id = l.entry_id)`,
  tenant_balances_are_sums_of_lines: `WITH sums AS (
      SELECT account, SUM(amount_nusd) AS sum FROM lines
      WHERE entry_id > ?1 || '/' AND entry_id < ?2 || '0' AND account >= 'tenant:' || ?1 AND account <= 'tenant:' || ?2
      GROUP BY account)
    SELECT b.account AS id FROM balances b LEFT JOIN sums s ON s.account = b.account
    WHERE b.account >= 'tenant:' || ?1 AND b.account <= 'tenant:' || ?2 AND b.balance_nusd <> COALESCE(s.sum, 0)
    UNION ALL SELECT s.account FROM sums s WHERE NOT EXISTS (SELECT 1 FROM balances b WHERE b.account = s.account)`,
};

const WHOLE_CHECKS = {
  balances_sum_to_zero: `SELECT 'all balances' AS id FROM (SELECT SUM(balance_nusd) AS sum FROM balances) WHERE sum <> 0`,
  accounts_are_in_the_chart: `SELECT account AS id FROM balances WHERE ${classSql("account")} IS NULL`,
  balances_are_sums_of_lines: `SELECT b.account AS id FROM balances b
    LEFT JOIN (SELECT account, SUM(amount_nusd) AS sum FROM lines GROUP BY account) s ON s.account = b.account
    WHERE b.balance_nusd <> COALESCE(s.sum, 0)`,
  // A generation's row names its one entry; what the entry takes from the tenant is the sum of its generations. Some of
  // them may have left for a file: never more, and usage_is_what_was_charged has the rest.
  generations_charged_once: `SELECT g.entry_id AS id FROM
      (SELECT entry_id, account_id, SUM(charged_nusd) AS charged FROM generations GROUP BY entry_id, account_id) g
    LEFT JOIN lines l ON l.entry_id = g.entry_id AND l.account = 'tenant:' || g.account_id
    WHERE g.charged > -COALESCE(l.amount_nusd, 0) OR (g.charged < -COALESCE(l.amount_nusd, 0)
      AND NOT EXISTS (SELECT 1 FROM generation_files f WHERE f.account_id = g.account_id))`,
  // Generations in D1 and usage of those in files come to what the entries of usage took, account by account.
  usage_is_what_was_charged: `WITH booked AS (
      SELECT substr(l.account, 8) AS id, -SUM(l.amount_nusd) AS sum FROM lines l JOIN entries e ON e.id = l.entry_id
      WHERE e.kind = 'usage' AND substr(l.account, 1, 7) = 'tenant:' GROUP BY l.account),
    used AS (SELECT id, SUM(charged) AS sum FROM (SELECT account_id AS id, charged_nusd AS charged FROM generations
      UNION ALL SELECT account_id, charged_nusd FROM usage_days) GROUP BY id)
    SELECT u.id FROM used u LEFT JOIN booked b ON b.id = u.id WHERE u.sum <> COALESCE(b.sum, 0)
    UNION ALL SELECT b.id FROM booked b WHERE NOT EXISTS (SELECT 1 FROM used u WHERE u.id = b.id)`,
  generations_have_an_entry: `SELECT g.id FROM generations g
    WHERE NOT EXISTS (SELECT 1 FROM entries e WHERE e.id = g.entry_id)`,
};

/** The checks of a page of accounts. */
export async function auditPage(db: D1Database, range: AccountRange): Promise<readonly BooksFinding[]> {
  return await findings(db, PAGE_CHECKS, [range.first, range.last]);
}

/** The checks that look at everything. `isHome` tells whether accounts whose id begins so (`gl2`) belong in this database. */
export async function auditWhole(db: D1Database, isHome: (place: string) => boolean): Promise<readonly BooksFinding[]> {
  return [...(await findings(db, WHOLE_CHECKS, [])), await accountsAreAtHome(db, isHome)];
}

/** An account in another database than its id says is found by nobody. */
async function accountsAreAtHome(db: D1Database, isHome: (place: string) => boolean): Promise<BooksFinding> {
  const found = await db.prepare("SELECT DISTINCT substr(id, 1, 3) AS id FROM accounts").all();
  const places = Ids.parse(found.results).map(({ id }) => id);
  return { name: "accounts_are_in_their_database", offenders: places.filter((place) => !isHome(place)) };
}

/** The totals of a database. */
export async function readTotals(db: D1Database): Promise<BooksTotals> {
  const [counts, sums] = await db.batch([
    db.prepare(
      `SELECT (SELECT COUNT(*) FROM accounts) AS accounts, (SELECT COUNT(*) FROM entries) AS entries,
         (SELECT COUNT(*) FROM generations) + (SELECT COALESCE(SUM(requests), 0) FROM usage_days) AS generations,
         CAST((SELECT COALESCE(SUM(charged_nusd), 0) FROM generations)
           + (SELECT COALESCE(SUM(charged_nusd), 0) FROM usage_days) AS TEXT) AS charged`,
    ),
    db.prepare(
      `SELECT COALESCE(${classSql("account")}, 'unknown') AS class, CAST(SUM(balance_nusd) AS TEXT) AS sum
       FROM balances GROUP BY 1`,
    ),
  ]);
  const [count] = z
    .tuple([z.object({ accounts: z.int(), entries: z.int(), generations: z.int(), charged: SumText })])
    .parse(counts?.results);
  const rows = z.array(z.object({ class: z.string(), sum: SumText })).parse(sums?.results);
  const none = CHART.map(({ name }) => [name, 0n] as const);
  return {
    accounts: count.accounts,
    entries: count.entries,
    generations: count.generations,
    chargedNusd: count.charged,
    balancesNusd: Object.fromEntries([...none, ...rows.map((row) => [row.class, row.sum] as const)]),
  };
}

async function findings(
  db: D1Database,
  checks: Readonly<Record<string, string>>,
  parameters: readonly string[],
): Promise<readonly BooksFinding[]> {
  const named = Object.entries(checks);
  const results = await db.batch(
    named.map(([, statement]) => db.prepare(`${statement} LIMIT ${OFFENDERS_MAX}`).bind(...parameters)),
  );
  return named.map(([name], at) => ({
    name,
    offenders: Ids.parse(results[at]?.results).map((row) => row.id),
  }));
}
