/**
 * The OpenAI-compatible family: one adapter for every provider that speaks `/chat/completions`. How they differ is
 * data (`openai-quirks.ts`); adding one is adding rows to the catalog.
 * Source of the wire format: https://platform.openai.com/docs/api-reference/chat (accessed 2026-11-21).
 */
import type { Adapter } from "./adapter.ts";
import { createOpenAiDecoder, decodeOpenAiReply } from "./openai-decode.ts";
import { encodeOpenAi } from "./openai-encode.ts";
import { classifyOpenAiFailure } from "./openai-failure.ts";
import { openAiQuirkFaults, readingQuirks } from "./openai-quirks.ts";
import { openAiTasks } from "./openai-tasks.ts";

export const openAiCompatible: Adapter = {
  name: "openai-compatible",
  quirkFaults: openAiQuirkFaults,
  inlineBytesMax(kind, _url, { quirks }) {
    const { inline_media: kinds, inline_bytes_max: bytes } = readingQuirks(quirks);
    return kinds.includes(kind) ? bytes : null;
  },
  needsPlainReasoning(quirks) {
    const { reasoning_echo: echo, reasoning_formats: formats } = readingQuirks(quirks);
    return (echo === "reasoning_content" || echo === "reasoning") && formats.includes("unknown");
  },
  encode: encodeOpenAi,
  createDecoder: createOpenAiDecoder,
  decodeReply: decodeOpenAiReply,
  classifyFailure: classifyOpenAiFailure,
  tasks: openAiTasks,
};
