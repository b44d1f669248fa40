/**
 * The content blocks of a Messages answer while it comes: generation events in, stream events and finished blocks out. One
 * machine for both ways of answering, so that a stream and a buffered answer hold the same blocks: a buffered one tells
 * its events to nobody.
 *
 * Blocks come one after the other, as this format's clients expect; only calls whose arguments are not whole stay open
 * beside others, for providers that mix the pieces of parallel calls. What Anthropic signed stands as it is; what another
 * provider signed or encrypted, in an envelope. Thinking that is not shown keeps its signature, as `display: "omitted"`
 * has it. A refusal is told at the end; where nothing else was said it is the text as well.
 */
import type { ReasoningDetail } from "../core/chat.ts";
import type { GenerationEvent } from "../core/event.ts";
import { isObject, parseJson, stringOf, type Json, type JsonObject } from "../core/json.ts";
import { ANTHROPIC_FORMAT } from "./anthropic-messages-input.ts";
import { wrapReasoning } from "./reasoning-envelope.ts";

/** Takes one stream event. */
export type Emit = (type: string, members: JsonObject) => void;

export interface AnswerBlocks {
  take(event: GenerationEvent): void;
  /** Ends what is open. */
  close(): void;
  /** Finished blocks, in their order. */
  blocks(): readonly JsonObject[];
  /** What the model refused with; null when it did not. */
  refusal(): string | null;
}

interface TextBlock {
  readonly kind: "text";
  readonly at: number;
  text: string;
  readonly citations: JsonObject[];
}
interface ThinkingBlock {
  readonly kind: "thinking";
  readonly at: number;
  readonly index: number;
  readonly details: Map<ReasoningDetail["type"], ReasoningDetail>;
  /** As told so far. */
  thinking: string;
  signature: string;
}
interface ToolBlock {
  readonly kind: "tool";
  readonly at: number;
  readonly id: string;
  readonly name: string;
  input: string;
}

/** What is known of an answer while it is written. */
interface Writing {
  readonly hidesThinking: boolean;
  readonly emit: Emit;
  readonly finished: JsonObject[];
  /** Text or thinking; calls are kept apart, because several may be open. */
  open: TextBlock | ThinkingBlock | null;
  readonly tools: Map<number, ToolBlock>;
  count: number;
  refusal: string | null;
}

/** The blocks of one answer. */
export function createBlocks(hidesThinking: boolean, emit: Emit): AnswerBlocks {
  const finished: JsonObject[] = [];
  const writing: Writing = { hidesThinking, emit, finished, open: null, tools: new Map(), count: 0, refusal: null };
  return {
    blocks: () => finished,
    refusal: () => writing.refusal,
    take(event) {
      if (!("choice" in event) || event.choice === 0) take(writing, event);
    },
    close() {
      const { refusal, open } = writing;
      const hasSaid = open?.kind === "text" || finished.some((block) => block["type"] === "text");
      if (refusal !== null && refusal !== "" && !hasSaid) say(writing, refusal);
      closeOpen(writing);
      closeTools(writing, false);
    },
  };
}

function take(writing: Writing, event: GenerationEvent): void {
  switch (event.type) {
    case "text-delta":
      if (event.text !== "") say(writing, event.text);
      return;
    case "refusal-delta":
      writing.refusal = (writing.refusal ?? "") + event.text;
      return;
    case "annotations":
      cite(writing, event.annotations);
      return;
    case "reasoning-delta":
      think(writing, event.detail);
      return;
    case "tool-start": {
      const { index, id, name } = event;
      const tool: ToolBlock = { kind: "tool", at: next(writing), id, name, input: "" };
      writing.tools.set(index, tool);
      start(writing, tool.at, toolJson(id, name, {}));
      return;
    }
    case "tool-input-delta": {
      const tool = writing.tools.get(event.index);
      if (tool === undefined || event.text === "") return;
      tool.input += event.text;
      extend(writing, tool.at, { type: "input_json_delta", partial_json: event.text });
      return;
    }
    case "image":
      say(writing, imageText(event.url));
      return;
    // This format has no words for the first two; the rest is the renderer's.
    case "audio-delta":
    case "logprobs":
    case "start":
    case "outcome":
    case "usage":
    case "finish":
    case "error":
      return;
    default:
      event satisfies never;
  }
}

function start({ emit }: Writing, at: number, block: JsonObject): void {
  emit("content_block_start", { index: at, content_block: block });
}

function extend({ emit }: Writing, at: number, piece: JsonObject): void {
  emit("content_block_delta", { index: at, delta: piece });
}

function stop({ emit, finished }: Writing, at: number, block: JsonObject): void {
  finished[at] = block;
  emit("content_block_stop", { index: at });
}

/** Room for a block that comes after all that is whole. */
function next(writing: Writing): number {
  closeOpen(writing);
  closeTools(writing, true);
  return writing.count++;
}

function closeOpen(writing: Writing): void {
  const { open } = writing;
  if (open?.kind === "text") stop(writing, open.at, textJson(open));
  if (open?.kind === "thinking") closeThinking(writing, open);
  writing.open = null;
}

