/**
 * The adapter for Replicate's language models. A request only begins a prediction; its stream, or its state, is the answer
 * (`following`). The parts: -encode and -prompt say a request, -prediction knows where its answer is, -decode reads it,
 * -failure knows the errors, -quirks what each model calls its inputs.
 */
import type { Adapter } from "./adapter.ts";
import { createReplicateDecoder, decodeReplicateReply } from "./replicate-decode.ts";
import { encodeReplicate } from "./replicate-encode.ts";
import { classifyReplicateFailure } from "./replicate-failure.ts";
import { replicateFollowing } from "./replicate-prediction.ts";
import { replicateQuirkFaults } from "./replicate-quirks.ts";

export const replicate: Adapter = {
  name: "replicate",
  quirkFaults: replicateQuirkFaults,
  encode: encodeReplicate,
  following: replicateFollowing,
  createDecoder: createReplicateDecoder,
  decodeReply: decodeReplicateReply,
  classifyFailure: classifyReplicateFailure,
};
