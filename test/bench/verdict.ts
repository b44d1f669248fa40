/**
 * Is an answer complete and right? Every answer is checked: status, text in order, usage, `[DONE]`, and the cost where
 * there is one. One streamed answer in sixteen is parsed event by event as well; parsing them all would make the
 * client, not the Worker, the limit.
 */
import { BUFFERED_TEXT, PROMPT_TOKENS, benchModel, expectedCostNusd, fastPiece } from "./answers.ts";
import type { BenchModel } from "./answers.ts";
import { statusOf, type Message } from "./http-bytes.ts";
import { UPSTREAM_MODELS, type Role } from "./target.ts";
import { decimalToNusd } from "./money.ts";

/** Right, with what it cost, or wrong with one sentence. `costNusd` is 0n when the target names no cost. */
export type Verdict = { readonly ok: true; readonly costNusd: bigint } | { readonly ok: false; readonly fault: string };

const wrong = (fault: string): Verdict => ({ ok: false, fault });

/** The upstream model behind a role. Throws for a role the upstream lacks, which is a bug of the bench. */
function modelOfRole(role: Role): BenchModel {
  const model = benchModel(UPSTREAM_MODELS[role]);
  if (model === undefined) throw new Error(`the upstream has no model for ${role}`);
  return model;
}

/** Judges one whole answer. `isThorough` parses every event of a stream. */
export function judge(message: Message, role: Role, isPriced: boolean, isThorough: boolean): Verdict {
  const status = statusOf(message.startLine);
  if (status !== 200) return wrong(`status ${status}: ${message.body.toString("latin1", 0, 300)}`);
  const model = modelOfRole(role);
  return role === "buffered"
    ? judgeReply(message.body.toString("latin1"), model, isPriced)
    : judgeStream(message.body.toString("latin1"), model, isPriced, isThorough);
}

interface Wire {
  choices?: { message?: { content?: unknown }; delta?: { content?: unknown }; finish_reason?: unknown }[];
  usage?: { prompt_tokens?: unknown; completion_tokens?: unknown } | null;
  error?: unknown;
}

/** The shape is only hoped for: every field read from it is compared with what it must be. */
const parseWire = (text: string): Wire | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Wire) : undefined;
  } catch {
    return undefined;
  }
};

function judgeReply(text: string, model: BenchModel, isPriced: boolean): Verdict {
  const wire = parseWire(text);
  if (wire === undefined) return wrong(`not JSON: ${text.slice(0, 200)}`);
  if (wire.choices?.[0]?.message?.content !== BUFFERED_TEXT) return wrong(`wrong text: ${text.slice(0, 200)}`);
  if (wire.choices[0]?.finish_reason !== "stop") return wrong(`wrong finish_reason: ${text.slice(-200)}`);
  return judgeUsage(wire, text, model, isPriced);
}

function judgeStream(text: string, model: BenchModel, isPriced: boolean, isThorough: boolean): Verdict {
  if (!text.endsWith("data: [DONE]\n\n")) return wrong(`no [DONE] at the end: ${text.slice(-200)}`);
  if (model.mode === "fast") {
    let at = 0;
    for (let index = 0; index < model.events; index += 1) {
      at = text.indexOf(fastPiece(index), at);
      if (at === -1) return wrong(`event ${index} of ${model.events} is missing or out of order`);
    }
  }
  if (!text.includes('"finish_reason":"stop"')) return wrong(`no finish_reason: ${text.slice(-300)}`);
  if (isThorough) {
    const fault = faultOfEvents(text, model);
    if (fault !== undefined) return wrong(fault);
  }
  const usageAt = text.lastIndexOf('"usage":{');
  const lineStart = text.lastIndexOf("data: ", usageAt) + 6;
  const line = text.slice(lineStart, text.indexOf("\n", lineStart));
  const wire = usageAt === -1 ? undefined : parseWire(line);
  return wire === undefined ? wrong(`no usage: ${text.slice(-300)}`) : judgeUsage(wire, line, model, isPriced);
}

/** Every event parsed: as many content events as the upstream sent, and their text exactly. */
function faultOfEvents(text: string, model: BenchModel): string | undefined {
  const pieces: string[] = [];
  for (const block of text.split("\n\n")) {
    if (!block.startsWith("data: ") || block === "data: [DONE]") continue;
    const wire = parseWire(block.slice(6));
    if (wire === undefined || wire.error !== undefined) return `a bad event: ${block.slice(0, 300)}`;
    const content = wire.choices?.[0]?.delta?.content;
    if (typeof content === "string" && content !== "") pieces.push(content);
  }
  if (pieces.length !== model.events) return `${pieces.length} content events instead of ${model.events}`;
  if (model.mode !== "fast") return undefined;
  return pieces.every((piece, index) => piece === fastPiece(index)) ? undefined : "an event's text was changed";
}

function judgeUsage(wire: Wire, text: string, model: BenchModel, isPriced: boolean): Verdict {
  const { prompt_tokens: prompt, completion_tokens: completion } = wire.usage ?? {};
  if (prompt !== PROMPT_TOKENS || completion !== model.completionTokens) {
    return wrong(`usage ${String(prompt)}+${String(completion)} instead of ${PROMPT_TOKENS}+${model.completionTokens}`);
  }
  if (!isPriced) return { ok: true, costNusd: 0n };
  const cost = /"cost":\s*([-\d.eE+]+)/.exec(text)?.[1];
  const costNusd = cost === undefined ? undefined : decimalToNusd(cost);
  const expectedNusd = expectedCostNusd(model);
  return costNusd === expectedNusd
    ? { ok: true, costNusd }
    : wrong(`cost ${cost ?? "absent"} instead of ${expectedNusd} nano-dollars`);
}
