/**
 * The adapter for Cohere's chat, embeddings and reranking, version 2 (`POST {base}/v2/chat`, base without a path).
 * The parts: -encode and -messages say a request, -decode and -usage read an answer, -tasks does what is no
 * conversation, -failure knows the errors.
 */
import type { Adapter } from "./adapter.ts";
import { createCohereDecoder, decodeCohereReply } from "./cohere-decode.ts";
import { encodeCohere } from "./cohere-encode.ts";
import { classifyCohereFailure } from "./cohere-failure.ts";
import { cohereTasks } from "./cohere-tasks.ts";
import { everyQuirkIsFault } from "./no-quirks.ts";

export const cohere: Adapter = {
  name: "cohere",
  quirkFaults: everyQuirkIsFault,
  encode: encodeCohere,
  createDecoder: createCohereDecoder,
  decodeReply: decodeCohereReply,
  tasks: cohereTasks,
  classifyFailure: classifyCohereFailure,
};
