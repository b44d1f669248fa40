/**
 * POST /messages: the same answers to clients of Anthropic's Messages API; and POST /messages/count_tokens, our estimate of
 * what a body's prompt counts: no model is asked, nothing is charged.
 */
import type { Hono } from "hono";
import * as z from "zod";
import { routerNameOf } from "../../catalog/router-names.ts";
import { estimatePromptTokens } from "../../core/estimate.ts";
import { CountBody, MessagesBody } from "../../dialects/anthropic-messages-schema.ts";
import { anthropicMessages } from "../../dialects/anthropic-messages.ts";
import { answer } from "../answer.ts";
import { billable, billableHeaders, type BillableRequest } from "../billable.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import { deskOf, gateAnswer, PRIVATE } from "../middleware/identify.ts";
import { asFilled } from "../named-preset.ts";
import type { Operation } from "../operation.ts";

const MessageReply = z.looseObject({
  id: z.string().describe("The generation's id"),
  type: z.literal("message"),
  role: z.literal("assistant"),
  model: z.string(),
  provider: z.string(),
  content: z.array(z.looseObject({ type: z.string() })),
  stop_reason: z.string().nullable(),
  stop_sequence: z.string().nullable(),
  usage: z.looseObject({
    input_tokens: z.int(),
    output_tokens: z.int(),
    cost: z.number().describe("USD charged"),
  }),
});

const versionHeaders = z.object({
  "anthropic-version": z.string().optional().describe("2023-06-01 or 2026-10-21"),
  "anthropic-beta": z.string().optional().describe("Trial features, by commas; those that are passed on are few"),
});

export const messagesOperations: readonly Operation[] = [
  {
    id: "createMessage",
    method: "post",
    path: "/messages",
    summary: "Answer a conversation in the Messages format",
    auth: "inference",
    headers: billableHeaders.extend(versionHeaders.shape),
    request: MessagesBody,
    responses: {
      200: {
        description: "The answer; with `stream`, server-sent events that end with `message_stop`",
        body: MessageReply,
      },
    },
  },
  {
    id: "countMessageTokens",
    method: "post",
    path: "/messages/count_tokens",
    summary: "Estimate the prompt tokens of a body in the Messages format, free of charge",
    auth: "inference",
    headers: versionHeaders,
    request: CountBody,
    responses: { 200: { description: "The estimate", body: z.looseObject({ input_tokens: z.int() }) } },
  },
];

export function registerMessages(app: Hono<AppEnv>): void {
  app.post("/messages", named(billable((context, billed) => answer(anthropicMessages, context, billed))));
  app.post("/messages/count_tokens", named(billable(countTokens)));
}

/** Clients of this API look for a request's id under another name. */
function named(work: (context: AppContext) => Promise<Response>): (context: AppContext) => Promise<Response> {
  return async function answerNamed(context) {
    const response = await work(context);
    response.headers.set("request-id", context.get("requestId"));
    return response;
  };
}

async function countTokens(context: AppContext, { body, caller, attachments }: BillableRequest): Promise<Response> {
  const read = anthropicMessages.parse(body, { header: (name) => context.req.header(name) ?? null });
  const parsed = read.ok ? await asFilled(context, caller.account, read.value) : read;
  if (!parsed.ok) return fail(context, parsed.error);
  const identity = await gateAnswer(deskOf(context, caller).identify(caller.keyHash));
  if (!identity.ok) return fail(context, identity.error);
  if (identity.value.key.kind === "management") {
    return fail(context, {
      kind: "forbidden",
      message: "A management key can't be used for inference. Use an API key.",
    });
  }
  for (const name of parsed.value.models) {
    if (routerNameOf(name) !== null) continue;
    const found = await context.get("deps").router.resolve(name);
    if (!found.ok) return fail(context, found.error);
  }
  return json({ input_tokens: estimatePromptTokens(parsed.value.request, attachments) }, 200, PRIVATE);
}
