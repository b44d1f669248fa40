/** The form of the overlay: what we add by hand to the published data. Types only. */
import type * as z from "zod";
import type { DataPolicySchema, ProviderSchema } from "../schema.ts";

export type DataPolicySeed = z.input<typeof DataPolicySchema>;

/** Where prices and facts of a provider come from, best first: the first that has a model decides its price. */
export interface Feed {
  readonly from: "genai-prices" | "tokenlens";
  /** The provider's id in that package. */
  readonly id: string;
  /** Only names that match; all when absent. */
  readonly only?: RegExp | undefined;
  /** Its prices are too old or were taken over by another feed: it gives limits and capabilities only. */
  readonly factsOnly?: boolean | undefined;
  /** The provider is asked for this host behind it (`model:route`); such an endpoint is called `provider/route`. */
  readonly route?: string | undefined;
  /** Its endpoints are called `provider/suffix`, beside those of other feeds of the provider. */
  readonly suffix?: string | undefined;
  /** Of models that nobody else serves, only those of the overlay's list: the feed never forgets a name. */
  readonly gateway?: boolean | undefined;
}

/** A provider as it goes into the catalog, and how its rows are made. */
export interface ProviderSeed {
  readonly provider: z.input<typeof ProviderSchema>;
  readonly feeds: readonly Feed[];
  /** Names (as in `supported_parameters`) that it takes for every model; tools and reasoning are added per model. */
  readonly parameters: readonly string[];
  /** Takes `tools` and `tool_choice` where the model can call tools. */
  readonly tools: "parallel" | "single" | "none";
  /** What makes its own name of a model out of the name in the feed. */
  readonly upstream?: {
    readonly prefix?: string;
    readonly lowerCase?: boolean;
    readonly withoutAuthor?: boolean;
    /** Replacements of the beginning, after whole names; the first that fits. */
    readonly beginnings?: readonly (readonly [RegExp, string])[];
    /** Whole names, before anything else. */
    readonly names?: Readonly<Record<string, string>>;
  };
  /** The author of models that no list of author/slug names has: its own. */
  readonly author?: string;
  /** Regions that run a model, by its name at the provider; the first that fits, all of them where none does. */
  readonly regionsOf?: readonly (readonly [RegExp, readonly string[]])[];
  /** The provider caches prompts without being asked. */
  readonly implicitCaching?: boolean;
}

/** What is known of a family of models; the first row whose pattern matches a model's id decides. */
export interface FamilySeed {
  readonly match: RegExp;
  readonly tokenizer: string;
  readonly inputs: readonly ("text" | "image" | "file" | "audio" | "video")[];
  readonly openWeights: boolean;
  readonly tools: boolean;
  readonly reasoning: "none" | "optional" | "mandatory";
  /** When no package knows it. */
  readonly contextTokens: number;
  readonly instructType?: string;
  /** Sampling parameters are refused (reasoning models of the author's own API). */
  readonly fixedSampling?: boolean;
}

/** Hand-written facts of one model. */
export interface ModelSeed {
  readonly name?: string;
  readonly canonical?: string;
  readonly aliases?: readonly string[];
  /** `YYYY-MM-DD`. */
  readonly releasedOn?: string;
  readonly huggingFaceId?: string;
  readonly inputs?: FamilySeed["inputs"];
  readonly reasoning?: FamilySeed["reasoning"];
  readonly description?: string;
}

/** An endpoint that no feed lists under its provider. */
export interface ExtraOffer {
  readonly model: string;
  readonly provider: string;
  readonly upstreamModel: string;
  /** The model's name in the feed "openrouter" of genai-prices: for models with a single host, its price passed on. */
  readonly priceOf: string;
  /** The published price holds up to here; longer prompts cost more, so they are not taken. */
  readonly maxPromptTokens?: number;
  readonly source: string;
}

/** A `:free` listing: its endpoints cost nothing, and say why. */
export interface FreeOffer {
  /** The model's id without `:free`. */
  readonly model: string;
  readonly provider: string;
  readonly upstreamModel: string;
  readonly contextTokens: number;
  readonly source: string;
  readonly dataPolicy: DataPolicySeed;
}
