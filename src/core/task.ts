/**
 * Work that is no conversation: it goes in whole and its outcome comes back whole. A request carries its task beside the
 * messages, which hold the same texts, so that what a request is counted, filtered and held by is one thing for all.
 */
import type { AudioPart, FilePart, ImagePart, TextPart, VideoPart } from "./chat.ts";
import type { Json } from "./json.ts";

/** One thing to be embedded: tokens are of the model's own vocabulary. */
export type EmbeddingInput =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "tokens"; readonly tokens: readonly number[] }
  | {
      readonly kind: "parts";
      readonly parts: readonly (TextPart | ImagePart | AudioPart | VideoPart | FilePart)[];
    };

export interface EmbeddingsTask {
  readonly kind: "embeddings";
  readonly inputs: readonly EmbeddingInput[];
  readonly dimensions?: number | undefined;
  /** Vectors as base64 rather than as numbers. */
  readonly wantsBase64?: boolean | undefined;
  /** What the inputs are for, in the provider's own words, e.g. `search_query`. */
  readonly inputType?: string | undefined;
}

/** What one unit of search is billed for, by those who bill such units (https://cohere.com/pricing, accessed 2026-11-21). */
export const DOCUMENTS_PER_SEARCH_UNIT = 100;

/** At least one of the two. */
export interface RerankDocument {
  readonly text?: string | undefined;
  readonly image?: string | undefined;
}

export interface RerankTask {
  readonly kind: "rerank";
  readonly query: string;
  readonly documents: readonly RerankDocument[];
  /** How many results are wanted; absent: all. */
  readonly topN?: number | undefined;
}

export interface ModerationTask {
  readonly kind: "moderation";
  readonly inputs: readonly (TextPart | ImagePart)[];
  /** The inputs are parts of one thing, judged together. */
  readonly isOne: boolean;
}

export type Task = EmbeddingsTask | RerankTask | ModerationTask;
export type TaskKind = Task["kind"];

/** What a model must give to take a task, as in its `output_modalities`. */
export const OUTPUT_OF_TASK = {
  embeddings: "embeddings",
  rerank: "rerank",
  moderation: "moderation",
} as const satisfies Record<TaskKind, string>;

/** What came of a task; of the same kind, and as long as its inputs. */
export type Outcome =
  /** Each a list of numbers, or 32-bit floats of little end in base64. */
  | { readonly kind: "embeddings"; readonly vectors: readonly (readonly number[] | string)[] }
  /** The best first; `index` counts the documents from 0. */
  | { readonly kind: "rerank"; readonly results: readonly { readonly index: number; readonly score: number }[] }
  /** In the wire form of OpenAI: `flagged`, `categories`, `category_scores`. */
  | { readonly kind: "moderation"; readonly results: readonly Json[] };
