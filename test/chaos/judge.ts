/**
 * What the books must say after a soak, worked out from what the clients saw, what the upstream told and what the
 * catalog publishes, with arithmetic of its own: decimal price strings times the upstream's own usage, rounded up once
 * to nano-dollars. Pure, so that its own tests can hand it books that are wrong.
 */
import type { BooksRow } from "../e2e/books-file.ts";
import { markerOf, type Seen } from "./client.ts";
import type { PlannedRequest } from "./plan.ts";
import type { Journal, ToldUsage } from "./soak-upstream.ts";

/** An answer whose last byte came so long before a kill is in the books. */
const SETTLED_MS = 250;
/** So long after a client left even a drained upstream has ended, by its total deadline, and been settled. */
const DRAINED_MS = 8_000;

/** Published, in pico-dollars per unit. */
export interface PublishedPrice {
  readonly prompt: bigint;
  readonly completion: bigint;
  readonly request: bigint;
  readonly cacheRead: bigint;
  readonly reasoning: bigint;
}

export interface Kill {
  readonly atMs: number;
  readonly restartedAtMs: number;
}

export interface Evidence {
  /** Every request that was sent, in the order of their ends. */
  readonly seen: readonly Seen[];
  readonly journal: Journal;
  /** By `model endpoint`. */
  readonly prices: ReadonlyMap<string, PublishedPrice>;
  readonly rows: readonly BooksRow[];
  readonly kills: readonly Kill[];
  /** When the traffic had ended and the books were closed. */
  readonly closedAtMs: number;
  readonly accounts: readonly {
    readonly id: string;
    readonly isPoor: boolean;
    readonly creditsNusd: bigint;
    readonly balanceNusd: bigint;
  }[];
  /** Settles that the server's own log calls acknowledged. */
  readonly acknowledged: readonly string[];
}

/** Something that is allowed to be missing from the books, and whether it is. */
export interface Listed {
  readonly number: number;
  readonly generationId: string | null;
  /** Before the kill; negative: it was under way. */
  readonly ageMs: number;
  readonly bookedNusd: bigint | null;
  /** What it would have cost, where the upstream told. */
  readonly costNusd: bigint | null;
}

export interface Verdict {
  readonly violations: readonly string[];
  /** Answers whose booked cost was compared with the client's own sum, and that sum. */
  readonly exactCount: number;
  readonly exactNusd: bigint;
  /** Rows counted by the server because no usage was told to it. */
  readonly estimatedCount: number;
  readonly estimatedNusd: bigint;
  readonly young: readonly Listed[];
  readonly interrupted: readonly Listed[];
  /** Rows of upstream calls that overlapped an admission and were not wanted by it: the operator's loss. */
  readonly writtenOffCount: number;
  readonly writtenOffNusd: bigint;
}

/** Compares the books with what was asked for. */
export function judge(evidence: Evidence): Verdict {
  const violations: string[] = [];
  const sums = { exactCount: 0, exactNusd: 0n, estimatedCount: 0, estimatedNusd: 0n };
  const lost = { writtenOffCount: 0, writtenOffNusd: 0n };
  const rows = rowsByMarker(evidence, violations, lost);
  const young: Listed[] = [];
  const interrupted: Listed[] = [];
  const poor = new Set(evidence.accounts.filter(({ isPoor }) => isPoor).map(({ id }) => id));
  for (const one of evidence.seen) {
    const row = rows.get(markerOf(one.request.wish.number));
    const say = (what: string): void => void violations.push(`request ${one.request.wish.number}: ${what}`);
    if (one.fault !== null) say(one.fault);
    if (row !== undefined) {
      judgeRow(one, row, evidence, poor.has(one.account), say);
      if (row.record.estimated) {
        sums.estimatedCount++;
        sums.estimatedNusd += BigInt(row.charged_nusd);
      } else if (row.cost_nusd > 0) {
        sums.exactCount++;
        sums.exactNusd += BigInt(row.charged_nusd);
      }
    }
    judgeSeen(one, row, evidence, poor.has(one.account), say, { young, interrupted });
  }
  judgeAccounts(evidence, violations);
  const booked = new Set(evidence.rows.map(({ id }) => id));
  for (const id of evidence.acknowledged) if (!booked.has(id)) violations.push(`${id}: acknowledged and not booked`);
  return { violations, ...sums, ...lost, young, interrupted };
}

