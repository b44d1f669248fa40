/**
 * What is asked of a decoder that reads a broken or hostile stream, and of everything behind it that the pump would call:
 * the reader of events, the collector, the meter, the bill and a dialect's renderer, as they are. The law:
 *   - nothing throws; events are legal (legal.ts);
 *   - no more text comes out than bytes went in, and no more events;
 *   - the charge is at most what this answer can be worth: output by the bytes that came (and what the request allows a
 *     reasoner to hide), the prompt by its text, searches and hardware within bounds, each at the dearest price;
 *   - a count that is believed is the upstream's own; one that is not is marked as estimated;
 *   - what breaks without a token costs nothing.
 * The bounds are computed here anew, from the events, and share no code with the meter.
 */
import type { ChatRequest } from "../../../src/core/chat.ts";
import { estimatePromptTokens } from "../../../src/core/estimate.ts";
import type { GenerationEvent } from "../../../src/core/event.ts";
import { seededRandom } from "../../../src/core/clock.ts";
import { completionTokens, promptTokens, type Usage } from "../../../src/core/usage.ts";
import { createCollector } from "../../../src/core/collect.ts";
import type { Dialect } from "../../../src/dialects/dialect.ts";
import { createEventReader } from "../../../src/router/event-reader.ts";
import { createMeter } from "../../../src/router/meter.ts";
import { plan } from "../../../src/router/plan.ts";
import { plausibleOf } from "../../../src/router/plausible.ts";
import type { Candidate } from "../../../src/router/score.ts";
import { billOf, type Bill } from "../../../src/router/settlement.ts";
import { HEAD, TAIL, FACE } from "../../unit/dialects/answers.ts";
import { entryOf, inputOf } from "../../unit/router/world.ts";
import { recordedCases } from "./cases.ts";
import { faultIn } from "./legal.ts";
import { mutated, stockOf, type Stock } from "./mutate.ts";

/** Pico-dollars: $2 and $10 per million tokens, every other bucket cheaper than the one it falls back to; $0.01 a search, an H100's second. */
const PRICE = {
  prompt: 2_000_000,
  completion: 10_000_000,
  internal_reasoning: 9_000_000,
  audio_output: 8_000_000,
  image_output: 7_000_000,
  audio: 1_900_000,
  image_token: 1_800_000,
  input_cache_read: 200_000,
  input_cache_write: 1_700_000,
  web_search: 10_000_000_000,
  hardware_second: 1_525_000_000,
};
const CONTEXT_TOKENS = 128_000;
const LONGEST_TOKENS = 8_000;

const [PLAIN, REASONER] = ["plain", "reasoner"].map((tag) => {
  const more = tag === "reasoner" ? ["reasoning"] : [];
  const endpoint = { price: PRICE, supported_parameters: ["max_tokens", "tools", ...more] };
  const [candidate] = plan(inputOf([entryOf("test/m", [{ tag, endpoint }])])).candidates;
  if (candidate === undefined) throw new Error("no candidate");
  return candidate;
}) as [Candidate, Candidate]; // one for each tag

/** What came of a run of streams. */
export interface Tally {
  streams: number;
  events: number;
  /** Answers that ended in an error. */
  broken: number;
  /** Answers whose count was not believed. */
  doubted: number;
  charged: number;
}

/** How a stream failed its ordeal, with what is needed to see it again. */
export interface Failing {
  readonly name: string;
  readonly seed: string;
  readonly fault: string;
}

export const EMPTY_TALLY: Readonly<Tally> = { streams: 0, events: 0, broken: 0, doubted: 0, charged: 0 };

/** All recorded streams, taken apart. */
export function stocks(): readonly Stock[] {
  return recordedCases().flatMap((one) => (one.stream === null ? [] : [stockOf({ ...one, stream: one.stream })]));
}

/**
 * Puts `count` mutated streams of `stock` through the ordeal, their answers rendered by `dialects` in turn.
 * @returns the first that fails; null: none does.
 */
