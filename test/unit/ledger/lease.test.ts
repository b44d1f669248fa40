import { expect, test } from "vitest";
import { asKeyHash, asLeaseId } from "../../../src/core/ids.ts";
import {
  closeHold,
  gatherMsAmong,
  GENERATION_MS_MAX,
  grantOf,
  hasLapsed,
  heardLease,
  isIdle,
  mayClose,
  newGateLease,
  newIsolateLease,
  openFromLease,
  reportOf,
  SETTLE_MS,
  spentOf,
  takeAnswer,
  type IsolateLease,
} from "../../../src/ledger/lease.ts";
import { DEADLINES } from "../../../src/router/deadlines.ts";

const ID = asLeaseId("isolate.1");

test("a lease waits for the longest generation that the router lets run", () => {
  expect(GENERATION_MS_MAX).toBe(DEADLINES.totalMs);
  expect(SETTLE_MS).toBe(10_000 + DEADLINES.totalMs + 60_000);
});

test.each([
  { name: "a rich account lends what is wanted", spendable: 64_000n, wanted: 40n, expected: [40n, 1_000n] },
  {
    name: "what is free already is not lent again",
    spendable: 64_000n,
    free: 30n,
    wanted: 40n,
    expected: [10n, 1_000n],
  },
  { name: "no lease has more than a 64th", spendable: 6_400n, wanted: 500n, expected: [100n, 100n] },
  { name: "a 64th that serves nobody is not lent", spendable: 640n, wanted: 500n, least: 11n, expected: [0n, 0n] },
  { name: "nothing wanted, nothing lent", spendable: 64_000n, wanted: 0n, least: 0n, expected: [0n, 1_000n] },
  { name: "nothing spendable, nothing lent", spendable: 0n, wanted: 500n, expected: [0n, 0n] },
  { name: "a debt lends nothing and leaves nothing", spendable: -100n, free: 50n, wanted: 500n, expected: [0n, 0n] },
  {
    name: "all free parts together are a quarter at most",
    spendable: 6_300n,
    others: 2_090n,
    wanted: 500n,
    expected: [7n, 7n],
  },
  { name: "a full quarter lends nothing", spendable: 6_000n, others: 2_000n, wanted: 500n, expected: [0n, 0n] },
])("$name", ({ spendable, free = 0n, others = 0n, wanted, least = 1n, expected }) => {
  const grant = grantOf({
    spendableNusd: spendable,
    freeNusd: free,
    othersFreeNusd: others,
    wantedNusd: wanted,
    leastNusd: least,
  });
  expect([grant.grantNusd, grant.keepNusd]).toEqual(expected);
});

test.each([
  { name: "a cost within the hold", cost: 3n, held: 5n, expected: 3n },
  { name: "a cost beyond the hold takes the hold", cost: 8n, held: 5n, expected: 5n },
  { name: "no cost takes nothing", cost: 0n, held: 5n, expected: 0n },
])("$name", ({ cost, held, expected }) => {
  expect(spentOf(cost, held)).toBe(expected);
});

/** A lease of 100 that was granted at time 0. */
function granted(): IsolateLease {
  const lease = newIsolateLease(ID, asKeyHash("a".repeat(64)), "", 0);
  takeAnswer(lease, { kind: "live", id: ID, grantedNusd: 100n, keepNusd: 1_000n, spendMs: 10_000 }, 0, 0);
  return lease;
}

test("holds open while they are covered and in time, and not a moment longer", () => {
  const lease = granted();
  expect(openFromLease(lease, 60n, 9_999)).toBe(true);
  expect(openFromLease(lease, 41n, 9_999)).toBe(false);
  expect(openFromLease(lease, 40n, 10_000)).toBe(false);
  expect([lease.freeNusd, lease.openNusd]).toEqual([40n, 60n]);
});

test("what a hold didn't cost can be spent again at once", () => {
  const lease = granted();
  openFromLease(lease, 60n, 0);
  closeHold(lease, 60n, 10n, 1);
  expect([lease.freeNusd, lease.openNusd]).toEqual([90n, 0n]);
  expect(() => closeHold(lease, 1n, 0n, 1)).toThrow("a leased hold ends once");
});

test("an answer that comes twice, late or out of order grants once", () => {
  const lease = granted();
  const later = { kind: "live", id: ID, grantedNusd: 150n, keepNusd: 1_000n, spendMs: 10_000 } as const;
  const before = { ...later, grantedNusd: 120n };
  takeAnswer(lease, later, 100, 100);
  takeAnswer(lease, before, 50, 100);
  takeAnswer(lease, later, 100, 100);
  expect([lease.freeNusd, lease.seenNusd, lease.spendUntilMs]).toEqual([150n, 150n, 10_100]);
});

test("a lease lapses when no answer has come for as long as its gate waits, and then takes none", () => {
  const lease = granted();
  const answer = { kind: "live", id: ID, grantedNusd: 150n, keepNusd: 1_000n, spendMs: 10_000 } as const;
  takeAnswer(lease, answer, 300_000, 300_001);
  expect([hasLapsed(lease, SETTLE_MS), hasLapsed(lease, 300_000 + SETTLE_MS)]).toEqual([false, true]);
  takeAnswer(lease, { ...answer, grantedNusd: 200n }, 300_000 + SETTLE_MS, 300_000 + SETTLE_MS);
  expect([lease.state, lease.freeNusd]).toEqual(["ended", 0n]);
});

test("an answer to a call that is older than its gate waits grants nothing", () => {
  const lease = newIsolateLease(ID, asKeyHash("a".repeat(64)), "", 0);
  const answer = { kind: "live", id: ID, grantedNusd: 100n, keepNusd: 1_000n, spendMs: 10_000 } as const;
  takeAnswer(lease, answer, 0, SETTLE_MS);
  expect([lease.state, lease.freeNusd]).toEqual(["asked", 0n]);
  takeAnswer(lease, answer, 1, SETTLE_MS);
  expect([lease.state, lease.freeNusd]).toEqual(["live", 100n]);
});

