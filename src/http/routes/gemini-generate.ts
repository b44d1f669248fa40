/**
 * POST /models/{model}:generateContent, :streamGenerateContent, :countTokens, :embedContent and :batchEmbedContents:
 * Gemini's own paths, also under /v1beta.
 * The model stands in the path, encoded or as it is (`author/slug`), and the method behind its last colon.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { routerNameOf } from "../../catalog/router-names.ts";
import { estimatePromptTokens } from "../../core/estimate.ts";
import { isObject } from "../../core/json.ts";
import { gemini, geminiArray } from "../../dialects/gemini.ts";
import { geminiEmbed, geminiEmbedBatch } from "../../dialects/gemini-embed.ts";
import { GeminiBody } from "../../dialects/gemini-schema.ts";
import { answer } from "../answer.ts";
import { billable, billableHeaders, type BillableRequest } from "../billable.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { asFilled } from "../named-preset.ts";
import type { Operation } from "../operation.ts";

const GeminiReply = z.looseObject({
  candidates: z.array(
    z.looseObject({
      index: z.int(),
      finishReason: z.string(),
      content: z.looseObject({ role: z.literal("model"), parts: z.array(z.looseObject({})) }),
    }),
  ),
  usageMetadata: z.looseObject({
    promptTokenCount: z.int(),
    candidatesTokenCount: z.int(),
    totalTokenCount: z.int(),
    cost: z.number().describe("USD charged"),
  }),
  modelVersion: z.string(),
  responseId: z.string().describe("The generation's id"),
});

export const geminiOperation: Operation = {
  id: "generateContent",
  method: "post",
  path: "/models/{call}",
  pathParts: {
    call: "A model and what is wanted of it: `author/slug:generateContent`, `:streamGenerateContent`, `:countTokens`, `:embedContent` or `:batchEmbedContents`",
  },
  summary: "Answer or embed contents in Gemini's format",
  auth: "inference",
  headers: billableHeaders,
  query: z.object({
    alt: z.literal("sse").optional().describe("A stream of server-sent events, not of one JSON array"),
  }),
  request: GeminiBody,
  responses: { 200: { description: "The answer, or a stream of such, or a count of tokens", body: GeminiReply } },
};

export function registerGeminiGenerate(app: Hono<AppEnv>): void {
  app.post(
    "/models/:call{.+}",
    billable((context, billed) => {
      const { model, method } = callOf(context);
      switch (method) {
        case "generateContent":
          return answer(gemini, context, billed, { model, stream: false });
        case "streamGenerateContent":
          return answer(context.req.query("alt") === "sse" ? gemini : geminiArray, context, billed, {
            model,
            stream: true,
          });
        case "countTokens":
          return countTokens(context, billed, model);
        case "embedContent":
          return answer(geminiEmbed, context, billed, { model, stream: false });
        case "batchEmbedContents":
          return answer(geminiEmbedBatch, context, billed, { model, stream: false });
        default:
          return Promise.resolve(
            fail(context, { kind: "not_found", message: `There is no method ${method.slice(0, 64)} of models here` }),
          );
      }
    }),
  );
}

/** The name before the last colon, which may hold colons of its own (`:free`), and the method behind it. */
function callOf(context: AppContext): { readonly model: string; readonly method: string } {
  const call = context.req.param("call") ?? "";
  const colon = call.lastIndexOf(":");
  return { model: call.slice(0, Math.max(0, colon)), method: call.slice(colon + 1) };
}

/** Counts what would be sent; free. Our own count, as before a request, on the high side. */
async function countTokens(context: AppContext, billed: BillableRequest, model: string): Promise<Response> {
  const body = isObject(billed.body) ? (billed.body["generateContentRequest"] ?? billed.body) : billed.body;
  const header = (name: string): string | null => context.req.header(name) ?? null;
  const read = gemini.parse(body, { model, header });
  const parsed = read.ok ? await asFilled(context, billed.caller.account, read.value) : read;
  if (!parsed.ok) return fail(context, parsed.error);
  const [name = ""] = parsed.value.models;
  if (routerNameOf(name) === null) {
    const resolved = await context.get("deps").router.resolve(name);
    if (!resolved.ok) return fail(context, resolved.error);
  }
  const totalTokens = estimatePromptTokens(parsed.value.request, billed.attachments);
  return json({ totalTokens, promptTokensDetails: [{ modality: "TEXT", tokenCount: totalTokens }] });
}
