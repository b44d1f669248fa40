/**
 * OpenAI's Responses API as OpenRouter speaks it, without its store: what clients of `POST /responses` say and hear.
 * The parts: schema (shape and limits), parse (body to request), input (items to messages), reasoning (both ways), output
 * (events to items), reply (the response object, usage, errors), render (streams).
 */
import { EVENT_STREAM, type Dialect } from "./dialect.ts";
import { parseOpenAiResponses } from "./openai-responses-parse.ts";
import { createOpenAiResponsesRenderer } from "./openai-responses-render.ts";
import { renderOpenAiResponsesError, renderOpenAiResponsesReply } from "./openai-responses-reply.ts";

export const openAiResponses = {
  name: "openai-responses",
  parse: parseOpenAiResponses,
  createStreamRenderer: createOpenAiResponsesRenderer,
  renderReply: renderOpenAiResponsesReply,
  renderError: renderOpenAiResponsesError,
  ...EVENT_STREAM,
  keepAlive: ": WAYPOST PROCESSING\n\n",
} satisfies Dialect;
