/**
 * The adapter for Amazon Bedrock's Converse and ConverseStream (base: the runtime endpoint of one AWS region).
 * The parts: -names, -encode, -messages, -media and -quirks say a request, -sign proves who sends it, -decode and -usage
 * read an answer, -failure knows the errors.
 */
import type { Adapter } from "./adapter.ts";
import { createBedrockDecoder, decodeBedrockReply } from "./bedrock-decode.ts";
import { encodeBedrock } from "./bedrock-encode.ts";
import { classifyBedrockFailure } from "./bedrock-failure.ts";
import { bedrockQuirkFaults } from "./bedrock-quirks.ts";
import { authorizeBedrock } from "./bedrock-sign.ts";

/**
 * Bytes of the largest media of a request: https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html
 * and, for video in the request itself, its API reference (accessed 2026-11-21).
 */
const MEDIA_BYTES_MAX = { image: 3_750_000, file: 4_500_000, video: 25_000_000 } as const;

export const bedrock: Adapter = {
  name: "bedrock",
  inlineBytesMax: (kind) => MEDIA_BYTES_MAX[kind],
  framing: "event-stream",
  quirkFaults: bedrockQuirkFaults,
  encode: encodeBedrock,
  signsBody: true,
  authorize: authorizeBedrock,
  createDecoder: createBedrockDecoder,
  decodeReply: decodeBedrockReply,
  classifyFailure: classifyBedrockFailure,
};
