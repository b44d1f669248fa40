/** The soak's judge against books that are right, and against each way in which they can be wrong. */
import { expect, test } from "vitest";
import { costNusd, judge, picosOf, type Evidence } from "../../chaos/judge.ts";
import type { Seen } from "../../chaos/client.ts";
import type { PlannedRequest } from "../../chaos/plan.ts";
import { killTimesOf, requestAt } from "../../chaos/plan.ts";
import type { Journal, JournalEntry } from "../../chaos/soak-upstream.ts";
import type { BooksRow } from "../../e2e/books-file.ts";

const PRICE = { prompt: 137_313n, completion: 991_717n, request: 0n, cacheRead: 34_567n, reasoning: 991_717n };
const TOLD = {
  prompt_tokens: 100,
  completion_tokens: 12,
  prompt_tokens_details: { cached_tokens: 40 },
  completion_tokens_details: { reasoning_tokens: 5 },
};
/** (60 x 137,313 + 40 x 34,567 + 12 x 991,717) / 1,000 = 21,522.064, rounded up. */
const COST = 21_523;
const KILL = { atMs: 100_000, restartedAtMs: 102_000 };

const request: PlannedRequest = { ...requestAt(1, 3, 0, 0), model: "soak/alpha", isStreamed: true };
const marker = `soak-${request.wish.number}`;

function whole(changes: Partial<Seen> = {}): Seen {
  return {
    request,
    account: "gl1a",
    sentAtMs: 90_000,
    endedAtMs: 99_000,
    how: "whole",
    status: 200,
    generationId: "gen-1",
    provider: "one",
    hasWords: true,
    toldNusd: BigInt(COST),
    fault: null,
    ...changes,
  };
}

function row(changes: Partial<BooksRow> = {}, record: Partial<BooksRow["record"]> = {}): BooksRow {
  return {
    id: "gen-1",
    account_id: "gl1a",
    cost_nusd: COST,
    charged_nusd: COST,
    ...changes,
    record: {
      usage: { inputText: 60 },
      requestedModel: "soak/alpha",
      provider: "one",
      streamed: true,
      estimated: false,
      externalUser: marker,
      cancelled: false,
      upstreamCostNusd: COST,
      ...record,
    },
  };
}

function evidence(changes: Partial<Evidence> = {}): Evidence {
  return {
    seen: [whole()],
    journal: new Map([[request.wish.number, [{ provider: "one", mode: "ok", told: TOLD }]]]),
    prices: new Map([["soak/alpha one", PRICE]]),
    rows: [row()],
    kills: [KILL],
    closedAtMs: 200_000,
    accounts: [{ id: "gl1a", isPoor: false, creditsNusd: 1_000_000n, balanceNusd: 1_000_000n - BigInt(COST) }],
    acknowledged: ["gen-1"],
    ...changes,
  };
}

const empty = [{ id: "gl1a", isPoor: false, creditsNusd: 1_000_000n, balanceNusd: 1_000_000n }];

test("books that are right have no violation, and say how much was compared", () => {
  expect(judge(evidence())).toMatchObject({ violations: [], exactCount: 1, exactNusd: BigInt(COST) });
});

test.each<{ name: string; given: Partial<Evidence>; says: string }>([
  {
    name: "an old answer is missing",
    given: { rows: [], accounts: empty, acknowledged: [] },
    says: "not in the books",
  },
  {
    name: "a charge is one nano-dollar off",
    given: { rows: [row({ cost_nusd: COST + 1, charged_nusd: COST + 1 })] },
    says: "the upstream's usage",
  },
  {
    name: "less than the cost was charged though there was credit",
    given: { rows: [row({ charged_nusd: COST - 1 })] },
    says: "though there was credit",
  },
  {
    name: "somebody else's request is booked",
    given: { rows: [row(), row({ id: "gen-2" }, { externalUser: "soak-999" })] },
    says: "nobody asked for it",
  },
  { name: "a row without a marker", given: { rows: [row({}, { externalUser: null })] }, says: "nobody asked for it" },
  { name: "a generation is booked twice", given: { rows: [row(), row({ id: "gen-2" })] }, says: "booked twice" },
  { name: "another account pays", given: { rows: [row({ account_id: "gl1b" })] }, says: "another account" },
  { name: "another id than the client was told", given: { rows: [row({ id: "gen-9" })] }, says: "was told gen-1" },
  {
    name: "the balance is not what the sums say",
    given: { accounts: [{ id: "gl1a", isPoor: false, creditsNusd: 1_000_000n, balanceNusd: 1_000_000n }] },
    says: "and a balance of",
  },
  {
    name: "an acknowledged settle is not booked",
    given: { acknowledged: ["gen-7"] },
    says: "acknowledged and not booked",
  },
  {
    name: "the answer told another cost",
    given: { seen: [whole({ toldNusd: 1n })] },
    says: "its answer says 1",
  },
  {
    name: "a refused request cost something",
    given: { seen: [whole({ how: "refused", status: 502 })] },
    says: "a refused request",
  },
  { name: "a bug's status", given: { seen: [whole({ how: "refused", status: 500 })] }, says: "refused with 500" },
  {
    name: "a connection breaks while the server runs",
    given: { seen: [whole({ how: "cut", sentAtMs: 10_000, endedAtMs: 20_000 })] },
    says: "cut though the server ran",
  },
  {
    name: "delivered words are not paid for",
    given: {
      seen: [whole({ how: "left", sentAtMs: 10_000, endedAtMs: 20_000 })],
      rows: [],
      accounts: empty,
      acknowledged: [],
    },
    says: "nothing is booked",
  },
  {
    name: "an estimate beyond everything that was sent",
    given: { rows: [row({ cost_nusd: 900_000_000, charged_nusd: 900_000_000 }, { estimated: true })] },
    says: "more than everything",
  },
  {
    name: "what the client found wrong itself",
    given: { seen: [whole({ fault: "not the words" })] },
    says: "not the words",
  },
])("$name: a violation", ({ given, says }) => {
  expect(judge(evidence(given)).violations.join("\n")).toContain(says);
});

