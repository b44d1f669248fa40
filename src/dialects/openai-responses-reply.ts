/**
 * A response object: whole as a buffered answer, and at each turn of a stream; usage, and errors before and within an
 * answer. Money is a JSON number of US dollars, exact to the nano-dollar; `estimated` and `native_finish_reason` are ours.
 *
 * | ends because | status | incomplete_details.reason |
 * |---|---|---|
 * | stop, tool_calls | completed | - |
 * | length | incomplete | max_output_tokens |
 * | content_filter | incomplete | content_filter |
 * | error | failed | - |
 *
 * An error that breaks an answer is `response.failed`; one about the length of what was asked or said is an incomplete
 * response, as OpenRouter has it (https://openrouter.ai/docs/api/reference/errors-and-debugging, stored copy read
 * 2026-11-21). Shape: OpenResponsesResult of OpenRouter's OpenAPI file 1.0.0.
 */
import type { ErrorType } from "../core/error.ts";
import type { Collected, FinishReason } from "../core/event.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { usdNumber } from "../core/money.ts";
import { completionTokens, promptTokens } from "../core/usage.ts";
import type { AnswerHead, AnswerTail, ErrorContext, ErrorFace } from "./dialect.ts";
import { errorTypeOf } from "./error-type.ts";
import { renderOpenAiChatError } from "./openai-chat-reply.ts";
import { createOutput } from "./openai-responses-output.ts";

/** How a response stands or ends. */
export interface Outcome {
  readonly status: "in_progress" | "completed" | "incomplete" | "failed";
  readonly incomplete: "max_output_tokens" | "content_filter" | null;
  readonly nativeReason: string | null;
}

const OUTCOME: Readonly<Record<FinishReason, Omit<Outcome, "nativeReason">>> = {
  stop: { status: "completed", incomplete: null },
  tool_calls: { status: "completed", incomplete: null },
  length: { status: "incomplete", incomplete: "max_output_tokens" },
  content_filter: { status: "incomplete", incomplete: "content_filter" },
  error: { status: "failed", incomplete: null },
};

/** The outcome of a finish. */
export function outcomeOf(reason: FinishReason, nativeReason: string | null): Outcome {
  return { ...OUTCOME[reason], nativeReason };
}

const TOO_LONG: ReadonlySet<ErrorType> = new Set<ErrorType>([
  "context_length_exceeded",
  "max_tokens_exceeded",
  "token_limit_exceeded",
  "string_too_long",
]);

/** The outcome of an answer that broke. */
export function outcomeOfFault(face: ErrorFace): Outcome {
  const type = errorTypeOf(face);
  return TOO_LONG.has(type) ? outcomeOf("length", type) : outcomeOf("error", null);
}

/** Codes of `error` in a failed response; what is not listed is a `server_error`. */
const CODE: Readonly<Partial<Record<ErrorType, string>>> = {
  rate_limit_exceeded: "rate_limit_exceeded",
  invalid_request: "invalid_prompt",
  invalid_prompt: "invalid_prompt",
  content_policy_violation: "image_content_policy_violation",
  invalid_image: "invalid_image",
  image_too_large: "image_too_large",
  image_too_small: "image_too_small",
  unsupported_image_format: "unsupported_image_media_type",
  image_download_failed: "failed_to_download_image",
  image_not_found: "image_file_not_found",
};

/** `tail` is null as long as the answer runs, `fault` where it broke. */
export function responseJson(
  head: AnswerHead,
  outcome: Outcome,
  output: readonly JsonObject[],
  tail: AnswerTail | null,
  fault: ErrorFace | null,
  serviceTier: string | null,
): JsonObject {
  const { status, incomplete, nativeReason } = outcome;
  const hasFailed = status === "failed";
  return {
    id: head.id,
    object: "response",
    created_at: head.createdS,
    completed_at: status === "completed" && tail !== null ? tail.endedS : null,
    status,
    error: hasFailed ? failureJson(fault) : null,
    ...(hasFailed && fault !== null ? { error_type: errorTypeOf(fault) } : {}),
    incomplete_details: incomplete === null ? null : { reason: incomplete },
    model: head.model,
    provider: head.provider,
    output,
    output_text: output.map(textOf).join(""),
    ...head.echo,
    service_tier: serviceTier,
    native_finish_reason: nativeReason,
    ...(tail === null ? {} : { usage: responseUsageJson(tail) }),
    ...(tail === null || tail.metadata === null ? {} : { openrouter_metadata: tail.metadata }),
  };
}

/** The body of a buffered answer. */
export function renderOpenAiResponsesReply(
  head: AnswerHead,
  answer: Collected,
  tail: AnswerTail,
  fault: ErrorFace | null,
): JsonObject {
  const output = createOutput(head.id, head.excludeReasoning, () => undefined);
  for (const event of answer.events) output.take(event);
  const choice = answer.choices.find(({ index }) => index === 0);
  const outcome =
    fault === null
      ? outcomeOf(choice?.finishReason ?? "stop", choice?.nativeFinishReason ?? null)
      : outcomeOfFault(fault);
  output.close(outcome.status === "completed" ? "completed" : "incomplete");
  return responseJson(head, outcome, output.items(), tail, fault, answer.serviceTier);
}

/** The body of an error before anything was sent: the usual one, with its type at the top, where this API has it. */
export function renderOpenAiResponsesError(face: ErrorFace, context: Pick<ErrorContext, "metadata">): JsonObject {
  return { ...renderOpenAiChatError(face, context), error_type: errorTypeOf(face) };
}

function failureJson(fault: ErrorFace | null): JsonObject {
  if (fault === null) return { code: "server_error", message: "The provider ended the answer with an error." };
  return { code: CODE[errorTypeOf(fault)] ?? "server_error", message: fault.message };
}

function textOf(item: JsonObject): string {
  const content: readonly Json[] = Array.isArray(item["content"]) && item["type"] === "message" ? item["content"] : [];
  return content.map((part) => ((part as JsonObject)["text"] ?? "") as string).join(""); // parts of our own making
}

function responseUsageJson(tail: AnswerTail): JsonObject {
  const { usage } = tail;
  const input = promptTokens(usage);
  const output = completionTokens(usage);
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: usage.cacheRead,
      cache_write_tokens: usage.cacheWrite + usage.cacheWrite1h,
      audio_tokens: usage.inputAudio,
    },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.outputReasoning, image_tokens: usage.outputImage },
    total_tokens: input + output,
    cost: usdNumber(tail.costNusd),
    is_byok: tail.isByok,
    cost_details: {
      upstream_inference_cost: usdNumber(tail.upstreamCostNusd),
      upstream_inference_input_cost: usdNumber(tail.upstreamPromptCostNusd),
      upstream_inference_output_cost: usdNumber(tail.upstreamCompletionCostNusd),
    },
    ...(usage.webSearches === 0 ? {} : { server_tool_use_details: { web_search_requests: usage.webSearches } }),
    ...(tail.isEstimated ? { estimated: true } : {}),
  };
}