export function ordeal(
  stock: Stock,
  dialects: readonly Dialect[],
  count: number,
  seed: string,
  tally: Tally,
): Failing | null {
  // Broken JSON is an exception each time, whose stack nobody reads.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return firstFailing(stock, dialects, count, seed, tally);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function firstFailing(
  stock: Stock,
  dialects: readonly Dialect[],
  count: number,
  seed: string,
  tally: Tally,
): Failing | null {
  for (let turn = 0; turn < count; turn++) {
    const own = `${seed} ${stock.one.name} ${turn}`;
    const dialect = dialects[turn % dialects.length];
    if (dialect === undefined) throw new Error("no dialect");
    const fault = faultOf(stock, dialect, own, tally);
    if (fault !== null) return { name: stock.one.name, seed: own, fault };
  }
  return null;
}

/** What is wrong with the stream of this seed; null: nothing. */
function faultOf(stock: Stock, dialect: Dialect, seed: string, tally: Tally): string | null {
  const random = seededRandom(seed);
  const pieces = mutated(stock, random);
  const candidate = random() < 0.5 ? PLAIN : REASONER;
  try {
    const { batches, events } = decoded(stock, pieces);
    const fault = faultIn(events) ?? sizeFault(events, pieces);
    if (fault !== null) return fault;
    render(dialect, batches, events);
    return moneyFault(stock, candidate, batches, events, tally);
  } catch (error) {
    return `it threw ${String(error)}`;
  }
}

function decoded({ one }: Stock, pieces: readonly Uint8Array[]) {
  const decoder = one.adapter.createDecoder(one.request, one.target);
  const reader = createEventReader(decoder, one.adapter.framing ?? "sse");
  const batches = [...pieces.map((piece) => reader.feed(piece)), reader.end()];
  return { batches, events: batches.flat() };
}

function render(
  dialect: Dialect,
  batches: readonly (readonly GenerationEvent[])[],
  events: readonly GenerationEvent[],
) {
  const renderer = dialect.createStreamRenderer(HEAD);
  const collector = createCollector();
  for (const batch of batches) {
    renderer.render(batch);
    collector.add(batch);
  }
  const isBroken = events.at(-1)?.type === "error";
  if (isBroken) renderer.fail(FACE, TAIL);
  else renderer.end(TAIL);
  dialect.renderReply(HEAD, collector.result(), TAIL, isBroken ? FACE : null);
}

/** What a content event brings: its characters, in UTF-8 bytes. */
function bytesIn(event: GenerationEvent): number {
  switch (event.type) {
    case "text-delta":
    case "refusal-delta":
    case "tool-input-delta":
      return Buffer.byteLength(event.text);
    case "tool-start":
      return Buffer.byteLength(event.name);
    case "reasoning-delta":
      return Buffer.byteLength(event.detail.text ?? event.detail.summary ?? "");
    default:
      return 0;
  }
}

function sizeFault(events: readonly GenerationEvent[], pieces: readonly Uint8Array[]): string | null {
  const givenBytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
  const cameBytes = events.reduce((sum, event) => sum + bytesIn(event), 0);
  // A byte that is no UTF-8 becomes a sign of three.
  if (cameBytes > 3 * givenBytes) return `${cameBytes} bytes of content from ${givenBytes}`;
  return events.length > givenBytes + 4 ? `${events.length} events from ${givenBytes} bytes` : null;
}

