/**
 * A streamed answer as OpenAI chat chunks. Each content event becomes one chunk, so that clients see the upstream's
 * cadence; the hot one (a text delta) is two strings around one JSON.stringify. Every delta carries role and content
 * (old clients want both), `finish_reason` comes once per choice, usage once, in the last chunk before `[DONE]`. Who asks for
 * it in OpenAI's words (`stream_options.include_usage`) gets OpenAI's form, `choices: []`: @langchain/openai counts a usage
 * beside a choice twice. Everybody else gets OpenRouter's, beside one choice that says nothing: @langchain/openrouter
 * passes over chunks without a choice. A stream that breaks ends with its error chunk and without `[DONE]`.
 * Shape: ChatStreamChunk of @openrouter/sdk 1.3.19, whose schemas the tests hold every chunk against.
 */
import type { FinishReason, GenerationEvent } from "../core/event.ts";
import { sseData } from "../core/sse.ts";
import type { AnswerHead, AnswerTail, StreamRenderer } from "./dialect.ts";
import { jsonString, needsEscape } from "./json-text.ts";
import { detailJson, errorJson, usageJson } from "./openai-chat-reply.ts";

const UNFINISHED = `"finish_reason":null,"native_finish_reason":null`;
const QUIET = `${UNFINISHED},"logprobs":null}]`;
const EMPTY_DELTA = `"role":"assistant","content":""`;

/** A renderer for one answer. */
export function createOpenAiChatRenderer(head: AnswerHead): StreamRenderer {
  const opening =
    `data: {"id":${JSON.stringify(head.id)},"object":"chat.completion.chunk","created":${head.createdS},` +
    `"model":${JSON.stringify(head.model)},"provider":${JSON.stringify(head.provider)},`;
  const textOpening = `${opening}"choices":[{"index":0,"delta":{"role":"assistant","content":`;
  let closing = "}\n\n";
  let textClosing = `},${QUIET}${closing}`;
  const choices = createChoiceRecord();
  let isTextOpen = false;

  const chunk = (choice: number, delta: string, outcome: string = QUIET): string =>
    `${opening}"choices":[{"index":${choice},"delta":{${delta}},${outcome}${closing}`;

  const finish = (choice: number, reason: FinishReason, nativeReason: string | null): string => {
    let out = "";
    // A call without arguments is one with none: clients parse the text as JSON.
    for (const index of choices.toolsWithoutInput(choice)) out += chunk(choice, toolInputDelta(index, "{}"));
    const native = nativeReason === null ? "null" : JSON.stringify(nativeReason);
    return (
      out + chunk(choice, EMPTY_DELTA, `"finish_reason":"${reason}","native_finish_reason":${native},"logprobs":null}]`)
    );
  };

  const rendered = (event: GenerationEvent): string => {
    switch (event.type) {
      case "start":
        closing = closingOf(event, closing);
        textClosing = `},${QUIET}${closing}`;
        return "";
      // The spine acts on these two: the last usage comes with the tail, a failure with `fail`.
      case "usage":
      case "error":
      // Nobody asks for a task in a conversation.
      case "outcome":
        return "";
      case "finish":
        return choices.close(event.choice) ? finish(event.choice, event.reason, event.nativeReason) : "";
      case "logprobs":
        choices.open(event);
        return chunk(event.choice, EMPTY_DELTA, `${UNFINISHED},"logprobs":${JSON.stringify(event.logprobs)}}]`);
      default: {
        choices.open(event);
        const delta = deltaOf(event, head.excludeReasoning);
        return delta === "" ? "" : chunk(event.choice, delta);
      }
    }
  };

  return {
    render(events) {
      let out = "";
      for (const event of events) {
        if (event.type === "text-delta" && event.choice === 0 && event.text !== "") {
          if (!isTextOpen) choices.open(event);
          isTextOpen = true;
          out += textChunks(textOpening, textClosing, event.text, event.pieces ?? [event.text]);
        } else out += rendered(event);
      }
      return out;
    },
    end(tail) {
      let out = "";
      // Every choice ends with a reason, even where the upstream forgot it.
      const { reason, nativeReason } = tail.cut ?? { reason: "stop", nativeReason: null };
      for (const choice of choices.unfinished()) out += finish(choice, reason, nativeReason);
      // Without a finish: LangChain joins one that comes twice into one word.
      const beside = head.echo?.["include_usage"] === true ? "]" : `{"index":0,"delta":{${EMPTY_DELTA}},${QUIET}`;
      return `${out}${opening}"choices":[${beside},${tailMembers(tail)}${closing}${sseData("[DONE]")}`;
    },
    fail(face, tail) {
      const choice = `{"index":0,"delta":{"content":""},"finish_reason":"error","native_finish_reason":null}`;
      return `${opening}"error":${JSON.stringify(errorJson(face))},"choices":[${choice}],${tailMembers(tail)}${closing}`;
    },
  };
}

