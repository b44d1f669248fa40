/**
 * The accounts of 100,000 requests a second: the hottest ones simulated whole, the others by samples of whole accounts from
 * strata of their ranks, weighted by how many accounts a sampled one stands for.
 */
import { seededRandom, type Random } from "../../src/core/clock.ts";
import { openGround } from "../model/gate.ts";
import { simulateAccount, type AccountResult, type AccountSpec } from "./account-world.ts";
import { row, type Section } from "./report.ts";

const REQUESTS_PER_S = 100_000;
const ACCOUNTS = 100_000;
const COLOS = 300;
const ISOLATES = 20_000;
/** Rates fall with the rank to this power. */
const ZIPF = 0.8;
const ISOLATES_PER_COLO = Math.round(ISOLATES / COLOS);
const DATABASES = 100;
const CALLS_PER_S_MAX = 500;
/** 50 million dollars would be a balance; here it only has to last. */
const RICH_NUSD = 1_000_000_000_000_000n;
const WARM_MS = 12_000;
/** Until nearly every isolate has seen the account once: at the hottest one's rate, one request in nine seconds. */
const SPREAD_WARM_MS = 40_000;

interface Stratum {
  readonly from: number;
  readonly to: number;
  readonly samples: number;
  /** At most so many colos see an account of it; how many is drawn, small numbers more often. */
  readonly colosMax: number;
  readonly spanMs: number;
}

const STRATA: readonly Stratum[] = [
  { from: 1, to: 1, samples: 1, colosMax: 10, spanMs: 10_000 },
  { from: 2, to: 2, samples: 1, colosMax: 10, spanMs: 10_000 },
  { from: 3, to: 30, samples: 3, colosMax: 10, spanMs: 10_000 },
  { from: 31, to: 300, samples: 4, colosMax: 10, spanMs: 20_000 },
  { from: 301, to: 3_000, samples: 6, colosMax: 3, spanMs: 60_000 },
  { from: 3_001, to: ACCOUNTS, samples: 12, colosMax: 3, spanMs: 300_000 },
];

export interface Accounts {
  readonly section: Section;
  readonly results: readonly AccountResult[];
}

interface Weighted {
  readonly result: AccountResult;
  /** How many accounts it stands for. */
  readonly weight: number;
}

export async function accounts(seed: number): Promise<Accounts> {
  const ground = openGround();
  const random = seededRandom(`accounts ${seed}`);
  const perRank = REQUESTS_PER_S / harmonic(ACCOUNTS);
  const sampled: Weighted[] = [];
  for (const stratum of STRATA) {
    const { from, to, samples, colosMax, spanMs } = stratum;
    // The mean rate of the stratum, so that the samples' requests stand for all of them.
    const meanRate = (perRank * (harmonic(to) - harmonic(from - 1))) / (to - from + 1);
    for (let at = 0; at < samples; at++) {
      const spec: AccountSpec = {
        name: `rank ${from} to ${to}, ${at}`,
        seed,
        requestsPerS: meanRate,
        isolates: from <= 2 ? colosMax * ISOLATES_PER_COLO : colosDrawn(random, colosMax) * ISOLATES_PER_COLO,
        creditNusd: RICH_NUSD,
        warmMs: WARM_MS,
        spanMs,
      };
      sampled.push({ result: await simulateAccount(spec, ground), weight: (to - from + 1) / samples });
    }
  }
  const hottest = { seed, requestsPerS: perRank, creditNusd: RICH_NUSD, warmMs: WARM_MS, spanMs: 8_000 };
  const everywhere = await simulateAccount(
    { ...hottest, name: "everywhere", isolates: ISOLATES, warmMs: SPREAD_WARM_MS, spanMs: 6_000 },
    ground,
  );
  // Credit for a hundred worst cases, asked for by two hundred requests a second.
  const poor = await simulateAccount(
    { ...hottest, name: "poor", requestsPerS: 200, isolates: 50, creditNusd: 200_000_000n },
    ground,
  );
  return {
    section: sectionOf(sampled, everywhere, poor),
    results: [...sampled.map(({ result }) => result), everywhere, poor],
  };
}

