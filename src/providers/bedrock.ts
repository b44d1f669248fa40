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

export const bedrock: Adapter = {
  name: "bedrock",
  framing: "event-stream",
  quirkFaults: bedrockQuirkFaults,
  encode: encodeBedrock,
  authorize: authorizeBedrock,
  createDecoder: createBedrockDecoder,
  decodeReply: decodeBedrockReply,
  classifyFailure: classifyBedrockFailure,
};
