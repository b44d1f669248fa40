/**
 * Gemini's `generateContent` and `streamGenerateContent`: what clients of Google's SDKs say and hear.
 * The parts: schema (shape and limits), parse (body to request), contents, json-schema and reasoning (what they are made
 * of), parts (events to parts), render (streams), reply (buffered answers and errors).
 */
import { EVENT_STREAM, type Dialect } from "./dialect.ts";
import { parseGemini } from "./gemini-parse.ts";
import { AS_ARRAY, AS_EVENTS, createGeminiRenderer } from "./gemini-render.ts";
import { renderGeminiError, renderGeminiReply } from "./gemini-reply.ts";

/** Streams as server-sent events, and answers in one piece. */
export const gemini = {
  name: "gemini",
  parse: parseGemini,
  createStreamRenderer: (head) => createGeminiRenderer(head, AS_EVENTS),
  renderReply: renderGeminiReply,
  renderError: renderGeminiError,
  streamType: EVENT_STREAM.streamType,
  // Several of the API's clients take any line for JSON: only empty lines are safe.
  keepAlive: "\r\n\r\n",
  comment: () => "",
} satisfies Dialect;

/** Streams as one JSON array. */
export const geminiArray = {
  ...gemini,
  name: "gemini-array",
  createStreamRenderer: (head) => createGeminiRenderer(head, AS_ARRAY),
  streamType: "application/json; charset=utf-8",
  keepAlive: "\r\n",
} satisfies Dialect;
