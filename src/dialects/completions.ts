/** The legacy text completions: what clients of `POST /completions` say and hear. Parts: parse, render. */
import { createCompletionsRenderer, renderCompletionsReply } from "./completions-render.ts";
import { parseCompletions } from "./completions-parse.ts";
import { EVENT_STREAM, type Dialect } from "./dialect.ts";
import { openAiChat } from "./openai-chat.ts";
import { renderOpenAiChatError } from "./openai-chat-reply.ts";

export const completions = {
  name: "completions",
  parse: parseCompletions,
  createStreamRenderer: createCompletionsRenderer,
  renderReply: renderCompletionsReply,
  renderError: renderOpenAiChatError,
  ...EVENT_STREAM,
  keepAlive: openAiChat.keepAlive,
} satisfies Dialect;
