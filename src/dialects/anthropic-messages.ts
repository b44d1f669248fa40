/**
 * Anthropic's Messages API as OpenRouter speaks it: what clients of `POST /messages` say and hear.
 * The parts: schema (shape and limits), parse (body to request), input (blocks to messages), blocks (events to blocks),
 * reply (the message object, usage, errors), render (streams).
 */
import { parseAnthropicMessages } from "./anthropic-messages-parse.ts";
import { createAnthropicRenderer } from "./anthropic-messages-render.ts";
import { renderAnthropicError, renderAnthropicReply } from "./anthropic-messages-reply.ts";
import { EVENT_STREAM, type Dialect } from "./dialect.ts";

export const anthropicMessages = {
  name: "anthropic-messages",
  parse: parseAnthropicMessages,
  createStreamRenderer: createAnthropicRenderer,
  renderReply: renderAnthropicReply,
  renderError: renderAnthropicError,
  ...EVENT_STREAM,
  keepAlive: 'event: ping\ndata: {"type":"ping"}\n\n',
} satisfies Dialect;