function sectionOf(sampled: readonly Weighted[], everywhere: AccountResult, poor: AccountResult): Section {
  const sum = (of: (result: AccountResult) => number): number =>
    sampled.reduce((total, { result, weight }) => total + weight * of(result), 0);
  const gateCallsOf = ({ rates }: AccountResult): number => rates.admitCalls + rates.settleCalls + rates.renewCalls;
  const callsOf = (result: AccountResult): number => gateCallsOf(result) + result.rates.branchCalls;
  const hottestOf = (result: AccountResult): number => Math.max(gateCallsOf(result), result.rates.hottestBranchCalls);
  const results = sampled.map(({ result }) => result);
  const hottest = results.reduce((most, one) => (hottestOf(one) > hottestOf(most) ? one : most));
  const requests = sum(({ rates }) => rates.requests);
  const calls = sum(callsOf);
  const warm = sum(({ rates }) => rates.warmShare * rates.requests) / requests;
  const flushes = sum(({ rates }) => rates.flushes);
  const bytes = Math.max(...results.map(({ bookedBytesPerGeneration }) => bookedBytesPerGeneration ?? 0));
  const gbPerDay = (REQUESTS_PER_S * 86_400 * bytes) / 1e9;
  const idle = sum(({ idleShare }) => idleShare) / ACCOUNTS;
  const isSafe = [...results, everywhere, poor].every(
    ({ chargedNusd, creditNusd, leastSpendableNusd, balanceNusd }) =>
      chargedNusd <= creditNusd && leastSpendableNusd >= 0n && balanceNusd === creditNusd - chargedNusd,
  );
  const fixed = (value: number, digits = 0): string => value.toLocaleString("en", { maximumFractionDigits: digits });
  return {
    title: "Accounts",
    rows: [
      row(
        "calls a second to the hottest AccountGate",
        `${fixed(hottestOf(hottest))} (${fixed(hottest.rates.requests)} requests a second from ${hottest.spec.isolates} isolates)`,
        `at most ${CALLS_PER_S_MAX}`,
        hottestOf(hottest) <= CALLS_PER_S_MAX,
      ),
      row(
        "the same account, its requests spread over all 20,000 isolates",
        `${fixed(hottestOf(everywhere))} (${fixed(gateCallsOf(everywhere))} to its gate, ${fixed(everywhere.rates.hottestBranchCalls)} to the hottest of ${everywhere.rates.branches} branches)`,
        `at most ${CALLS_PER_S_MAX}`,
        hottestOf(everywhere) <= CALLS_PER_S_MAX,
      ),
      row("requests admitted without a call", `${fixed(100 * warm, 1)}%`),
      row(
        "calls to all AccountGates and their branches",
        `${fixed(calls)} a second, ${fixed(calls / requests, 2)} a request`,
      ),
      row("D1 batches", `${fixed(flushes)} a second, ${fixed(flushes / DATABASES)} a database of ${DATABASES}`),
      row(
        "D1 growth",
        `${fixed(gbPerDay)} GB a day, ${fixed(gbPerDay / DATABASES, 1)} GB a database; ${fixed(bytes)} bytes a generation`,
      ),
      row("lent and idle, as a share of the balances", `${(100 * idle).toExponential(1)}%`),
      row(
        "tenants' money overshot",
        `${isSafe ? "never" : "YES"}; the account with credit for 100 worst cases spent ${fixed((100 * Number(poor.chargedNusd)) / Number(poor.creditNusd), 1)}% of it`,
        "never",
        isSafe,
      ),
      row(
        "settled and not yet in D1, hottest account",
        `${fixed(hottest.outbox)} generations after ${(WARM_MS + hottest.spec.spanMs) / 1_000} s`,
      ),
    ],
    assumptions: [
      `${fixed(REQUESTS_PER_S)} requests a second of ${fixed(ACCOUNTS)} accounts whose rates fall with their rank to the power ${ZIPF}; ${COLOS} colos with ${ISOLATES_PER_COLO} isolates each. An account is seen by 1 to 10 colos (from rank 301 on 1 to 3, small numbers more often; the first two by 10), evenly by all of their isolates.`,
      `Accounts share nothing but D1, so whole accounts are sampled: the first two, and ${STRATA.slice(2)
        .map(({ from, to, samples }) => `${samples} of ranks ${fixed(from)} to ${fixed(to)}`)
        .join(
          ", ",
        )}, at the mean rate of their ranks; each is simulated exactly, ${WARM_MS / 1_000} s before the measurement included. Sums are weighted.`,
      "Real: `gates/account-client.ts` and `account-isolate.ts` with their timers in virtual time, `ledger/lease.ts`, `gates/account-admit.ts`, `account-settle.ts` and `account-leases.ts` on SQLite with the product's tables, `account-flush.ts` into the migrated schema of D1. The Durable Object around them is not: its alarm is played (ten flushes, then the pace).",
      "A call takes a log-normal time each way (median 30 ms, log spread 0.8); an answer 3 s (0.8); D1 25 ms. A request holds $0.002 and costs $0.0006 in the middle. Isolates neither die nor are born.",
      `The spread account: an isolate that sees a request every nine seconds has given its lease back before the next one, so its gate tells it of branches (\`gates/account-branches.ts\`), to which each of its requests makes two calls. Measured after ${SPREAD_WARM_MS / 1_000} s: before an isolate has heard of branches, its first request is the gate's. The same holds in small for accounts below rank 300: spread evenly over all isolates of their colos, most of their requests find no lease (connections that are kept alive stay with an isolate, which is not assumed here); their gates have calls to spare.`,
      `Bytes are pages of D1's file over the generations in it. D1's own limit is 10 GB a database: with ${DATABASES} of them, generations must move to files after ${fixed((10 * DATABASES * 24) / gbPerDay, 1)} hours, not after 30 days.`,
    ],
  };
}

/** From 1 to `most`, each number half as likely as the one of half its size. */
function colosDrawn(random: Random, most: number): number {
  return Math.min(most, Math.floor(Math.exp(random() * Math.log(most + 1))));
}

function harmonic(to: number): number {
  let sum = 0;
  for (let rank = 1; rank <= to; rank++) sum += rank ** -ZIPF;
  return sum;
}
