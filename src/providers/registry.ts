/**
 * The one ordered list of adapters, by the name that the catalog's providers use. A new wire format is one file and
 * one line here; the contract suite loops over the list.
 */
import type { Adapter } from "./adapter.ts";
import { anthropic } from "./anthropic.ts";
import { bedrock } from "./bedrock.ts";
import { cohere } from "./cohere.ts";
import { gemini } from "./gemini.ts";
import { openAiCompatible } from "./openai-compatible.ts";
import { openAiResponses } from "./openai-responses.ts";
import { replicate } from "./replicate.ts";
import { vertex } from "./vertex.ts";

export const ADAPTERS: readonly Adapter[] = [
  openAiCompatible,
  openAiResponses,
  anthropic,
  gemini,
  bedrock,
  cohere,
  vertex,
  replicate,
];

const byName: ReadonlyMap<string, Adapter> = new Map(ADAPTERS.map((adapter) => [adapter.name, adapter]));

/** The adapter of this name; undefined when there is none. */
export function adapterNamed(name: string): Adapter | undefined {
  return byName.get(name);
}
