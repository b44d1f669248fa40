/** What must hold after every step of a run, and at its end. A broken invariant is an Error with a sentence. */
import type { GenerationId } from "../../src/core/ids.ts";
import { auditAccount } from "../../src/gates/account-audit.ts";
import type { NamedMovement } from "../../src/gates/account-credit.ts";
import { hasLapsed, spentOf, type IsolateLease } from "../../src/ledger/lease.ts";
import { KEYS } from "./gate.ts";
import type { Isolate, World } from "./run.ts";

/** What the model knows beside the gate. */
export interface Ledger {
  /** Generations that the gate has settled and what they were charged; null: one of several in a call. */
  readonly charged: Map<GenerationId, bigint | null>;
  readonly costs: Map<GenerationId, bigint>;
  readonly credits: Map<string, NamedMovement>;
  /** What debits have taken of money that was held or lent. */
  uncoveredNusd: bigint;
}

/** Throws an Error with `sentence` unless `holds`. */
export function check(holds: boolean, sentence: string): asserts holds {
  if (!holds) throw new Error(sentence);
}

/** @param balanceNusd and `debitsNusd` are what they were before the step. */
export function checkStep(world: World, balanceNusd: bigint, debitsNusd: bigint): void {
  const { memory, ledger } = world;
  const { account } = memory;
  const wasDebited = account.debitsNusd > debitsNusd;
  check(
    account.balanceNusd >= 0n || wasDebited || account.balanceNusd >= balanceNusd,
    "a generation has made the balance negative",
  );
  // Settled + open holds + open leases <= credits net of debits, but for what a debit took of money that was reserved.
  const overNusd = account.usageNusd + memory.heldNusd - (account.creditsNusd - account.debitsNusd);
  check(overNusd <= ledger.uncoveredNusd || wasDebited, "more is reserved and settled than was ever credited");
  ledger.uncoveredNusd = overNusd > 0n ? overNusd : 0n;
  checkSums(world);
  for (const isolate of world.isolates)
    for (const lease of isolate.state.leases.values()) checkLease(world, isolate, lease);
}

/** Memory's sums are the sums of what is there, and a key's limit covers what was spent and what is reserved of it. */
function checkSums({ memory }: World): void {
  let heldNusd = 0n;
  let leasedNusd = 0n;
  for (const hold of memory.holds.values()) heldNusd += hold.amountNusd;
  for (const lease of memory.leases.values()) {
    check(lease.reservedNusd >= 0n && lease.freeNusd >= 0n, "a lease is not negative");
    leasedNusd += lease.reservedNusd;
  }
  check(memory.leasedNusd === leasedNusd && memory.heldNusd === heldNusd + leasedNusd, "sums differ from their parts");
  const limited = memory.keys.get(KEYS[1]);
  const counter = memory.counters.get(KEYS[1]);
  if (limited === undefined || limited.limitNusd === null || counter === undefined) return;
  const reservedNusd = memory.heldByCounter.get(KEYS[1]) ?? 0n;
  check(counter.totalNusd + reservedNusd <= limited.limitNusd, "a key's limit is passed");
}

/** The gate reserves for a lease at least what its isolate may spend, holds, and has not settled yet. */
function checkLease({ memory, ledger, nowMs }: World, { state }: Isolate, lease: IsolateLease): void {
  check(lease.freeNusd >= 0n && lease.openNusd >= 0n, "an isolate's lease is not negative");
  const reserved = memory.leases.get(lease.id);
  if (reserved === undefined || hasLapsed(lease, nowMs)) {
    // Expired at the gate (and perhaps opened anew), or closed there: either way nothing can be opened from it.
    const isEmpty = lease.freeNusd === 0n && lease.openNusd === 0n;
    const isOver = lease.state !== "live" || lease.spendUntilMs <= nowMs;
    check(isOver || isEmpty, "a lease can be spent from that its gate has ended");
    return;
  }
  let owedNusd = lease.freeNusd + lease.openNusd;
  for (const { lease: from, settlement } of state.queue.values()) {
    if (from !== lease || ledger.charged.has(settlement.generationId)) continue;
    owedNusd += spentOf(settlement.costNusd, settlement.lease?.heldNusd ?? 0n);
  }
  check(reserved.reservedNusd >= owedNusd, "an isolate may spend more than its gate reserves");
}

/** Everything is home: nothing is open or lent, and gate, books and model agree to the nano-dollar. */
export async function checkEnd(world: World): Promise<void> {
  const { memory, account, ledger } = world;
  for (const { state } of world.isolates) {
    check(state.leased.size === 0 && state.queue.size === 0, "a generation was not settled");
    check(state.leases.size === 0, "an isolate still has a lease");
  }
  check(memory.holds.size === 0 && memory.leases.size === 0, "a hold or lease has not ended");
  check(memory.heldNusd === 0n && memory.leasesFreeNusd === 0n, "something is still reserved");
  check(memory.heldByCounter.size === 0, "something of a key's limit is still reserved");
  const audit = await auditAccount(memory, account.books.db, () => world.nowMs, null);
  check(audit.ok, audit.faults.join("; "));

  const sum = (values: Iterable<bigint>): bigint => [...values].reduce((total, value) => total + value, 0n);
  const { raw } = account.books;
  const rows = raw.prepare("SELECT id, cost_nusd, charged_nusd FROM generations WHERE account_id = ?").all(account.id);
  check(rows.length === ledger.charged.size, "the books have other generations than were settled");
  let chargedNusd = 0n;
  for (const row of rows) {
    const id = row["id"] as GenerationId;
    const charged = BigInt(Number(row["charged_nusd"]));
    const known = ledger.charged.get(id);
    check(known !== undefined && (known === null || known === charged), "a generation is booked at another charge");
    check(BigInt(Number(row["cost_nusd"])) === ledger.costs.get(id), "a generation is booked at another cost");
    chargedNusd += charged;
  }
  check(chargedNusd === memory.account.usageNusd, "usage is not the sum of the charges");
  check(
    memory.account.balanceNusd === sum([...ledger.credits.values()].map((one) => one.amountNusd)) - chargedNusd,
    "the balance is not what is left",
  );
  const [unbalanced] = raw
    .prepare(
      `SELECT COUNT(*) AS count FROM (SELECT 1 FROM lines WHERE entry_id > ?1 || '/' AND entry_id < ?1 || '0'
        GROUP BY entry_id HAVING SUM(amount_nusd) <> 0)`,
    )
    .all(account.id);
  check(unbalanced?.["count"] === 0, "debits are not credits");
}
