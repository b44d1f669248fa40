/**
 * The adapter for OpenAI's Responses API (`POST {base}/responses`, base ending in /v1), without its store: every request
 * carries the whole conversation, `store: false`, and asks for reasoning in encrypted form, so that it can come back.
 * The parts: -encode and -input say a request, -decode and -items read an answer, -quirks are what providers of the format
 * do differently. Errors, and tasks that are no conversation, are those of the OpenAI-compatible family.
 * Source of the wire format: https://platform.openai.com/docs/api-reference/responses (accessed 2026-11-21).
 */
import type { Adapter, Target, TaskCodec } from "./adapter.ts";
import { resolvedTarget } from "./openai-credential.ts";
import { classifyOpenAiFailure } from "./openai-failure.ts";
import { createResponsesDecoder, decodeResponsesReply } from "./openai-responses-decode.ts";
import { encodeResponses } from "./openai-responses-encode.ts";
import { familyQuirks, readingResponsesQuirks, responsesQuirkFaults } from "./openai-responses-quirks.ts";
import { openAiTasks } from "./openai-tasks.ts";

export const openAiResponses: Adapter = {
  name: "openai-responses",
  quirkFaults: responsesQuirkFaults,
  inlineBytesMax(kind, _url, { quirks }) {
    const { inline_media: kinds, inline_bytes_max: bytes } = readingResponsesQuirks(quirks);
    return kinds.includes(kind) ? bytes : null;
  },
  encode: encodeResponses,
  createDecoder: (_request, target) => createResponsesDecoder(bareTarget(target)),
  decodeReply: (body, _request, target) => decodeResponsesReply(body, bareTarget(target)),
  tasks: {
    embeddings: inFamily(openAiTasks.embeddings),
    rerank: inFamily(openAiTasks.rerank),
    moderation: inFamily(openAiTasks.moderation),
  },
  classifyFailure: (response, target, nowMs) => classifyOpenAiFailure(response, familyTarget(target), nowMs),
};

/** The target with the secret alone as its credential, as it went out. */
function bareTarget(target: Target): Target {
  const resolved = resolvedTarget(target, readingResponsesQuirks(target.quirks));
  return resolved.ok ? resolved.value : target;
}

function familyTarget(target: Target): Target {
  return { ...target, quirks: familyQuirks(target.quirks) };
}

function inFamily(codec: TaskCodec): TaskCodec {
  return {
    encode: (request, target) => codec.encode(request, familyTarget(target)),
    decodeReply: (body, request, target) => codec.decodeReply(body, request, familyTarget(target)),
  };
}
