/** POST /chat/completions: the main job. */
import type { Hono } from "hono";
import * as z from "zod";
import { ChatBody } from "../../dialects/openai-chat-schema.ts";
import { openAiChat } from "../../dialects/openai-chat.ts";
import { answer } from "../answer.ts";
import { billable, billableHeaders } from "../billable.ts";
import type { AppEnv } from "../context.ts";
import type { Operation } from "../operation.ts";

const ChatReply = z.looseObject({
  id: z.string().describe("The generation's id"),
  object: z.literal("chat.completion"),
  created: z.int(),
  model: z.string(),
  provider: z.string(),
  choices: z.array(
    z.looseObject({
      index: z.int(),
      finish_reason: z.string().nullable(),
      native_finish_reason: z.string().nullable(),
      message: z.looseObject({ role: z.literal("assistant"), content: z.string().nullable() }),
    }),
  ),
  usage: z.looseObject({
    prompt_tokens: z.int(),
    completion_tokens: z.int(),
    total_tokens: z.int(),
    cost: z.number().describe("USD charged"),
  }),
});

export const chatCompletionsOperation: Operation = {
  id: "createChatCompletion",
  method: "post",
  path: "/chat/completions",
  summary: "Answer a conversation",
  auth: "inference",
  headers: billableHeaders,
  request: ChatBody,
  responses: {
    200: { description: "The answer; with `stream`, server-sent events of `chat.completion.chunk`", body: ChatReply },
  },
};

export function registerChatCompletions(app: Hono<AppEnv>): void {
  app.post(
    "/chat/completions",
    billable((context, billed) => answer(openAiChat, context, billed)),
  );
}
