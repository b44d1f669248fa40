/**
 * OpenAI chat completions as OpenRouter speaks them: what clients of `POST /chat/completions` say and hear.
 * The parts: schema (shape and limits), parse (body to request), messages, fault (wording of refusals), render
 * (streams), reply (buffered answers).
 */
import type { Dialect } from "./dialect.ts";
import { parseOpenAiChat } from "./openai-chat-parse.ts";
import { createOpenAiChatRenderer } from "./openai-chat-render.ts";
import { renderOpenAiChatReply } from "./openai-chat-reply.ts";

export const openAiChat: Dialect = {
  name: "openai-chat",
  parse: parseOpenAiChat,
  createStreamRenderer: createOpenAiChatRenderer,
  renderReply: renderOpenAiChatReply,
  keepAlive: ": WAYPOST PROCESSING\n\n",
};
