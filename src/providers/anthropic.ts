/**
 * The adapter for Anthropic's Messages API (`POST {base}/messages`, base ending in /v1).
 * The parts: -encode, -messages and -thinking say a request, -decode and -usage read an answer, -failure knows the errors.
 */
import type { Adapter } from "./adapter.ts";
import { createAnthropicDecoder, decodeAnthropicReply } from "./anthropic-decode.ts";
import { encodeAnthropic } from "./anthropic-encode.ts";
import { classifyAnthropicFailure } from "./anthropic-failure.ts";
import { everyQuirkIsFault } from "./no-quirks.ts";

export const anthropic: Adapter = {
  name: "anthropic",
  quirkFaults: everyQuirkIsFault,
  encode: encodeAnthropic,
  createDecoder: createAnthropicDecoder,
  decodeReply: decodeAnthropicReply,
  classifyFailure: classifyAnthropicFailure,
};
