/**
 * The soak's clients: lanes that send one planned request after the other and write down what they got of each. They
 * judge nothing but whether an answer is whole; what it must cost is the judge's business. Never retries: a request is
 * one generation at most.
 */
import { isObject, numberOf, parseJson, stringOf } from "../../src/core/json.ts";
import { wordsOf, type PlannedRequest } from "./plan.ts";
import { PROVIDERS } from "./world.ts";

export interface SoakAccount {
  readonly id: string;
  readonly key: string;
  /** Runs out of credit by design: a 402 is an answer, too. */
  readonly isPoor: boolean;
}

/**
 * How a request ended for its client: `whole` as it was asked for; `refused` by a status; `broken` by an error event
 * after the first words; `left` by the client's own doing; `cut` when the connection broke.
 */
export type How = "whole" | "refused" | "broken" | "left" | "cut";

export interface Seen {
  readonly request: PlannedRequest;
  readonly account: string;
  readonly sentAtMs: number;
  readonly endedAtMs: number;
  readonly how: How;
  readonly status: number | null;
  readonly generationId: string | null;
  /** Whose words the answer has. */
  readonly provider: string | null;
  /** Some of the answer had arrived. */
  readonly hasWords: boolean;
  /** `usage.cost` of the answer in nano-dollars, as it was told. */
  readonly toldNusd: bigint | null;
  /** What is wrong with an answer that calls itself whole, or with a refusal; null: nothing. */
  readonly fault: string | null;
}

/** A text longer than this is no answer of the soak's. */
const TEXT_CHARS_MAX = 2_000_000;
/** Longer than any planned answer and any deadline of the server's. */
const REQUEST_MS_MAX = 45_000;
const TOOL_OPENING = '{"text":"';
const FAULT_CHARS_MAX = 300;

/** Sends one request and reads its answer to whatever end it has, `over` at the latest. Never rejects. */
export async function askOnce(
  apiBase: string,
  account: SoakAccount,
  request: PlannedRequest,
  over: AbortSignal,
): Promise<Seen> {
  const sentAtMs = Date.now();
  const controller = new AbortController();
  const patience = request.leave?.kind === "after-ms" ? request.leave.ms : REQUEST_MS_MAX;
  const leave = (): void => controller.abort();
  const timer = setTimeout(leave, patience);
  // By hand: of a signal made by `AbortSignal.any` nobody but the request knows, and long runs have lost some.
  over.addEventListener("abort", leave, { once: true });
  const reading: Reading = { text: "", status: null, generationId: null, clampedTo: null, lastByteAtMs: 0 };
  let hasBroken = false;
  const send = async (): Promise<void> => {
    const response = await fetch(`${apiBase}/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${account.key}`, "content-type": "application/json" },
      body: bodyOf(request),
      signal: controller.signal,
    });
    await read(response, request, controller, reading);
  };
  try {
    // Not by the signal alone: of a server that was killed, Node's fetch sometimes neither answers nor fails, ever.
    await Promise.race([send(), leaving(controller.signal)]);
  } catch {
    hasBroken = true;
  }
  clearTimeout(timer);
  over.removeEventListener("abort", leave);
  const { status, generationId, lastByteAtMs } = reading;
  const noticedAtMs = Date.now();
  const base = { request, account: account.id, sentAtMs, status, generationId };
  const answer = takenApart(request, reading);
  if (hasBroken) {
    const how = controller.signal.aborted ? "left" : "cut";
    const isLate = controller.signal.aborted && !over.aborted && request.leave === null;
    const fault = isLate ? `no end within ${REQUEST_MS_MAX} ms` : null;
    return { ...base, ...answer, endedAtMs: noticedAtMs, how, toldNusd: null, fault };
  }
  return { ...base, ...answer, endedAtMs: lastByteAtMs === 0 ? noticedAtMs : lastByteAtMs };
}

/** Rejects when the client leaves. */
export function leaving(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error("The client left.")), { once: true });
  });
}

interface Reading {
  text: string;
  status: number | null;
  generationId: string | null;
  /** Tokens that the balance allows, where that was less than the request's own limit. */
  clampedTo: number | null;
  lastByteAtMs: number;
}

async function read(
  response: Response,
  { leave, isStreamed }: PlannedRequest,
  controller: AbortController,
  reading: Reading,
): Promise<void> {
  reading.status = response.status;
  reading.generationId = response.headers.get("x-generation-id");
  reading.clampedTo = numberOf(Number(response.headers.get("x-waypost-max-tokens") ?? Number.NaN)) ?? null;
  const decoder = new TextDecoder();
  let reads = 0;
  for await (const bytes of response.body ?? []) {
    reading.lastByteAtMs = Date.now();
    reading.text += decoder.decode(bytes as Uint8Array, { stream: true });
    if (reading.text.length > TEXT_CHARS_MAX) throw new Error("An answer without an end.");
    if (isStreamed && leave?.kind === "after-reads" && ++reads === leave.count) controller.abort();
  }
}

