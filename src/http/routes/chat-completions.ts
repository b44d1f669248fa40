/** POST /chat/completions: the main job. */
import type { Hono } from "hono";
import * as z from "zod";
import { asRequestId, placeOfAccount } from "../../core/ids.ts";
import { ChatBody } from "../../dialects/openai-chat-schema.ts";
import { openAiChat } from "../../dialects/openai-chat.ts";
import { generate } from "../../router/generate.ts";
import type { Asker } from "../../router/settlement.ts";
import { billable, billableHeaders, type BillableRequest } from "../billable.ts";
import { fail, type AppContext, type AppEnv } from "../context.ts";
import { faceOfFailure } from "../error-exhausted.ts";
import type { Operation } from "../operation.ts";
import { faceOf } from "../respond.ts";

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

/** Longest value of a header that is kept with a generation. */
const HEADER_CHARS_MAX = 256;

export function registerChatCompletions(app: Hono<AppEnv>): void {
  app.post("/chat/completions", billable(chatCompletions));
}

async function chatCompletions(context: AppContext, billed: BillableRequest): Promise<Response> {
  const { deps, wide } = context.var;
  const parsed = openAiChat.parse(billed.body);
  if (!parsed.ok) return fail(context, parsed.error);
  const { user } = parsed.value.request;
  // The body wins over the header. Both name the conversation to routing and to the record.
  const sessionId = parsed.value.sessionId ?? shortHeader(context, "x-session-id");
  const asker = askerOf(context, billed, sessionId, user ?? null);
  wide.set({ generation_id: asker.generationId });
  const generated = await generate(
    {
      dialect: openAiChat,
      parsed: { ...parsed.value, sessionId },
      asker,
      home: placeOfAccount(asker.account)?.home ?? "gl",
      place: context.var.place,
      userHash: user === undefined ? null : await hashOf(`${asker.account}\n${user}`),
      wantsMetadata: wantsMetadata(context),
      refusesClamp: context.req.header("x-waypost-no-clamp") === "1",
      signal: context.req.raw.signal,
      wide,
      copy: billed.copy,
      faceOf,
      faceOfFailure,
    },
    deps.router,
  );
  switch (generated.kind) {
    case "refused": {
      const response = fail(context, generated.error, generated.metadata);
      response.headers.set("X-Generation-Id", asker.generationId);
      return response;
    }
    case "reply":
      return new Response(JSON.stringify(generated.body), {
        headers: { "Content-Type": "application/json", ...generated.headers },
      });
    case "stream":
      context.set("isStreaming", true);
      return new Response(generated.body, { headers: generated.headers });
    default:
      return generated satisfies never;
  }
}

function askerOf(
  context: AppContext,
  { caller, generationId }: BillableRequest,
  sessionId: string | null,
  user: string | null,
): Asker {
  const { place, receivedAtMs, requestId } = context.var;
  const header = (name: string): string | null => shortHeader(context, name);
  return {
    account: caller.account,
    keyHash: caller.keyHash,
    requestId: asRequestId(requestId),
    generationId,
    receivedAtMs,
    httpReferer: header("http-referer") ?? header("referer"),
    appTitle: header("x-openrouter-title") ?? header("x-title"),
    origin: header("origin"),
    userAgent: header("user-agent"),
    externalUser: user?.slice(0, HEADER_CHARS_MAX) ?? null,
    sessionId,
    clientPlace: place?.colo ?? null,
  };
}

function shortHeader(context: AppContext, name: string): string | null {
  return context.req.header(name)?.slice(0, HEADER_CHARS_MAX) ?? null;
}

function wantsMetadata(context: AppContext): boolean {
  const asked = context.req.header("x-openrouter-metadata") ?? context.req.header("x-openrouter-experimental-metadata");
  return asked === "enabled";
}

async function hashOf(text: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