/** The hot case: a chunk for each of `pieces`, whose whole is `text`. */
function textChunks(opening: string, closing: string, text: string, pieces: readonly string[]): string {
  if (needsEscape(text)) return pieces.map((piece) => opening + jsonString(piece) + closing).join("");
  const joint = `"${closing}${opening}"`;
  let out = `${opening}"`;
  for (let at = 0; at < pieces.length; at++) out += at === 0 ? pieces[at] : joint + pieces[at];
  return `${out}"${closing}`;
}

type ContentEvent = Exclude<GenerationEvent, { type: "start" | "usage" | "error" | "finish" | "logprobs" | "outcome" }>;

/** The members of `delta` that an event becomes; "" when there is nothing to say. */
function deltaOf(event: ContentEvent, excludeReasoning: boolean): string {
  switch (event.type) {
    case "text-delta":
      return event.text === "" ? "" : `"role":"assistant","content":${JSON.stringify(event.text)}`;
    case "refusal-delta":
      return event.text === "" ? "" : `${EMPTY_DELTA},"refusal":${JSON.stringify(event.text)}`;
    case "reasoning-delta": {
      if (excludeReasoning) return "";
      const text = JSON.stringify(event.detail.text ?? event.detail.summary ?? null);
      return `${EMPTY_DELTA},"reasoning":${text},"reasoning_details":[${JSON.stringify(detailJson(event.detail))}]`;
    }
    case "tool-start": {
      const called = `{"name":${JSON.stringify(event.name)},"arguments":""}`;
      return toolDelta(
        `{"index":${event.index},"id":${JSON.stringify(event.id)},"type":"function","function":${called}}`,
      );
    }
    case "tool-input-delta":
      return event.text === "" ? "" : toolInputDelta(event.index, event.text);
    case "image":
      return `${EMPTY_DELTA},"images":[{"type":"image_url","image_url":{"url":${JSON.stringify(event.url)}}}]`;
    case "audio-delta":
      return `${EMPTY_DELTA},"audio":${JSON.stringify(event.audio)}`;
    case "annotations":
      return `${EMPTY_DELTA},"annotations":${JSON.stringify(event.annotations)}`;
    default:
      return event satisfies never;
  }
}

function toolDelta(call: string): string {
  return `${EMPTY_DELTA},"tool_calls":[${call}]`;
}

function toolInputDelta(index: number, text: string): string {
  return toolDelta(`{"index":${index},"type":"function","function":{"arguments":${JSON.stringify(text)}}}`);
}

/** How chunks end once the upstream has named itself; what it says later replaces what it said before. */
function closingOf(event: GenerationEvent & { type: "start" }, before: string): string {
  const { systemFingerprint, serviceTier } = event;
  if (systemFingerprint === undefined && serviceTier === undefined) return before;
  const fingerprint =
    systemFingerprint === undefined ? "" : `,"system_fingerprint":${JSON.stringify(systemFingerprint)}`;
  return `${fingerprint}${serviceTier === undefined ? "" : `,"service_tier":${JSON.stringify(serviceTier)}`}}\n\n`;
}

function tailMembers(tail: AnswerTail): string {
  const metadata = tail.metadata === null ? "" : `,"openrouter_metadata":${JSON.stringify(tail.metadata)}`;
  return `"usage":${JSON.stringify(usageJson(tail))}${metadata}`;
}

/** What was begun and not ended: choices without a finish, tool calls without arguments. */
interface ChoiceRecord {
  open(event: ContentEvent | (GenerationEvent & { type: "logprobs" })): void;
  /** False when the choice had its finish already. */
  close(choice: number): boolean;
  /** Indices of the calls that never got an argument. */
  toolsWithoutInput(choice: number): readonly number[];
  /** Choices without a finish, now closed; choice 0 when there was none at all. */
  unfinished(): readonly number[];
}

function createChoiceRecord(): ChoiceRecord {
  const isFinished = new Map<number, boolean>();
  /** "choice:index" of calls still without arguments. */
  const bare = new Set<string>();
  const close = (choice: number): boolean => {
    const wasOpen = isFinished.get(choice) !== true;
    isFinished.set(choice, true);
    return wasOpen;
  };
  return {
    open(event) {
      if (!isFinished.has(event.choice)) isFinished.set(event.choice, false);
      if (event.type === "tool-start") bare.add(`${event.choice}:${event.index}`);
      if (event.type === "tool-input-delta" && event.text !== "") bare.delete(`${event.choice}:${event.index}`);
    },
    close,
    toolsWithoutInput(choice) {
      const prefix = `${choice}:`;
      return [...bare].filter((key) => key.startsWith(prefix)).map((key) => Number(key.slice(prefix.length)));
    },
    unfinished() {
      if (isFinished.size === 0) isFinished.set(0, false);
      return [...isFinished.keys()].filter(close);
    },
  };
}