function bodyOf({ wish, model, isStreamed, maxTokens, fillerChars }: PlannedRequest): string {
  const filler = "the quick brown fox jumps over the lazy dog "
    .repeat(Math.ceil(fillerChars / 44))
    .slice(0, fillerChars);
  const tool = {
    type: "function",
    function: { name: "note", parameters: { type: "object", properties: { text: { type: "string" } } } },
  };
  return JSON.stringify({
    model,
    stream: isStreamed,
    max_tokens: maxTokens,
    user: markerOf(wish.number),
    messages: [{ role: "user", content: `${JSON.stringify(wish)}\n${filler}` }],
    ...(wish.isTool ? { tools: [tool] } : {}),
  });
}

/** What carries a request's number through the server into its books. */
export function markerOf(number: number): string {
  return `soak-${number}`;
}

interface TakenApart extends Pick<Seen, "provider" | "hasWords" | "toldNusd" | "fault"> {
  readonly how: How;
}

function takenApart(request: PlannedRequest, { text, status, clampedTo }: Reading): TakenApart {
  const nothing = { provider: null, hasWords: false, toldNusd: null, fault: null };
  if (status === null) return { ...nothing, how: "cut" };
  if (status !== 200) return { ...nothing, how: "refused", fault: refusalFault(text) };
  const events = request.isStreamed ? eventsOf(text) : [parseJson(text)];
  let said = "";
  let [reason, toldNusd]: [string | null, bigint | null] = [null, null];
  for (const event of events) {
    if (!isObject(event)) continue;
    said += saidIn(event, request.isStreamed);
    if (isObject(event["error"])) reason = "error";
    reason ??= reasonOf(event);
    const cost = isObject(event["usage"]) ? numberOf(event["usage"]["cost"]) : undefined;
    if (cost !== undefined) toldNusd = BigInt(Math.round(cost * 1e9));
  }
  const provider = PROVIDERS.find((slug) => said.includes(`${slug}.${request.wish.number}.`)) ?? null;
  const found = { provider, hasWords: said !== "", toldNusd };
  if (reason === "error") return { ...found, how: "broken", fault: null };
  const isEnded = !request.isStreamed || text.endsWith("data: [DONE]\n\n");
  if (!isEnded) return { ...found, how: "whole", fault: "it has no end" };
  return { ...found, how: "whole", fault: wrongText(request, said, { provider, reason, clampedTo }) };
}

/** Statuses have their words in the error's type; one that names a bug of ours is a fault. */
function refusalFault(text: string): string | null {
  const body = parseJson(text);
  const error = isObject(body) && isObject(body["error"]) ? body["error"] : undefined;
  if (error === undefined || stringOf(error["message"]) === undefined) {
    return `an error without words: ${text.slice(0, FAULT_CHARS_MAX)}`;
  }
  return null;
}

interface Ending {
  readonly provider: string | null;
  readonly reason: string | null;
  readonly clampedTo: number | null;
}

function wrongText({ wish, maxTokens }: PlannedRequest, said: string, { provider, reason, clampedTo }: Ending) {
  const says = wish.isTool ? toolText(said, reason === "length") : said;
  if (provider === null || says === null) {
    return `not the words of a provider (${reason}): ${said.slice(0, FAULT_CHARS_MAX)}`;
  }
  // Faults of the upstream know no tools, and do not say that they end for the limit, which they keep.
  const words = wordsOf(provider, wish, Math.min(wish.wordCount, clampedTo ?? maxTokens));
  const sent = words.join("");
  const isRight = reason === "length" ? endlessOr(sent, wish.fault, says).startsWith(says) : says === sent;
  return isRight ? null : `not the words that were sent (${reason}): ${said.slice(0, FAULT_CHARS_MAX)}`;
}

/** An upstream that ignores every limit says its words over and over, until credit ends. */
function endlessOr(sent: string, fault: string, says: string): string {
  return /^endless-\d+$/.test(fault) ? sent.repeat(Math.ceil(says.length / sent.length)) : sent;
}

/** The text in a call's arguments. Where credit ends, a call ends in the middle of them. */
function toolText(said: string, isCut: boolean): string | null {
  const parsed = parseJson(said);
  if (isObject(parsed)) return stringOf(parsed["text"]) ?? null;
  if (isCut && said.startsWith(TOOL_OPENING)) return said.slice(TOOL_OPENING.length);
  return said.startsWith("{") ? null : said;
}

function eventsOf(text: string): readonly unknown[] {
  return text
    .split("\n\n")
    .filter((frame) => frame.startsWith("data: {"))
    .map((frame) => parseJson(frame.slice(6)));
}

/** Content, or the arguments of a tool's call. */
function saidIn(event: Record<string, unknown>, isStreamed: boolean): string {
  const choice = choiceOf(event);
  const message = choice?.[isStreamed ? "delta" : "message"];
  if (!isObject(message)) return "";
  const calls: readonly unknown[] = Array.isArray(message["tool_calls"]) ? message["tool_calls"] : [];
  const named = calls.map((call) =>
    isObject(call) && isObject(call["function"]) ? call["function"]["arguments"] : "",
  );
  return [message["content"], ...named].map((piece) => stringOf(piece) ?? "").join("");
}

function reasonOf(event: Record<string, unknown>): string | null {
  return stringOf(choiceOf(event)?.["finish_reason"]) ?? null;
}

function choiceOf(event: Record<string, unknown>): Record<string, unknown> | undefined {
  const first: unknown = Array.isArray(event["choices"]) ? event["choices"][0] : undefined;
  return isObject(first) ? first : undefined;
}
