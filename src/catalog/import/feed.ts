/**
 * What every list of models becomes before it is compared with the catalog: entries that say the same things in one way,
 * and refusals, each with its reason. Nothing is repaired or guessed: an entry without a price, or with a price that is
 * not understood, is refused (fail closed).
 */
import type { ListedPrice } from "../../core/price.ts";
import { RESPONSES, RESPONSES_SUFFIX } from "../data/import-hosts.ts";
import type { Model, Provider } from "../schema.ts";

/** Where an entry says that it runs. The catalog's own provider of that slug wins over address and adapter. */
export interface FeedHost {
  readonly slug: string;
  /** How it was called once: a catalog that has it by this slug keeps it, with its credential and the ids made of it. */
  readonly formerly?: string | undefined;
  readonly name: string;
  /** Name of an adapter; null when the list names a wire format that none is known for. */
  readonly adapter: string | null;
  readonly baseUrl: string | null;
  /** Why adapter or address are missing, in the list's words. */
  readonly lack: string;
  readonly quirks: Provider["quirks"];
}

/** The slug of models that are reached in another way than the rest of their provider: at a provider of their own. */
export function apartFrom(slug: string, adapter: string | null): Pick<FeedHost, "slug" | "formerly"> {
  return adapter === RESPONSES
    ? { slug: `${slug}-${RESPONSES_SUFFIX}`, formerly: `${slug}-${RESPONSES}` }
    : { slug: `${slug}-${adapter ?? "other"}` };
}

/** One model at one provider. Tokens, unless a name says otherwise. */
export interface FeedEntry {
  /** Where it is in the list: provider and model, for reports and sources. */
  readonly ref: string;
  readonly host: FeedHost;
  readonly upstreamModel: string;
  /** Another spelling that says more of the author than `upstreamModel`; null when there is none. */
  readonly baseModel: string | null;
  readonly name: string;
  readonly description: string;
  readonly price: ListedPrice;
  /** Free of charge by name, as `author/slug:free`; every other price of zero is refused. */
  readonly isFree: boolean;
  readonly contextLength: number;
  readonly maxCompletionTokens: number | null;
  readonly maxPromptTokens: number | null;
  readonly inputModalities: Model["input_modalities"];
  readonly outputModalities: Model["output_modalities"];
  readonly supportedParameters: readonly string[];
  readonly createdS: number;
  readonly knowledgeCutoff: string | null;
  readonly expirationDate: string | null;
  readonly huggingFaceId: string | null;
  readonly openWeights: boolean;
}

export interface Refusal {
  readonly ref: string;
  /** The end of a sentence that begins with the entry. */
  readonly reason: string;
}

export type FormatName = "models.dev" | "openrouter-list" | "litellm";

export interface Feed {
  readonly format: FormatName;
  readonly entries: readonly FeedEntry[];
  readonly refused: readonly Refusal[];
}

/** Longest texts that the catalog takes. */
export const NAME_CHARS_MAX = 200;
export const DESCRIPTION_CHARS_MAX = 4_000;
const CONTEXT_TOKENS_MAX = 100_000_000;

/** A count of tokens that the catalog can hold; undefined for none, zero, a fraction or nonsense. */
export function tokensOf(value: unknown): number | undefined {
  const count = typeof value === "string" && /^\d{1,12}$/.test(value) ? Number(value) : value;
  return typeof count === "number" && Number.isSafeInteger(count) && count >= 1 && count <= CONTEXT_TOKENS_MAX
    ? count
    : undefined;
}

type InputModality = Model["input_modalities"][number];
type OutputModality = Model["output_modalities"][number];
const INPUTS: Readonly<Record<string, InputModality>> = {
  text: "text",
  image: "image",
  pdf: "file",
  file: "file",
  audio: "audio",
  video: "video",
};
const OUTPUTS: Readonly<Record<string, OutputModality>> = {
  text: "text",
  image: "image",
  audio: "audio",
  embeddings: "embeddings",
};

/** The modalities that the catalog knows, text first. */
export function inputsOf(names: readonly string[]): InputModality[] {
  const found = Object.entries(INPUTS).flatMap(([name, modality]) => (names.includes(name) ? [modality] : []));
  return found.length === 0 ? ["text"] : [...new Set(found)];
}

/** Undefined when the answers are of no kind that is served. */
export function outputsOf(names: readonly string[]): OutputModality[] | undefined {
  const found = names.flatMap((name) => OUTPUTS[name] ?? []);
  // Pictures, sound and films alone come from other interfaces than chat.
  return found.includes("text") || found.includes("embeddings") ? [...new Set(found)] : undefined;
}

const EMBEDDING_NAME = /(^|[^a-z])(embed|embedding|embeddings|bge|gte|e5|mpnet|minilm|mini-lm)([^a-z]|$)/i;
const RERANK_NAME = /rerank/i;

/** Lists that have no word for embeddings say it by the name, and by a completion that costs nothing. */
export function isEmbedding(name: string): boolean {
  return EMBEDDING_NAME.test(name) && !RERANK_NAME.test(name);
}

/** Seconds of a day such as "2026-07-02", "2026-07" or "2026"; 0 when it is none. */
export function dayS(text: string | null | undefined): number {
  const found = /^(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?/.exec(text ?? "");
  if (found === null) return 0;
  const ms = Date.parse(`${found[1]}-${found[2] ?? "01"}-${found[3] ?? "01"}T00:00:00Z`);
  return Number.isNaN(ms) || ms < 0 ? 0 : ms / 1_000;
}

/** Zero is a plan, a trial or a promise of the list's; it is a price only where the name says so. */
export function zeroFault(price: ListedPrice, isFree: boolean, isEmbedding: boolean): string | undefined {
  const isZero = price.prompt === 0 && price.completion === 0;
  if (isFree) return isZero ? undefined : "is free by its name, and not by its price";
  if (isZero) return "costs nothing here: a plan or a trial, not a price";
  if (price.prompt === 0) return "has a prompt price of zero";
  return price.completion === 0 && !isEmbedding ? "has a completion price of zero" : undefined;
}