test("an answer that is younger than 250 ms at the kill may be missing, and is listed with what it cost", () => {
  const seen = [whole({ endedAtMs: KILL.atMs - 250 })];
  const verdict = judge(evidence({ seen, rows: [], accounts: empty, acknowledged: [] }));
  expect(verdict.violations).toEqual([]);
  expect(verdict.young).toEqual([
    { number: request.wish.number, generationId: "gen-1", ageMs: 250, bookedNusd: null, costNusd: BigInt(COST) },
  ]);
  // One millisecond older, and it must be there.
  const older = [whole({ endedAtMs: KILL.atMs - 251 })];
  expect(judge(evidence({ seen: older, rows: [], accounts: empty, acknowledged: [] })).violations).toHaveLength(1);
});

test("a request that the kill cut is listed, booked or not", () => {
  const seen = [whole({ how: "cut", endedAtMs: KILL.atMs + 3, provider: null, generationId: null })];
  expect(judge(evidence({ seen })).interrupted).toHaveLength(1);
  expect(judge(evidence({ seen, rows: [], accounts: empty, acknowledged: [] })).violations).toEqual([]);
});

test("cost is usage times the published decimal price, rounded up once", () => {
  expect(picosOf("0.000000137313")).toBe(137_313n);
  expect(picosOf("15")).toBe(15_000_000_000_000n);
  expect(() => picosOf("1e-7")).toThrow("Not a price");
  expect(costNusd(TOLD, PRICE)).toBe(BigInt(COST));
});

test("the plan is the seed's: the same requests and kills again, others for another seed", () => {
  const plan = (seed: number) => [
    killTimesOf(seed, 600_000, 60_000),
    ...Array.from({ length: 200 }, (_, at) => requestAt(seed, 24, at % 24, Math.floor(at / 24))),
  ];
  expect(plan(5)).toEqual(plan(5));
  expect(plan(5)).not.toEqual(plan(6));
  expect(killTimesOf(5, 600_000, 60_000)).toHaveLength(9);
});

const refused: Partial<Seen> = { how: "refused", status: 402, hasWords: false, toldNusd: null };
const lost = row({ id: "gen-9", cost_nusd: 0, charged_nusd: 0 }, { cancelled: true });
const poor = [{ id: "gl1a", isPoor: true, creditsNusd: 1_000_000n, balanceNusd: 1_000_000n }];

const attempt = { provider: "one", mode: "ok", told: null };
const journalOf = (...attempts: JournalEntry[]): Journal => new Map([[request.wish.number, attempts]]);

test("an upstream call that overlapped a refusal is the operator's loss, under an id of its own", () => {
  const given = {
    seen: [whole(refused)],
    rows: [lost],
    accounts: poor,
    acknowledged: ["gen-9"],
    journal: journalOf(attempt),
  };
  expect(judge(evidence(given))).toMatchObject({
    violations: [],
    writtenOffCount: 1,
    writtenOffNusd: BigInt(COST),
    exactCount: 0,
  });
});

test("so is one that overlapped an admission which had the request sent anew, with less output", () => {
  const journal = journalOf(attempt, { ...attempt, told: TOLD });
  expect(judge(evidence({ rows: [row(), lost], journal }))).toMatchObject({
    violations: [],
    writtenOffCount: 1,
    exactCount: 1,
  });
});

test.each<{ name: string; seen?: Partial<Seen>; rows: readonly BooksRow[]; journal?: Journal }>([
  { name: "an answer that was given is never written off", rows: [lost] },
  { name: "beside an answer the upstream must have been called twice", rows: [row(), lost] },
  {
    name: "the upstream must have been called at that provider",
    seen: refused,
    rows: [lost],
    journal: journalOf({ ...attempt, provider: "two" }),
  },
  {
    name: "the refused generation itself is no loss",
    seen: { ...refused, generationId: "gen-9" },
    rows: [row({ id: "gen-9", cost_nusd: 1, charged_nusd: 0 }, { cancelled: true })],
  },
  {
    name: "what is written off is free",
    seen: refused,
    rows: [row({ id: "gen-9", cost_nusd: 1 }, { cancelled: true })],
  },
  { name: "a loss is booked once", seen: refused, rows: [lost, lost] },
])("$name", ({ seen, rows, journal = journalOf({ ...attempt, told: TOLD }) }) => {
  const given = { seen: [whole(seen)], rows, accounts: poor, acknowledged: [], journal };
  expect(judge(evidence(given)).violations).not.toEqual([]);
});
