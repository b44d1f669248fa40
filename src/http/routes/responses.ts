/** POST /responses: the same answers to clients of OpenAI's Responses API. */
import type { Hono } from "hono";
import * as z from "zod";
import { ResponsesBody } from "../../dialects/openai-responses-schema.ts";
import { openAiResponses } from "../../dialects/openai-responses.ts";
import { answer } from "../answer.ts";
import { billable, billableHeaders } from "../billable.ts";
import type { AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";

const ResponsesReply = z.looseObject({
  id: z.string().describe("The generation's id"),
  object: z.literal("response"),
  created_at: z.int(),
  completed_at: z.int().nullable(),
  status: z.enum(["in_progress", "completed", "incomplete", "failed"]),
  model: z.string(),
  provider: z.string(),
  output: z.array(z.looseObject({ type: z.string(), id: z.string() })),
  error: z.looseObject({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.looseObject({ reason: z.string() }).nullable(),
  usage: z
    .looseObject({
      input_tokens: z.int(),
      output_tokens: z.int(),
      total_tokens: z.int(),
      cost: z.number().describe("USD charged"),
    })
    .optional()
    .describe("Not there while the answer runs"),
});

export const responsesOperation: Operation = {
  id: "createResponse",
  method: "post",
  path: "/responses",
  summary: "Answer a conversation in the Responses format; nothing is stored",
  auth: "inference",
  headers: billableHeaders,
  request: ResponsesBody,
  responses: {
    200: { description: "The answer; with `stream`, server-sent events that end with `[DONE]`", body: ResponsesReply },
  },
};

export function registerResponses(app: Hono<AppEnv>): void {
  app.post(
    "/responses",
    billable((context, billed) => answer(openAiResponses, context, billed)),
  );
}
