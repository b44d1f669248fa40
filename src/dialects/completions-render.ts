/**
 * Answers of the legacy `POST /completions`: chunks and bodies of `text_completion`. Text and reasoning are all that it has
 * room for; usage, cost and errors are as in chat completions, and so is a stream's end.
 * Source: https://platform.openai.com/docs/api-reference/completions/object (accessed 2026-11-21).
 */
import {
  oneByOne,
  type Collected,
  type CollectedChoice,
  type FinishReason,
  type GenerationEvent,
} from "../core/event.ts";
import { isObject, numberOf, stringOf, type Json, type JsonObject } from "../core/json.ts";
import { sseData } from "../core/sse.ts";
import type { AnswerHead, AnswerTail, ErrorFace, StreamRenderer } from "./dialect.ts";
import { errorJson, usageJson } from "./openai-chat-reply.ts";

/** The body of a buffered answer. A `fault` ends every choice of it. */
export function renderCompletionsReply(
  head: AnswerHead,
  answer: Collected,
  tail: AnswerTail,
  fault: ErrorFace | null,
): JsonObject {
  const choices = answer.choices.map((choice) => choiceJson(choice, head.excludeReasoning, fault));
  const none = { index: 0, text: "", logprobs: null, finish_reason: fault === null ? "stop" : "error" };
  return {
    ...opening(head),
    system_fingerprint: answer.systemFingerprint,
    choices: choices.length === 0 ? [{ ...none, native_finish_reason: null }] : choices,
    usage: usageJson(tail),
    ...(tail.metadata === null ? {} : { openrouter_metadata: tail.metadata }),
  };
}

function choiceJson(choice: CollectedChoice, excludeReasoning: boolean, fault: ErrorFace | null): JsonObject {
  const { index, text, refusal, logprobs, finishReason, nativeFinishReason } = choice;
  const reasoning = excludeReasoning ? "" : choice.reasoning.map((one) => one.text ?? one.summary ?? "").join("");
  return {
    index,
    text: text + refusal,
    ...(reasoning === "" ? {} : { reasoning }),
    logprobs: legacyLogprobs(logprobs),
    finish_reason: fault === null ? (finishReason ?? "stop") : "error",
    native_finish_reason: nativeFinishReason,
    ...(fault === null ? {} : { error: errorJson(fault) }),
  };
}

/** Log probabilities in lists of their own, as the older API has them. Offsets begin at the answer. */
function legacyLogprobs(logprobs: Json): JsonObject | null {
  if (!isObject(logprobs) || !Array.isArray(logprobs["content"])) return null;
  const tokens: string[] = [];
  const offsets: number[] = [];
  const values: number[] = [];
  const top: JsonObject[] = [];
  let offset = 0;
  for (const entry of (logprobs["content"] as readonly unknown[]).filter(isObject)) {
    const token = stringOf(entry["token"]) ?? "";
    const others: readonly unknown[] = Array.isArray(entry["top_logprobs"]) ? entry["top_logprobs"] : [];
    tokens.push(token);
    offsets.push(offset);
    values.push(numberOf(entry["logprob"]) ?? 0);
    top.push(
      Object.fromEntries(
        others.filter(isObject).map((one) => [stringOf(one["token"]) ?? "", numberOf(one["logprob"]) ?? 0]),
      ),
    );
    offset += token.length;
  }
  return { tokens, token_logprobs: values, top_logprobs: top, text_offset: offsets };
}

function opening(head: AnswerHead) {
  const { id, createdS: created, model, provider } = head;
  return { id, object: "text_completion", created, model, provider };
}

/** A renderer for one answer. */
export function createCompletionsRenderer(head: AnswerHead): StreamRenderer {
  const begin = `data: ${JSON.stringify(opening(head)).slice(0, -1)},`;
  /** True for those that have ended. */
  const choices = new Map<number, boolean>();
  const chunk = (index: number, text: string, members: JsonObject): string => {
    const choice = { index, text, ...members };
    return `${begin}"choices":[${JSON.stringify({ logprobs: null, finish_reason: null, native_finish_reason: null, ...choice })}]}\n\n`;
  };
  const finish = (index: number, reason: FinishReason, native: string | null): string => {
    if (choices.get(index) === true) return "";
    choices.set(index, true);
    return chunk(index, "", { finish_reason: reason, native_finish_reason: native });
  };
  const rendered = (event: GenerationEvent): string => {
    if ("choice" in event && !choices.has(event.choice)) choices.set(event.choice, false);
    if (event.type === "text-delta" || event.type === "refusal-delta") {
      return event.text === "" ? "" : chunk(event.choice, event.text, {});
    }
    if (event.type === "reasoning-delta") {
      const reasoning = event.detail.text ?? event.detail.summary ?? "";
      return head.excludeReasoning || reasoning === "" ? "" : chunk(event.choice, "", { reasoning });
    }
    if (event.type === "logprobs") return chunk(event.choice, "", { logprobs: legacyLogprobs(event.logprobs) });
    // Calls and pictures were not asked for; usage comes with the tail, a failure with `fail`.
    return event.type === "finish" ? finish(event.choice, event.reason, event.nativeReason) : "";
  };
  const tailMembers = (tail: AnswerTail): string => {
    const metadata = tail.metadata === null ? "" : `,"openrouter_metadata":${JSON.stringify(tail.metadata)}`;
    return `"usage":${JSON.stringify(usageJson(tail))}${metadata}}\n\n`;
  };
  return {
    render(events) {
      let out = "";
      for (const event of oneByOne(events)) out += rendered(event);
      return out;
    },
    end(tail) {
      if (choices.size === 0) choices.set(0, false);
      const { reason, nativeReason } = tail.cut ?? { reason: "stop" as const, nativeReason: null };
      let out = "";
      for (const choice of choices.keys()) out += finish(choice, reason, nativeReason);
      return `${out}${begin}"choices":[],${tailMembers(tail)}${sseData("[DONE]")}`;
    },
    fail(face, tail) {
      const choice = `{"index":0,"text":"","finish_reason":"error","native_finish_reason":null}`;
      return `${begin}"error":${JSON.stringify(errorJson(face))},"choices":[${choice}],${tailMembers(tail)}`;
    },
  };
}
