/**
 * What is asked of a model's entry with every request, made once per published entry. Entries leave the reader's cache, and
 * with them what is kept here.
 */
import type { ProviderId, RegionId } from "../core/ids.ts";
import type { ModelEntry, Provider } from "./schema.ts";

export interface EntryFacts {
  readonly bySlug: ReadonlyMap<ProviderId, Provider>;
  readonly slugs: readonly ProviderId[];
  /** Every region of every provider. */
  readonly places: readonly { readonly provider: ProviderId; readonly region: RegionId }[];
  /** Some endpoint may save money by a prompt cache. */
  readonly mayCache: boolean;
}

const known = new WeakMap<ModelEntry, EntryFacts>();

/** An entry carries the providers of its endpoints; with a slug said twice, the first one counts. */
export function entryFacts(entry: ModelEntry): EntryFacts {
  const before = known.get(entry);
  if (before !== undefined) return before;
  const { model, providers } = entry;
  const facts: EntryFacts = {
    bySlug: new Map(providers.toReversed().map((provider) => [provider.slug, provider])),
    slugs: providers.map(({ slug }) => slug),
    places: providers.flatMap(({ slug, regions }) => regions.map(({ id }) => ({ provider: slug, region: id }))),
    mayCache: model.endpoints.some(
      ({ price, supports_implicit_caching }) => supports_implicit_caching || price?.input_cache_read !== undefined,
    ),
  };
  known.set(entry, facts);
  return facts;
}
