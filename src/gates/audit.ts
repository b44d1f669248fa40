/**
 * The operator's audit: every invariant of the money, a page of accounts at a time, as `GET /admin/audit` answers it
 * (hence the snake_case names). `npm run audit` walks all pages, one database after the other. The first page of each
 * also checks that database as a whole and brings its totals; later pages have `totals: null`.
 * An account without a ledger entry never had credit and never had a generation booked: its gate has nothing to compare
 * and is not woken. (Its free generations leave an entry with their first flush, at most some seconds later.)
 */
import { listAccounts, ACCOUNTS_PER_PAGE_MAX } from "../accounts/accounts.ts";
import type { AccountId } from "../core/ids.ts";
import { formatUsd } from "../core/money.ts";
import type { Result } from "../core/result.ts";
import type { RouterError } from "../core/error.ts";
import { accountsWithEntries } from "../ledger/books.ts";
import { auditPage, auditWhole, readTotals, type BooksFinding, type BooksTotals } from "../ledger/books-audit.ts";
import { cursorAfter, type Books, type ShardCursor } from "../ledger/shards.ts";
import type { AccountAudit } from "./account-contract.ts";

export interface AuditCheck {
  readonly name: string;
  readonly ok: boolean;
  /** What was looked at, or the first offenders. */
  readonly detail: string;
}

/** One page of the audit, as it goes over the wire. Amounts are decimal USD strings. */
export interface AuditPage {
  readonly ok: boolean;
  /** The database that the page's accounts live in. */
  readonly shard: string;
  readonly open_holds: number;
  readonly open_leases: number;
  /** What leases reserve. */
  readonly leased: string;
  /** Leases that ended unsettled, ever, and their sum: the most that the operator lost with isolates that died. */
  readonly unsettled: { readonly count: number; readonly amount: string };
  /** Settled generations that D1 doesn't have yet. */
  readonly outbox: number;
  readonly checks: readonly AuditCheck[];
  readonly totals: AuditTotals | null;
  /** Pass it on for the next page; null on the last one. */
  readonly cursor: string | null;
}

export interface AuditTotals {
  readonly accounts: number;
  readonly entries: number;
  readonly generations: number;
  /** Sum of what generations were charged. */
  readonly charged: string;
  /** By class of the chart of accounts (ledger/chart.ts); they sum to zero. */
  readonly balances: Readonly<Record<string, string>>;
}

/** What the audit needs: the books, and an account's gate. */
export interface AuditPorts {
  readonly books: Books;
  readonly auditAccount: (account: AccountId) => Promise<Result<AccountAudit, RouterError>>;
}

/** Gates asked at the same time. */
const GATES_AT_ONCE = 20;
const DETAILS_MAX = 5;

/** One page of accounts. Throws what D1 throws. */
export async function auditBooks(ports: AuditPorts, { shard, afterId }: ShardCursor): Promise<AuditPage> {
  const { books } = ports;
  const { db, name } = shard;
  const accounts = await listAccounts(db, { afterId, limit: ACCOUNTS_PER_PAGE_MAX });
  const ids = accounts.map((account) => account.id);
  const whole = afterId === null ? await auditWhole(db, (place) => books.shardOf(place)?.name === name) : [];
  const totals = afterId === null ? await readTotals(db) : null;
  const first = ids[0];
  const last = ids.at(-1);
  const page = first === undefined || last === undefined ? [] : await auditPage(db, { first, last });
  const active = await accountsWithEntries(db, ids);
  const gates = await auditGates(
    ports,
    ids.filter((id) => active.has(id)),
  );
  const checks = [...[...whole, ...page].map(checkOf), gateCheck(gates)];
  const audits = gates.map((gate) => gate.audit).filter((audit) => audit !== null);
  return {
    ok: checks.every((check) => check.ok),
    shard: name,
    open_holds: audits.reduce((sum, audit) => sum + audit.openHolds, 0),
    open_leases: audits.reduce((sum, audit) => sum + audit.openLeases, 0),
    leased: formatUsd(audits.reduce((sum, audit) => sum + audit.leasedNusd, 0n)),
    unsettled: {
      count: audits.reduce((sum, audit) => sum + audit.unsettledCount, 0),
      amount: formatUsd(audits.reduce((sum, audit) => sum + audit.unsettledNusd, 0n)),
    },
    outbox: audits.reduce((sum, audit) => sum + audit.outboxCount, 0),
    checks,
    totals: totals === null ? null : totalsOf(totals),
    cursor: cursorAfter(books, shard, last, ids.length === ACCOUNTS_PER_PAGE_MAX),
  };
}

/** What an account's gate said about itself and the books; no audit when it did not answer. */
export interface GateFinding {
  readonly accountId: AccountId;
  readonly audit: AccountAudit | null;
  readonly faults: readonly string[];
}

/** Asks the gates of these accounts, some at a time. */
export async function auditGates(ports: AuditPorts, ids: readonly AccountId[]): Promise<readonly GateFinding[]> {
  const found: GateFinding[] = [];
  for (let at = 0; at < ids.length; at += GATES_AT_ONCE) {
    const some = ids.slice(at, at + GATES_AT_ONCE);
    found.push(...(await Promise.all(some.map(async (id) => await auditGate(ports, id)))));
  }
  return found;
}

async function auditGate(ports: AuditPorts, id: AccountId): Promise<GateFinding> {
  const answer = await ports.auditAccount(id).catch(() => undefined);
  if (answer === undefined || !answer.ok) return { accountId: id, audit: null, faults: ["its gate did not answer"] };
  return { accountId: id, audit: answer.value, faults: answer.value.faults };
}

/** Gate balance = book balance - outbox; settled + open holds + open leases <= credits; every hold and lease ends. */
function gateCheck(gates: readonly GateFinding[]): AuditCheck {
  const faults = gates.flatMap((gate) => gate.faults.map((fault) => `${gate.accountId}: ${fault}`));
  return {
    name: "gates_match_books",
    ok: faults.length === 0,
    detail: faults.length === 0 ? `${gates.length} gates compared` : faults.slice(0, DETAILS_MAX).join("; "),
  };
}

function checkOf(finding: BooksFinding): AuditCheck {
  const { name, offenders } = finding;
  return { name, ok: offenders.length === 0, detail: offenders.length === 0 ? "holds" : offenders.join(", ") };
}

function totalsOf(totals: BooksTotals): AuditTotals {
  return {
    accounts: totals.accounts,
    entries: totals.entries,
    generations: totals.generations,
    charged: formatUsd(totals.chargedNusd),
    balances: Object.fromEntries(
      Object.entries(totals.balancesNusd).map(([kind, amountNusd]) => [kind, formatUsd(amountNusd)]),
    ),
  };
}