/** With `wholeOnly`, those whose arguments have an end. */
function closeTools(writing: Writing, wholeOnly: boolean): void {
  for (const [index, tool] of writing.tools) {
    if (wholeOnly && parseJson(tool.input) === undefined) continue;
    writing.tools.delete(index);
    // A call without arguments is one with none: clients parse the text as JSON.
    if (tool.input === "") {
      tool.input = "{}";
      extend(writing, tool.at, { type: "input_json_delta", partial_json: "{}" });
    }
    const { id, name, input } = tool;
    // What is no JSON is shown as it is, not lost.
    stop(writing, tool.at, toolJson(id, name, (parseJson(input) as Json | undefined) ?? input));
  }
}

function openText(writing: Writing): TextBlock {
  if (writing.open?.kind === "text") return writing.open;
  const block: TextBlock = { kind: "text", at: next(writing), text: "", citations: [] };
  writing.open = block;
  start(writing, block.at, { type: "text", text: "", citations: null });
  return block;
}

function say(writing: Writing, said: string): void {
  const block = openText(writing);
  block.text += said;
  extend(writing, block.at, { type: "text_delta", text: said });
}

function cite(writing: Writing, annotations: readonly Json[]): void {
  for (const annotation of annotations) {
    const citation = citationOf(annotation);
    if (citation === undefined) continue;
    const block = openText(writing);
    block.citations.push(citation);
    extend(writing, block.at, { type: "citations_delta", citation });
  }
}

function think(writing: Writing, detail: ReasoningDetail): void {
  const index = detail.index ?? 0;
  const isSame = writing.open?.kind === "thinking" && writing.open.index === index;
  if (!isSame && detail.type === "reasoning.encrypted") {
    const at = next(writing);
    const block = { type: "redacted_thinking", data: redactedOf(detail) };
    start(writing, at, block);
    stop(writing, at, block);
    return;
  }
  if (!isSame) {
    if (writing.hidesThinking && !isSigned(detail)) return;
    const at = next(writing);
    writing.open = { kind: "thinking", at, index, details: new Map(), thinking: "", signature: "" };
    start(writing, at, { type: "thinking", thinking: "", signature: "" });
  }
  if (writing.open?.kind === "thinking") extendThinking(writing, writing.open, detail);
}

/** Answers of this format hold no images: one is shown as Markdown does. */
function imageText(url: string): string {
  return `![image](${url})`;
}

function textJson({ text, citations }: TextBlock): JsonObject {
  return { type: "text", text, citations: citations.length === 0 ? null : [...citations] };
}

function toolJson(id: string, name: string, input: Json): JsonObject {
  return { type: "tool_use", id, name, input, caller: { type: "direct" } };
}

/** A citation of the web; those of other kinds have no form that all clients know. */
function citationOf(annotation: Json): JsonObject | undefined {
  const cited = isObject(annotation) ? annotation["url_citation"] : undefined;
  if (!isObject(cited)) return undefined;
  return {
    type: "web_search_result_location",
    url: stringOf(cited["url"]) ?? "",
    title: stringOf(cited["title"]) ?? "",
    cited_text: stringOf(cited["content"]) ?? "",
    encrypted_index: "",
  };
}

function isSigned(detail: ReasoningDetail): boolean {
  return typeof detail.signature === "string" && detail.signature !== "";
}

function redactedOf(detail: ReasoningDetail): string {
  return detail.format === ANTHROPIC_FORMAT ? (detail.data ?? "") : wrapReasoning([detail]);
}

function extendThinking(writing: Writing, block: ThinkingBlock, detail: ReasoningDetail): void {
  const said = detail.type === "reasoning.text" ? (detail.text ?? "") : (detail.summary ?? "");
  if (said !== "" && !writing.hidesThinking) {
    block.thinking += said;
    extend(writing, block.at, { type: "thinking_delta", thinking: said });
  }
  if (detail.format === ANTHROPIC_FORMAT && isSigned(detail)) {
    block.signature += detail.signature ?? "";
    extend(writing, block.at, { type: "signature_delta", signature: detail.signature ?? "" });
  }
  const before = block.details.get(detail.type);
  const data = `${before?.data ?? ""}${detail.data ?? ""}`;
  const signature = `${before?.signature ?? ""}${detail.signature ?? ""}`;
  const { id, format } = detail;
  block.details.set(detail.type, {
    ...before,
    type: detail.type,
    ...(data === "" ? {} : { data }),
    ...(signature === "" ? {} : { signature }),
    ...(id === undefined || id === null ? {} : { id }),
    ...(format === undefined || format === null ? {} : { format }),
  });
}

/** The shown text stands beside the envelope, which holds the rest. */
function closeThinking(writing: Writing, block: ThinkingBlock): void {
  const details = [...block.details.values()];
  const isForeign = details.some(({ format, signature, data, id, type }) => {
    if (format === ANTHROPIC_FORMAT) return false;
    const isNamed = format !== undefined && format !== null && format !== "unknown";
    return isNamed || signature !== undefined || data !== undefined || id !== undefined || type === "reasoning.summary";
  });
  if (block.signature === "" && isForeign) {
    block.signature = wrapReasoning(details);
    extend(writing, block.at, { type: "signature_delta", signature: block.signature });
  }
  stop(writing, block.at, { type: "thinking", thinking: block.thinking, signature: block.signature });
}