/**
 * A loss of the operator's under an id of its own: an upstream call that had begun before an admission which then refused
 * the request, or would have it otherwise. Free for the tenant, never the generation that the client was told, and the
 * upstream knows of it: beside an answer it was called once more than the answer needs.
 */
function isWriteOff(one: Seen, row: BooksRow, journal: Journal): boolean {
  const isFree = row.cost_nusd === 0 && row.charged_nusd === 0;
  const isOther = one.generationId !== null && one.generationId !== row.id;
  const attempts = journal.get(one.request.wish.number) ?? [];
  const isKnown = attempts.some(({ provider }) => provider === row.record.provider);
  return isFree && isOther && row.record.cancelled && isKnown && attempts.length > (one.how === "refused" ? 0 : 1);
}

/** The rows by what the client called them; a row that nobody asked for, or a second one, is a violation. */
function rowsByMarker(
  evidence: Evidence,
  violations: string[],
  lost: { writtenOffCount: number; writtenOffNusd: bigint },
): ReadonlyMap<string, BooksRow> {
  const asked = new Map(evidence.seen.map((one) => [markerOf(one.request.wish.number), one]));
  const rows = new Map<string, BooksRow>();
  const ids = new Set<string>();
  for (const row of evidence.rows) {
    const marker = row.record.externalUser ?? "";
    const one = asked.get(marker);
    if (one === undefined) violations.push(`${row.id}: nobody asked for it (${marker})`);
    else if (one.account !== row.account_id) violations.push(`${row.id}: booked for another account than asked`);
    else if (one.request.model !== row.record.requestedModel)
      violations.push(`${row.id}: another model than asked for`);
    else if (isWriteOff(one, row, evidence.journal)) {
      lost.writtenOffCount++;
      lost.writtenOffNusd += BigInt(row.record.upstreamCostNusd);
      if (ids.has(row.id)) violations.push(`${row.id}: written off twice (${marker})`);
      ids.add(row.id);
      continue;
    } else if (one.generationId !== null && one.generationId !== row.id) {
      const { how, status } = one;
      violations.push(
        `${row.id}: its client was told ${one.generationId} (${how}, ${status}; the row costs ${row.cost_nusd}, ` +
          `${row.record.cancelled ? "cancelled" : "not cancelled"}, upstream ${row.record.upstreamCostNusd})`,
      );
    }
    if (rows.has(marker) || ids.has(row.id)) violations.push(`${row.id}: booked twice (${marker})`);
    rows.set(marker, row);
    ids.add(row.id);
  }
  return rows;
}

type Say = (what: string) => void;

/** Whatever the client saw: a row's amounts must be explained by what the upstream told, or be within what was sent. */
function judgeRow(one: Seen, row: BooksRow, evidence: Evidence, isPoor: boolean, say: Say): void {
  const cost = BigInt(row.cost_nusd);
  const charged = BigInt(row.charged_nusd);
  const { provider, estimated, streamed } = row.record;
  if (streamed !== one.request.isStreamed) say("booked as streamed, or not, against what was asked");
  if (charged > cost) say(`charged ${charged} for a cost of ${cost}`);
  if (charged < cost && !isPoor) say(`charged ${charged} of ${cost} though there was credit`);
  if (one.how === "refused" && cost > 0n) say(`a refused request (${one.status}) cost ${cost}`);
  if (cost === 0n) return;
  const price = evidence.prices.get(`${one.request.model} ${provider}`);
  if (price === undefined) return say(`served by ${provider}, which has no published price`);
  if (estimated) {
    const most = mostNusd(one.request, price);
    if (cost > most) say(`estimated at ${cost}, more than everything that was ever sent could cost (${most})`);
    return;
  }
  const told = toldBy(evidence.journal, one.request, provider);
  const expected = told === null ? null : costNusd(told, price);
  if (expected !== cost) say(`booked at ${cost}, the upstream's usage at ${provider} makes ${expected ?? "nothing"}`);
}

interface Lists {
  readonly young: Listed[];
  readonly interrupted: Listed[];
}

