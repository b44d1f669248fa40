/**
 * A message object: whole as a buffered answer, and the pieces that streams use as well: usage, the reason of an end,
 * errors. Money is a JSON number of US dollars, exact to the nano-dollar; `provider`, what `usage` says of cost, and
 * `native_finish_reason` are beyond Anthropic's API. Shape: MessagesResult and AnthropicMessagesErrorResponse of
 * OpenRouter's OpenAPI file 1.0.0; https://platform.claude.com/docs/en/api/errors (accessed 2026-11-21).
 *
 * | finish | stop_reason |
 * |---|---|
 * | stop | end_turn; stop_sequence, pause_turn or compaction where the provider said so |
 * | length | max_tokens; model_context_window_exceeded where the provider said so |
 * | tool_calls | tool_use |
 * | content_filter, or any with a refusal | refusal |
 * | error | null, and an `error` event in a stream |
 */
import type { ErrorType } from "../core/error.ts";
import type { Collected, FinishReason } from "../core/event.ts";
import type { JsonObject } from "../core/json.ts";
import { usdNumber } from "../core/money.ts";
import type { Usage } from "../core/usage.ts";
import { createBlocks } from "./anthropic-messages-blocks.ts";
import type { AnswerHead, AnswerTail, ErrorContext, ErrorFace } from "./dialect.ts";
import { errorTypeOf } from "./error-type.ts";

/** How an answer ended. */
export interface MessageEnd {
  readonly reason: FinishReason;
  readonly nativeReason: string | null;
  readonly stopSequence: string | null;
}

const STOP_REASON: Readonly<Record<FinishReason, string | null>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
  content_filter: "refusal",
  error: null,
};
/** Native reasons that this format has a word for, where they say no less than the reason itself. */
const NATIVE_STOP: Readonly<Partial<Record<FinishReason, ReadonlySet<string>>>> = {
  stop: new Set(["stop_sequence", "pause_turn", "compaction"]),
  length: new Set(["model_context_window_exceeded"]),
};

/** What a message says of its end: at its top in a buffered answer, in `delta` in a stream. */
export function endJson({ reason, nativeReason, stopSequence }: MessageEnd, refusal: string | null): JsonObject {
  const hasNative = nativeReason !== null && NATIVE_STOP[reason]?.has(nativeReason) === true;
  const isRefusal = reason === "content_filter" || refusal !== null;
  const known = stopSequence !== null && reason === "stop" ? "stop_sequence" : STOP_REASON[reason];
  return {
    stop_reason: isRefusal ? "refusal" : hasNative ? nativeReason : known,
    stop_sequence: stopSequence,
    stop_details: isRefusal ? { type: "refusal", category: null, explanation: refusal } : null,
    container: null,
    native_finish_reason: nativeReason,
  };
}

/** The head of a message, with nothing in it yet. */
export function messageJson(head: AnswerHead): JsonObject {
  return { id: head.id, type: "message", role: "assistant", model: head.model, provider: head.provider };
}

/** The body of a buffered answer. What broke it stands in `error`. */
export function renderAnthropicReply(
  head: AnswerHead,
  answer: Collected,
  tail: AnswerTail,
  fault: ErrorFace | null,
): JsonObject {
  const blocks = createBlocks(head.excludeReasoning, () => undefined);
  let stopSequence: string | null = null;
  for (const event of answer.events) {
    if (event.type === "finish" && event.choice === 0) stopSequence = event.stopSequence ?? null;
    blocks.take(event);
  }
  blocks.close();
  const choice = answer.choices.find(({ index }) => index === 0);
  const reason = fault === null ? (choice?.finishReason ?? "stop") : "error";
  const end: MessageEnd = { reason, nativeReason: choice?.nativeFinishReason ?? null, stopSequence };
  return {
    ...messageJson(head),
    content: blocks.blocks(),
    ...endJson(end, fault === null ? blocks.refusal() : null),
    ...(fault === null ? {} : { error: errorJson(fault) }),
    usage: tailUsageJson(tail, answer.serviceTier),
    ...(tail.metadata === null ? {} : { openrouter_metadata: tail.metadata }),
  };
}

/** Counts alone: at the beginning of a stream, where a provider tells them there. */
export function usageJson(usage: Usage, serviceTier: string | null): JsonObject {
  return {
    input_tokens: usage.inputText + usage.inputAudio + usage.inputImage,
    cache_creation_input_tokens: usage.cacheWrite + usage.cacheWrite1h,
    cache_read_input_tokens: usage.cacheRead,
    cache_creation: {
      ephemeral_5m_input_tokens: usage.cacheWrite,
      ephemeral_1h_input_tokens: usage.cacheWrite1h,
    },
    output_tokens: usage.outputText + usage.outputReasoning + usage.outputAudio + usage.outputImage,
    output_tokens_details: { thinking_tokens: usage.outputReasoning },
    server_tool_use: usage.webSearches === 0 ? null : { web_search_requests: usage.webSearches, web_fetch_requests: 0 },
    service_tier: serviceTier === "priority" || serviceTier === "batch" ? serviceTier : "standard",
    inference_geo: null,
  };
}

/** Counts and money of an answer. */
export function tailUsageJson(tail: AnswerTail, serviceTier: string | null): JsonObject {
  return {
    ...usageJson(tail.usage, serviceTier),
    cost: usdNumber(tail.costNusd),
    is_byok: tail.isByok,
    cost_details: {
      upstream_inference_cost: usdNumber(tail.upstreamCostNusd),
      upstream_inference_prompt_cost: usdNumber(tail.upstreamPromptCostNusd),
      upstream_inference_completions_cost: usdNumber(tail.upstreamCompletionCostNusd),
    },
    ...(tail.isEstimated ? { estimated: true } : {}),
  };
}

/** Types of errors; what is not listed is an `invalid_request_error`. */
const TYPE: Readonly<Partial<Record<ErrorType, string>>> = {
  authentication: "authentication_error",
  payment_required: "billing_error",
  permission_denied: "permission_error",
  not_found: "not_found_error",
  image_not_found: "not_found_error",
  rate_limit_exceeded: "rate_limit_error",
  provider_overloaded: "overloaded_error",
  timeout: "timeout_error",
  provider_unavailable: "api_error",
  server: "api_error",
  unmapped: "api_error",
};

/** The `error` object, in a body and in a stream alike. */
export function errorJson(face: ErrorFace): JsonObject {
  const errorType = errorTypeOf(face);
  return {
    type: TYPE[errorType] ?? "invalid_request_error",
    message: face.message,
    error_type: errorType,
    ...(face.availability === null ? {} : { availability: face.availability }),
  };
}

/** The body of an error before anything was sent. `request_id` is the generation's, once there is one. */
export function renderAnthropicError(face: ErrorFace, { generationId, metadata }: ErrorContext): JsonObject {
  return {
    type: "error",
    error: errorJson(face),
    request_id: generationId,
    metadata: face.metadata,
    ...(metadata === null ? {} : { openrouter_metadata: metadata }),
  };
}
