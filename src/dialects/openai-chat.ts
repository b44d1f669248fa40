/**
 * OpenAI chat completions as OpenRouter speaks them: what clients of `POST /chat/completions` say and hear.
 * The parts: schema (shape and limits), parse (body to request), messages, fault (wording of refusals), render
 * (streams), reply (buffered answers).
 */
import { EVENT_STREAM, type Dialect } from "./dialect.ts";
import { parseOpenAiChat } from "./openai-chat-parse.ts";
import { createOpenAiChatRenderer } from "./openai-chat-render.ts";
import { renderOpenAiChatError, renderOpenAiChatReply } from "./openai-chat-reply.ts";

export const openAiChat = {
  name: "openai-chat",
  parse: parseOpenAiChat,
  createStreamRenderer: createOpenAiChatRenderer,
  renderReply: renderOpenAiChatReply,
  renderError: renderOpenAiChatError,
  ...EVENT_STREAM,
  keepAlive: ": WAYPOST PROCESSING\n\n",
} satisfies Dialect;
