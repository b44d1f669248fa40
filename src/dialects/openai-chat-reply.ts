/**
 * A whole answer as an OpenAI chat completion, and the pieces that streams use as well: usage, reasoning entries, the
 * error object. Optional members that schemas do not allow to be null are left out when there is nothing to say.
 * Money is a JSON number of US dollars, exact to the nano-dollar. Shape: ChatResult and ChatUsage of @openrouter/sdk
 * 1.3.19, whose schemas the tests hold every reply against; `estimated` is ours.
 */
import type { ReasoningDetail } from "../core/chat.ts";
import type { Collected, CollectedChoice } from "../core/event.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { usdNumber } from "../core/money.ts";
import { cachedTokens, completionTokens, promptTokens } from "../core/usage.ts";
import type { AnswerHead, AnswerTail, ErrorContext, ErrorFace } from "./dialect.ts";

const NO_CHOICE: CollectedChoice = {
  index: 0,
  text: "",
  refusal: "",
  reasoning: [],
  toolCalls: [],
  images: [],
  audio: null,
  annotations: [],
  logprobs: null,
  finishReason: null,
  nativeFinishReason: null,
};

/** The body of a buffered answer. A `fault` ends every choice of it. */
export function renderOpenAiChatReply(
  head: AnswerHead,
  answer: Collected,
  tail: AnswerTail,
  fault: ErrorFace | null,
): JsonObject {
  const choices = answer.choices.length === 0 ? [NO_CHOICE] : answer.choices;
  return {
    id: head.id,
    object: "chat.completion",
    created: head.createdS,
    model: head.model,
    provider: head.provider,
    system_fingerprint: answer.systemFingerprint,
    service_tier: answer.serviceTier,
    choices: choices.map((choice) => choiceJson(choice, head.excludeReasoning, fault)),
    usage: usageJson(tail),
    ...(tail.metadata === null ? {} : { openrouter_metadata: tail.metadata }),
  };
}

/** Counts and money of an answer. */
export function usageJson(tail: AnswerTail): JsonObject {
  const { usage } = tail;
  const prompt = promptTokens(usage);
  const completion = completionTokens(usage);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    cost: usdNumber(tail.costNusd),
    is_byok: tail.isByok,
    prompt_tokens_details: {
      cached_tokens: cachedTokens(usage),
      cache_write_tokens: usage.cacheWrite + usage.cacheWrite1h,
      audio_tokens: usage.inputAudio,
      video_tokens: 0,
    },
    completion_tokens_details: {
      reasoning_tokens: usage.outputReasoning,
      audio_tokens: usage.outputAudio,
      image_tokens: usage.outputImage,
    },
    cost_details: {
      upstream_inference_cost: usdNumber(tail.upstreamCostNusd),
      upstream_inference_prompt_cost: usdNumber(tail.upstreamPromptCostNusd),
      upstream_inference_completions_cost: usdNumber(tail.upstreamCompletionCostNusd),
    },
    ...(usage.webSearches === 0 ? {} : { server_tool_use_details: { web_search_requests: usage.webSearches } }),
    ...(tail.isEstimated ? { estimated: true } : {}),
  };
}

/** One reasoning entry with what it has, in a fixed order; the member that makes its type is always there. */
export function detailJson(detail: ReasoningDetail): JsonObject {
  const entry: Record<string, Json> = { type: detail.type };
  if (detail.type === "reasoning.summary") entry["summary"] = detail.summary ?? "";
  if (detail.type === "reasoning.encrypted") entry["data"] = detail.data ?? "";
  if (detail.type === "reasoning.text" && detail.text !== undefined) entry["text"] = detail.text;
  if (detail.signature !== undefined) entry["signature"] = detail.signature;
  if (detail.id !== undefined) entry["id"] = detail.id;
  if (detail.format !== undefined) entry["format"] = detail.format;
  if (detail.index !== undefined) entry["index"] = detail.index;
  return entry;
}

/** The body of an error. One with `availability` says its type and status beside it as well. */
export function renderOpenAiChatError(face: ErrorFace, { metadata }: Pick<ErrorContext, "metadata">): JsonObject {
  const { status: code, message, availability } = face;
  const named =
    availability === null
      ? {}
      : { error_type: face.metadata["error_type"] ?? "unmapped", http_status: code, availability };
  const error: JsonObject = { code, message, metadata: face.metadata, ...named };
  return metadata === null ? { error } : { error, openrouter_metadata: metadata };
}

/** The `error` object of an answer, in a body and in a stream alike. */
export function errorJson(face: ErrorFace): JsonObject {
  const { status: code, message, metadata, availability } = face;
  return { code, message, metadata, ...(availability === null ? {} : { availability }) };
}

function choiceJson(choice: CollectedChoice, excludeReasoning: boolean, fault: ErrorFace | null): JsonObject {
  return {
    index: choice.index,
    finish_reason: fault === null ? (choice.finishReason ?? "stop") : "error",
    native_finish_reason: choice.nativeFinishReason,
    logprobs: choice.logprobs,
    message: messageJson(choice, excludeReasoning),
    ...(fault === null ? {} : { error: errorJson(fault) }),
  };
}

function messageJson(choice: CollectedChoice, excludeReasoning: boolean): JsonObject {
  const reasoning = excludeReasoning ? [] : choice.reasoning;
  const reasoningText = reasoning.map((detail) => detail.text ?? detail.summary ?? "").join("");
  const hasElse = choice.toolCalls.length > 0 || choice.refusal !== "";
  return {
    role: "assistant",
    content: choice.text === "" && hasElse ? null : choice.text,
    refusal: choice.refusal === "" ? null : choice.refusal,
    reasoning: reasoningText === "" ? null : reasoningText,
    ...(reasoning.length === 0 ? {} : { reasoning_details: reasoning.map(detailJson) }),
    ...(choice.toolCalls.length === 0
      ? {}
      : {
          tool_calls: choice.toolCalls.map(({ id, name, input }) => ({
            id,
            type: "function",
            function: { name, arguments: input === "" ? "{}" : input },
          })),
        }),
    ...(choice.images.length === 0
      ? {}
      : { images: choice.images.map((url) => ({ type: "image_url", image_url: { url } })) }),
    ...(choice.audio === null ? {} : { audio: choice.audio }),
    ...(choice.annotations.length === 0 ? {} : { annotations: choice.annotations }),
  };
}