function moneyFault(
  { one }: Stock,
  candidate: Candidate,
  batches: readonly (readonly GenerationEvent[])[],
  events: readonly GenerationEvent[],
  tally: Tally,
): string | null {
  const promptEstimate = estimatePromptTokens(one.request);
  const meter = createMeter(promptEstimate, plausibleOf(one.request, candidate, promptEstimate));
  for (const batch of batches) meter.add(batch);
  const isComplete = events.at(-1)?.type !== "error";
  const metered = meter.read(isComplete);
  const bill = billOf(metered, candidate, 0, isComplete);
  tally.streams++;
  tally.events += events.length;
  if (!isComplete) tally.broken++;
  if (metered.isDoubted === true) tally.doubted++;
  if (bill.charged.totalNusd > 0n) tally.charged++;
  const most = mostNusd(one.request, promptEstimate, candidate, events);
  if (bill.charged.totalNusd > most) return `${bill.charged.totalNusd} is charged where ${most} is the most`;
  if (completionTokens(metered.usage) > meter.deliveredTokens()) return "credit is not held for what is charged";
  return isComplete ? honestyFault(metered.usage, metered.isEstimated, events) : brokenFault(bill, events);
}

/** The most that the answer can cost, in nano-dollars. */
function mostNusd(
  { messages, maxOutputTokens, sampling }: ChatRequest,
  promptEstimate: number,
  candidate: Candidate,
  events: readonly GenerationEvent[],
): bigint {
  const content = events.filter((event) => "choice" in event && event.type !== "finish" && event.type !== "logprobs");
  const count = (type: GenerationEvent["type"]): number => events.filter((event) => event.type === type).length;
  const turns = new Set(content.map((event) => ("choice" in event ? event.choice : 0))).size;
  const bytes = content.reduce((sum, event) => sum + bytesIn(event), 0);
  const mayHide = candidate === REASONER || count("reasoning-delta") > 0;
  const hidden = mayHide ? Math.min(maxOutputTokens ?? LONGEST_TOKENS, LONGEST_TOKENS) * (sampling.n ?? 1) : 0;
  const audioChars = events.reduce((sum, event) => sum + audioCharsIn(event), 0);
  const shown = bytes + 128 * (turns + count("tool-start")) + 16_384 * count("image") + Math.ceil(audioChars / 26);
  const hasMedia = messages.some(({ parts }) => parts.some(({ type }) => type !== "text"));
  const prompt = hasMedia ? CONTEXT_TOKENS : Math.min(CONTEXT_TOKENS, 7 * promptEstimate + 32_768);
  const pusd = BigInt(prompt) * BigInt(PRICE.prompt) + BigInt(shown + hidden) * BigInt(PRICE.completion);
  const usages = events.flatMap((event) => (event.type === "usage" ? [event.usage] : []));
  const searches = Math.min(200, Math.max(0, ...usages.map(({ webSearches }) => webSearches)));
  const hardwareMs = Math.min(900_000, Math.max(0, ...usages.map(({ work }) => work?.hardwareMs ?? 0)));
  const workPusd =
    BigInt(searches) * BigInt(PRICE.web_search) + BigInt(hardwareMs) * BigInt(PRICE.hardware_second / 1_000);
  return (pusd + workPusd) / 1_000n + 1n;
}

function audioCharsIn(event: GenerationEvent): number {
  if (event.type !== "audio-delta" || typeof event.audio !== "object" || event.audio === null) return 0;
  const data = "data" in event.audio ? event.audio.data : null;
  return typeof data === "string" ? data.length : 0;
}

/** What is not marked as estimated is the upstream's last word. */
function honestyFault(usage: Usage, isEstimated: boolean, events: readonly GenerationEvent[]): string | null {
  if (isEstimated) return null;
  const last = events.findLast((event) => event.type === "usage");
  if (last?.type !== "usage") return "a count of nobody's is not marked as estimated";
  const isSame =
    promptTokens(usage) === promptTokens(last.usage) && completionTokens(usage) === completionTokens(last.usage);
  return isSame ? null : "a count that was changed is not marked as estimated";
}

function brokenFault(bill: Bill, events: readonly GenerationEvent[]): string | null {
  const hasTokens = events.some((event) => bytesIn(event) > 0 || event.type === "image" || event.type === "usage");
  const isAudio = events.some((event) => audioCharsIn(event) > 0);
  return hasTokens || isAudio || bill.charged.totalNusd === 0n ? null : "what broke without a token is charged";
}
