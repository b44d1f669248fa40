/** POST /completions: the older form of the main job, for clients that have not moved on. */
import type { Hono } from "hono";
import * as z from "zod";
import { completions } from "../../dialects/completions.ts";
import { ChatBody } from "../../dialects/openai-chat-schema.ts";
import { answer } from "../answer.ts";
import { billable, billableHeaders } from "../billable.ts";
import type { AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";

const CompletionBody = ChatBody.omit({
  messages: true,
  tools: true,
  tool_choice: true,
  modalities: true,
  logprobs: true,
}).extend({
  prompt: z.union([z.string(), z.array(z.string()).length(1)]).describe("Sent as one message of the user's"),
  logprobs: z.int().min(0).max(20).nullish(),
});

const CompletionReply = z.looseObject({
  id: z.string().describe("The generation's id"),
  object: z.literal("text_completion"),
  created: z.int(),
  model: z.string(),
  choices: z.array(z.looseObject({ index: z.int(), text: z.string(), finish_reason: z.string().nullable() })),
  usage: z.looseObject({
    prompt_tokens: z.int(),
    completion_tokens: z.int(),
    total_tokens: z.int(),
    cost: z.number().describe("USD charged"),
  }),
});

export const completionsOperation: Operation = {
  id: "createCompletion",
  method: "post",
  path: "/completions",
  summary: "Continue a text (legacy)",
  auth: "inference",
  headers: billableHeaders,
  request: CompletionBody,
  responses: {
    200: { description: "The answer; with `stream`, server-sent events of `text_completion`", body: CompletionReply },
  },
};

export function registerCompletions(app: Hono<AppEnv>): void {
  app.post(
    "/completions",
    billable((context, billed) => answer(completions, context, billed)),
  );
}