/** What must be there, given what the client saw and when the server was killed. */
function judgeSeen(one: Seen, row: BooksRow | undefined, evidence: Evidence, isPoor: boolean, say: Say, lists: Lists) {
  const kill = evidence.kills.find(({ atMs }) => one.sentAtMs <= atMs && one.endedAtMs > atMs - DRAINED_MS);
  const ageMs = kill === undefined ? evidence.closedAtMs - one.endedAtMs : kill.atMs - one.endedAtMs;
  const price = evidence.prices.get(`${one.request.model} ${one.provider}`);
  const told = toldBy(evidence.journal, one.request, one.provider);
  const expected = told === null || price === undefined ? null : costNusd(told, price);
  const listed = (): Listed => ({
    number: one.request.wish.number,
    generationId: one.generationId,
    ageMs,
    bookedNusd: row === undefined ? null : BigInt(row.charged_nusd),
    costNusd: expected,
  });
  const isFree = price !== undefined && price.prompt === 0n && price.completion === 0n;
  switch (one.how) {
    case "whole": {
      if (expected !== null && one.toldNusd !== expected) say(`its answer says ${one.toldNusd}, it cost ${expected}`);
      if (kill !== undefined && ageMs <= SETTLED_MS) {
        lists.young.push(listed());
      } else if (row === undefined) {
        say(`whole ${ageMs} ms before the end of its server, and not in the books (${one.generationId})`);
      } else if (expected !== null && BigInt(row.cost_nusd) !== expected) {
        say(`whole, ${expected} by its client's account and ${row.cost_nusd} in the books`);
      } else if (expected === null && row.cost_nusd === 0 && !isFree) say("whole and free of charge");
      return;
    }
    case "broken":
    case "left": {
      if (kill !== undefined && ageMs <= DRAINED_MS) lists.interrupted.push(listed());
      else if (one.hasWords && !isFree && (row === undefined || row.cost_nusd === 0)) {
        say(`${one.how} after its first words, and nothing is booked`);
      }
      return;
    }
    case "cut": {
      const isKilled = kill !== undefined && one.endedAtMs >= kill.atMs;
      if (isKilled) lists.interrupted.push(listed());
      else say(`cut though the server ran (sent ${one.sentAtMs}, ended ${one.endedAtMs})`);
      return;
    }
    case "refused": {
      const allowed = isPoor ? [402, 429, 502, 503, 504] : [429, 502, 503, 504];
      if (one.status === null || !allowed.includes(one.status)) say(`refused with ${one.status}`);
      return;
    }
    default:
      return one.how satisfies never;
  }
}

function judgeAccounts(evidence: Evidence, violations: string[]): void {
  for (const { id, creditsNusd, balanceNusd } of evidence.accounts) {
    let sum = 0n;
    for (const row of evidence.rows) if (row.account_id === id) sum += BigInt(row.charged_nusd);
    if (creditsNusd - sum !== balanceNusd) {
      violations.push(`account ${id}: ${creditsNusd} credited, ${sum} charged, and a balance of ${balanceNusd}`);
    }
    if (balanceNusd < 0n) violations.push(`account ${id}: a balance of ${balanceNusd}`);
  }
}

function toldBy(journal: Journal, { wish }: PlannedRequest, provider: string | null): ToldUsage | null {
  const attempts = journal.get(wish.number) ?? [];
  return attempts.findLast((attempt) => attempt.provider === provider && attempt.told !== null)?.told ?? null;
}

/** Usage times price, rounded up once. */
export function costNusd(usage: ToldUsage, price: PublishedPrice): bigint {
  const cached = BigInt(usage.prompt_tokens_details.cached_tokens);
  const reasoning = BigInt(usage.completion_tokens_details.reasoning_tokens);
  const picos =
    (BigInt(usage.prompt_tokens) - cached) * price.prompt +
    cached * price.cacheRead +
    (BigInt(usage.completion_tokens) - reasoning) * price.completion +
    reasoning * price.reasoning +
    price.request;
  return (picos + 999n) / 1_000n;
}

/** No text has more tokens than characters: the most that an answer can cost when nobody told its usage. */
function mostNusd({ wish, fillerChars }: PlannedRequest, price: PublishedPrice): bigint {
  const prompt = BigInt(fillerChars + 2_000);
  // An endless answer of the upstream's repeats its words until a deadline ends it.
  const completion = BigInt((wish.wordCount + 1_000) * 24);
  return (prompt * price.prompt + completion * price.completion + price.request + 999n) / 1_000n;
}

/** A decimal number of dollars, exactly, in pico-dollars. Throws for anything else. */
export function picosOf(decimal: string): bigint {
  const found = /^(\d+)(?:\.(\d{1,12}))?$/.exec(decimal);
  if (found === null) throw new Error(`Not a price: ${decimal}`);
  return BigInt(found[1] ?? "0") * 1_000_000_000_000n + BigInt((found[2] ?? "").padEnd(12, "0"));
}
