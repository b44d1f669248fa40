/**
 * The adapter for Gemini's `generateContent` and `streamGenerateContent` (base ending in /v1beta).
 * The parts: -encode, -contents and -thinking say a request, -decode and -usage read an answer, -failure knows the errors.
 */
import type { Adapter } from "./adapter.ts";
import { createGeminiDecoder, decodeGeminiReply } from "./gemini-decode.ts";
import { encodeGemini } from "./gemini-encode.ts";
import { classifyGeminiFailure } from "./gemini-failure.ts";
import { geminiTasks } from "./gemini-tasks.ts";
import { GEMINI_FORMAT } from "./gemini-contents.ts";
import { everyQuirkIsFault } from "./no-quirks.ts";

export const gemini: Adapter = {
  name: "gemini",
  nativeFormat: GEMINI_FORMAT,
  quirkFaults: everyQuirkIsFault,
  encode: encodeGemini,
  createDecoder: createGeminiDecoder,
  decodeReply: decodeGeminiReply,
  classifyFailure: classifyGeminiFailure,
  tasks: geminiTasks,
};
