/**
 * `POST /embeddings`: what clients say and hear. Inputs are a text, tokens, several of either, or things of parts; vectors
 * come as numbers or as base64 of 32-bit floats of little end, whatever the provider gave.
 * Shape: the embeddings operation of OpenRouter's OpenAPI file 1.0.0; limits are OpenAI's
 * (https://platform.openai.com/docs/api-reference/embeddings/create, accessed 2026-11-21).
 */
import * as z from "zod";
import type { Part } from "../core/chat.ts";
import type { Json, JsonObject } from "../core/json.ts";
import { usdNumber } from "../core/money.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { EmbeddingInput, EmbeddingsTask } from "../core/task.ts";
import { promptTokens } from "../core/usage.ts";
import { openBody, refuse, type BadRequest } from "./body.ts";
import type { AnswerHead, AnswerTail, Dialect, ParsedBody } from "./dialect.ts";
import { faultOf } from "./fault.ts";
import { partOf } from "./openai-chat-messages.ts";
import { part as chatPart, type WirePart } from "./openai-chat-schema.ts";
import { INPUTS_MAX, outcomeOf, taskBody, taskDialect, taskFields } from "./task.ts";

const TOKENS_MAX = 65_536;
const PARTS_MAX = 256;
const FLOAT_BYTES = 4;

const tokens = z.array(z.int().min(0).max(10_000_000)).min(1).max(TOKENS_MAX);
const thing = z.looseObject({ content: z.array(chatPart).min(1).max(PARTS_MAX) });

export const EmbeddingsBody = z.looseObject({
  ...taskFields,
  input: z.union([
    z.string().min(1),
    z.array(z.string().min(1)).min(1).max(INPUTS_MAX),
    tokens,
    z.array(tokens).min(1).max(INPUTS_MAX),
    z.array(thing).min(1).max(INPUTS_MAX),
  ]),
  dimensions: z.int().min(1).max(65_536).nullish(),
  encoding_format: z.enum(["float", "base64"]).nullish(),
  input_type: z.string().min(1).max(64).nullish(),
});
const KNOWN: ReadonlySet<string> = new Set(Object.keys(EmbeddingsBody.shape));

/** @returns `bad_request` with the path of the first fault. */
function parseEmbeddings(sent: unknown): Result<ParsedBody, BadRequest> {
  const opened = openBody(sent);
  if (!opened.ok) return opened;
  const body = opened.value;
  if (body["input"] === undefined || body["input"] === null) return refuse("input is required: what to embed", "input");
  const checked = EmbeddingsBody.safeParse(body);
  if (!checked.success) return err(faultOf(checked.error.issues, body));
  const wire = checked.data;
  if ([wire.model, ...(wire.models ?? [])].every((name) => name === null || name === undefined)) {
    return refuse('No models provided: name one in "model", or several in "models"', "model");
  }
  const inputs = inputsOf(wire.input);
  const task: EmbeddingsTask = {
    kind: "embeddings",
    inputs,
    ...(wire.dimensions === null || wire.dimensions === undefined ? {} : { dimensions: wire.dimensions }),
    ...(wire.encoding_format === "base64" ? { wantsBase64: true } : {}),
    ...(wire.input_type === null || wire.input_type === undefined ? {} : { inputType: wire.input_type }),
  };
  const parsed = taskBody(wire, KNOWN, task, inputs.map(partsOf));
  return ok({ ...parsed, echo: { wantsBase64: wire.encoding_format === "base64" } });
}

function inputsOf(input: z.infer<typeof EmbeddingsBody>["input"]): readonly EmbeddingInput[] {
  if (typeof input === "string") return [{ kind: "text", text: input }];
  const [first] = input;
  if (typeof first === "number") return [{ kind: "tokens", tokens: input as readonly number[] }]; // all alike, by the schema
  return input.map((one): EmbeddingInput => {
    if (typeof one === "string") return { kind: "text", text: one };
    if (Array.isArray(one)) return { kind: "tokens", tokens: one };
    const { content } = one as { readonly content: readonly WirePart[] }; // neither text nor tokens, by the schema
    return { kind: "parts", parts: content.map(partOf) };
  });
}

/** What an input is counted by. Tokens stand for themselves: about four characters each. */
function partsOf(input: EmbeddingInput): readonly Part[] {
  if (input.kind === "text") return [{ type: "text", text: input.text }];
  return input.kind === "parts" ? input.parts : [{ type: "text", text: "" }];
}

/** The body of an answer. */
function renderReply(head: AnswerHead, answer: Parameters<Dialect["renderReply"]>[1], tail: AnswerTail): JsonObject {
  const { vectors } = outcomeOf(answer, "embeddings");
  const wantsBase64 = head.echo?.["wantsBase64"] === true;
  return {
    object: "list",
    id: head.id,
    model: head.model,
    provider: head.provider,
    data: vectors.map((vector, index) => ({ object: "embedding", index, embedding: said(vector, wantsBase64) })),
    usage: usageOf(tail),
    ...(tail.metadata === null ? {} : { openrouter_metadata: tail.metadata }),
  };
}

function usageOf(tail: AnswerTail): JsonObject {
  const { usage } = tail;
  const total = promptTokens(usage);
  const kinds = [usage.inputText, usage.inputImage, usage.inputAudio].filter((count) => count > 0).length;
  return {
    prompt_tokens: total,
    total_tokens: total,
    cost: usdNumber(tail.costNusd),
    is_byok: tail.isByok,
    cost_details: {
      upstream_inference_cost: usdNumber(tail.upstreamCostNusd),
      upstream_inference_prompt_cost: usdNumber(tail.upstreamPromptCostNusd),
      upstream_inference_completions_cost: usdNumber(tail.upstreamCompletionCostNusd),
    },
    ...(kinds < 2
      ? {}
      : {
          prompt_tokens_details: Object.fromEntries(
            Object.entries({
              text_tokens: usage.inputText,
              image_tokens: usage.inputImage,
              audio_tokens: usage.inputAudio,
            }).filter(([, count]) => count > 0),
          ),
        }),
    ...(tail.isEstimated ? { estimated: true } : {}),
  };
}

function said(vector: readonly number[] | string, wantsBase64: boolean): Json {
  if (typeof vector === "string") return wantsBase64 ? vector : numbersOf(vector);
  return wantsBase64 ? base64Of(vector) : vector;
}

/** Numbers as base64 of 32-bit floats of little end. */
export function base64Of(numbers: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(numbers.length * FLOAT_BYTES));
  for (const [at, number] of numbers.entries()) view.setFloat32(at * FLOAT_BYTES, number, true);
  let binary = "";
  for (const byte of new Uint8Array(view.buffer)) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** The numbers behind base64; none where it is not that. */
export function numbersOf(base64: string): readonly number[] {
  try {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Array.from({ length: Math.floor(bytes.length / FLOAT_BYTES) }, (_, at) =>
      view.getFloat32(at * FLOAT_BYTES, true),
    );
  } catch {
    return [];
  }
}

export const embeddings = { ...taskDialect, name: "embeddings", parse: parseEmbeddings, renderReply } satisfies Dialect;
