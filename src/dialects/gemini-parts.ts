/**
 * The parts of Gemini's format that events become. Calls are given out whole, as the API does: they are held until
 * something else comes or their choice ends, and carry the signature that came before them. Reasoning of other providers is packed
 * (gemini-reasoning.ts). Where thoughts are not shown, what must come back for the model to go on still travels.
 */
import type { ReasoningDetail } from "../core/chat.ts";
import type { GenerationEvent } from "../core/event.ts";
import { isObject, parseJson, stringOf, type Json, type JsonObject } from "../core/json.ts";
import { GEMINI_FORMAT, packReasoning } from "./gemini-reasoning.ts";

export type ContentEvent = Exclude<
  GenerationEvent,
  { type: "start" | "usage" | "error" | "finish" | "logprobs" | "outcome" }
>;

/** Makes the parts of one choice. */
export interface PartMaker {
  /** The parts that are complete with this event; often none. */
  add(event: ContentEvent): readonly JsonObject[];
  /** What was still held. */
  end(): readonly JsonObject[];
  hasRefused(): boolean;
}

/** `shows`: the client asked to see thoughts. */
export function createPartMaker(shows: boolean): PartMaker {
  const calls = createCalls();
  const thoughts = createThoughts(shows, calls.sign);
  let refused = false;
  return {
    add(event) {
      const out: JsonObject[] = [];
      if (event.type === "tool-input-delta") {
        calls.write(event.index, event.text);
        return out;
      }
      if (event.type !== "tool-start") calls.close(out);
      if (event.type === "reasoning-delta") {
        thoughts.add(event.detail, out);
        return out;
      }
      thoughts.close(out);
      if (event.type === "tool-start") calls.open(event.index, event.id, event.name);
      else out.push(...partsOf(event));
      refused ||= event.type === "refusal-delta";
      return out;
    },
    end() {
      const out: JsonObject[] = [];
      thoughts.close(out);
      calls.close(out);
      return out;
    },
    hasRefused: () => refused,
  };
}

type PlainEvent = Exclude<ContentEvent, { type: "tool-input-delta" | "tool-start" | "reasoning-delta" }>;

function partsOf(event: PlainEvent): readonly JsonObject[] {
  switch (event.type) {
    case "text-delta":
    case "refusal-delta":
      return event.text === "" ? [] : [{ text: event.text }];
    case "image":
      return [imagePart(event.url)];
    case "audio-delta":
      return audioParts(event.audio);
    // The format's own citations hang on places in the text, which these don't name.
    case "annotations":
      return [];
    default:
      return event satisfies never;
  }
}

interface Calls {
  open(index: number, id: string, name: string): void;
  write(index: number, text: string): void;
  /** The signature of a call that has not begun. */
  sign(id: string, signature: string): void;
  close(out: JsonObject[]): void;
}

function createCalls(): Calls {
  /** Calls that are still being written, by index: parallel ones may be written in turns. */
  const open = new Map<number, { readonly id: string; readonly name: string; input: string }>();
  const signatures = new Map<string, string>();
  return {
    open(index, id, name) {
      open.set(index, { id, name, input: "" });
    },
    write(index, text) {
      const call = open.get(index);
      if (call !== undefined) call.input += text;
    },
    sign(id, signature) {
      signatures.set(id, signature);
    },
    close(out) {
      for (const { id, name, input } of open.values()) {
        const thoughtSignature = signatures.get(id);
        const functionCall = { id, name, args: argsOf(input) };
        out.push(thoughtSignature === undefined ? { functionCall } : { functionCall, thoughtSignature });
      }
      open.clear();
    },
  };
}

interface Thoughts {
  add(detail: ReasoningDetail, out: JsonObject[]): void;
  close(out: JsonObject[]): void;
}

function createThoughts(shows: boolean, sign: Calls["sign"]): Thoughts {
  let open: ReasoningDetail | null = null;

  /** Ends an entry. What makes it another provider's goes behind its text. */
  const close = (out: JsonObject[]): void => {
    const ended = open;
    open = null;
    if (ended === null || ended.format === GEMINI_FORMAT) return;
    const { text: _text, summary: _summary, ...rest } = ended;
    const isNeeded = Boolean(ended.signature) || ended.data !== undefined;
    if (shows) out.push({ text: "", thought: true, thoughtSignature: packReasoning(rest) });
    // Nobody else has the text then, and a signature without it is worth nothing.
    else if (isNeeded) out.push({ text: "", thoughtSignature: packReasoning(ended) });
  };
  return {
    close,
    add(detail, out) {
      const isOwn = detail.format === GEMINI_FORMAT;
      if (isOwn && detail.type === "reasoning.encrypted") {
        close(out);
        if (typeof detail.id === "string") sign(detail.id, detail.data ?? "");
        else out.push({ text: "", thoughtSignature: detail.data ?? "" });
        return;
      }
      if (open !== null && keyOf(open) !== keyOf(detail)) close(out);
      open = joined(open, detail);
      const text = detail.text ?? detail.summary ?? "";
      const signed = isOwn && detail.signature ? { thoughtSignature: detail.signature } : {};
      if (shows && (text !== "" || "thoughtSignature" in signed)) out.push({ text, thought: true, ...signed });
      else if (!shows && "thoughtSignature" in signed) out.push({ text: "", ...signed });
    },
  };
}

function keyOf({ index, type }: ReasoningDetail): string {
  return `${index ?? 0} ${type}`;
}

function joined(before: ReasoningDetail | null, after: ReasoningDetail): ReasoningDetail {
  if (before === null) return after;
  const add = (left: string | null | undefined, right: string | null | undefined): string | undefined =>
    right == null ? (left ?? undefined) : (left ?? "") + right;
  const [text, signature] = [add(before.text, after.text), add(before.signature, after.signature)];
  const [summary, data] = [add(before.summary, after.summary), add(before.data, after.data)];
  return {
    ...before,
    ...(text === undefined ? {} : { text }),
    ...(signature === undefined ? {} : { signature }),
    ...(summary === undefined ? {} : { summary }),
    ...(data === undefined ? {} : { data }),
    ...(after.id == null ? {} : { id: after.id }),
    ...(after.format == null ? {} : { format: after.format }),
  };
}

/** Arguments are an object here; what a model wrote that is none is shown as it stands. */
function argsOf(input: string): JsonObject {
  if (input === "") return {};
  const value = parseJson(input);
  return isObject(value) ? (value as JsonObject) : { _raw: input }; // parsed from JSON
}

function imagePart(url: string): JsonObject {
  const found = /^data:([^;,]+)[^,]*;base64,/.exec(url.slice(0, 256));
  return found === null
    ? { fileData: { fileUri: url } }
    : { inlineData: { mimeType: found[1] ?? "", data: url.slice(found[0].length) } };
}

/** Sound comes without its format from some; the most common one is assumed. */
function audioParts(audio: Json): JsonObject[] {
  if (!isObject(audio)) return [];
  const [data, transcript] = [stringOf(audio["data"]) ?? "", stringOf(audio["transcript"]) ?? ""];
  const format = stringOf(audio["format"]) ?? "pcm";
  return [
    ...(data === "" ? [] : [{ inlineData: { mimeType: `audio/${format}`, data } }]),
    ...(transcript === "" ? [] : [{ text: transcript }]),
  ];
}