test("a revoked lease opens nothing more and returns all that is free", () => {
  const lease = granted();
  openFromLease(lease, 60n, 0);
  takeAnswer(lease, { kind: "revoked", id: ID }, 1, 1);
  expect(openFromLease(lease, 1n, 2)).toBe(false);
  expect(reportOf(lease, "more", 3)).toMatchObject({ returnedNusd: 40n, freeNusd: 0n, wantedNusd: 0n, opens: false });
  expect(isIdle(lease, 3)).toBe(true);
});

test("a report keeps what the last seconds asked for, and returns what is far beyond it", () => {
  const lease = granted();
  openFromLease(lease, 10n, 0);
  // Demand of 10 and four spare requests make 50 of the 90.
  expect(reportOf(lease, "more", 1)).toMatchObject({ wantedNusd: 50n, returnedNusd: 0n });
  openFromLease(lease, 2n, 4_000);
  expect(reportOf(lease, "more", 4_001)).toMatchObject({ wantedNusd: 10n, returnedNusd: 78n, freeNusd: 10n });
});

test("a report returns what the gate doesn't want it to keep", () => {
  const lease = granted();
  openFromLease(lease, 10n, 0);
  takeAnswer(lease, { kind: "live", id: ID, grantedNusd: 100n, keepNusd: 0n, spendMs: 0 }, 1, 1);
  expect(openFromLease(lease, 10n, 2)).toBe(false);
  expect(reportOf(lease, "more", 2)).toMatchObject({ returnedNusd: 90n, freeNusd: 0n });
});

test("a return counts once at the gate, also when a later report overtakes it", () => {
  const lease = granted();
  const first = reportOf(lease, "back", 1);
  takeAnswer(lease, { kind: "live", id: ID, grantedNusd: 130n, keepNusd: 1_000n, spendMs: 10_000 }, 2, 2);
  const second = reportOf(lease, "back", 3);
  let gate = { ...newGateLease(ID), reservedNusd: 130n, grantedNusd: 130n };
  for (const report of [second, first, second]) gate = heardLease(gate, report, 4);
  expect([gate.reservedNusd, gate.returnedNusd]).toEqual([0n, 130n]);
});

test("a grant that is on its way counts as free, so that it is not granted twice", () => {
  const lease = newIsolateLease(ID, asKeyHash("a".repeat(64)), "", 0);
  openFromLease(lease, 10n, 0);
  const report = reportOf(lease, "more", 0);
  expect(report).toMatchObject({ opens: true, seenNusd: 0n, wantedNusd: 50n });
  const gate = heardLease({ ...newGateLease(ID), reservedNusd: 50n, grantedNusd: 50n }, report, 0);
  expect(gate.freeNusd).toBe(50n);
});

test("a lease closes with nothing reserved, or with what was given up, and not while a grant is on its way", () => {
  const lease = granted();
  const report = reportOf(lease, "close", 1);
  expect(report).toMatchObject({ closes: true, returnedNusd: 100n });
  const gate = heardLease({ ...newGateLease(ID), reservedNusd: 100n, grantedNusd: 100n }, report, 1);
  expect(mayClose(gate, report)).toBe(true);
  expect(mayClose({ ...gate, grantedNusd: 110n, reservedNusd: 10n }, report)).toBe(false);
  expect(mayClose({ ...gate, reservedNusd: 10n }, report)).toBe(false);
  expect(mayClose({ ...gate, reservedNusd: 10n }, { ...report, lostNusd: 10n })).toBe(true);
});

test("a lease of which nothing is left and nothing wanted ends, and no other", () => {
  const lease = granted();
  const report = reportOf(lease, "back", 1);
  expect(report).toMatchObject({ closes: false, wantedNusd: 0n, returnedNusd: 100n });
  const gate = heardLease({ ...newGateLease(ID), reservedNusd: 100n, grantedNusd: 100n }, report, 1);
  expect(mayClose(gate, report)).toBe(true);
  expect(mayClose(gate, { ...report, wantedNusd: 1n })).toBe(false);
  // A hold, a settle on its way, a settle that was given up: the last one only its isolate can end.
  expect(mayClose({ ...gate, reservedNusd: 1n }, report)).toBe(false);
  expect(mayClose({ ...gate, reservedNusd: 1n }, { ...report, lostNusd: 1n })).toBe(false);
  expect(mayClose({ ...gate, grantedNusd: 110n }, report)).toBe(false);
});

test.each([
  { name: "few isolates send at once", leases: 8, want: undefined },
  { name: "more gather, so that all together send 300 times a second", leases: 9, want: 30 },
  { name: "hundreds for seconds", leases: 670, want: 2_234 },
  { name: "never so long that two tries would not fit", leases: 100_000, want: 8_000 },
])("$name", ({ leases, want }) => {
  expect(gatherMsAmong(leases)).toBe(want);
});

test("a lease gathers as its gate said last, and is idle only after twice that", () => {
  const lease = granted();
  const answer = { kind: "live", id: ID, grantedNusd: 100n, keepNusd: 1_000n, spendMs: 10_000 } as const;
  takeAnswer(lease, { ...answer, gatherMs: 2_000 }, 1, 1);
  openFromLease(lease, 10n, 1_000);
  expect([lease.gatherMs, isIdle(lease, 4_999), isIdle(lease, 5_000)]).toEqual([2_000, false, true]);
  takeAnswer(lease, answer, 2, 2);
  expect([lease.gatherMs, isIdle(lease, 2_500)]).toEqual([0, true]);
});
