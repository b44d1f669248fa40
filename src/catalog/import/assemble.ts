/**
 * A list and the catalog of now -> the catalog that would be. Pure.
 * What an import brought is marked by its source and is the list's: it is replaced, and removed when the list no longer
 * has it. What somebody else wrote keeps every fact but its price, which the list's newer one replaces, key by key.
 * Providers of the catalog keep their address, adapter and policies. A row that says the same as before stays as it was,
 * with the day on which it was first read, so that publishing writes only what changed.
 */
import type { ListedPrice } from "../../core/price.ts";
import { publicUrl, type AddressRule } from "../../core/public-url.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { modelKey } from "../build/naming.ts";
import { hostHardware } from "../data/host-hardware.ts";
import { LEFT_OUT } from "../data/import-hosts.ts";
import { compareText } from "../../core/compare.ts";
import { parseCatalog, type Fault, type KnownAdapter } from "../parse.ts";
import type { Catalog, Endpoint, Model, Provider } from "../schema.ts";
import { isBeyond } from "./diff.ts";
import type { Feed, FeedEntry, Refusal } from "./feed.ts";
import { modelIds, placeOf } from "./identity.ts";

export interface ImportOptions {
  /** The day of reading, `YYYY-MM-DD`. */
  readonly asOf: string;
  readonly adapters: readonly KnownAdapter[];
  readonly addresses: AddressRule;
  /** Slugs of the providers that are meant; null: all. The others stay as they are. */
  readonly only: ReadonlySet<string> | null;
  /** Price changes beyond so many basis points are left as they were; null: all are taken. */
  readonly holdAboveBps: number | null;
}

export interface Import {
  readonly catalog: Catalog;
  readonly imported: number;
  /** Entries that were left out, each with its reason. */
  readonly refused: readonly Refusal[];
  /** Endpoints whose price the list changed by more than was allowed: `model at tag`. */
  readonly held: readonly string[];
  /** Of what this list had brought before: how much, and how much of it is gone from the list now. */
  readonly brought: number;
  readonly lost: number;
}

/** More than a fifth of a list does not go in a day. */
const LOST_SHARE_MAX = 0.2;
const SLUG = /^[a-z0-9][a-z0-9.-]{0,63}$/;
const ENDPOINTS_MAX = 100;
const TAG_CHARS_MAX = 64;
const SOURCE_CHARS_MAX = 500;

/** @returns the faults of the catalog that would be, when it is none: a bug, or a list that nobody foresaw. */
export function importFeed(base: Catalog, feed: Feed, options: ImportOptions): Result<Import, readonly Fault[]> {
  const { entries, refused } = admitted(base, feed, options);
  const ids = modelIds(entries, base);
  const draft = draftOf(base, feed.format, options.only);
  for (const entry of entries) {
    const reason = place(draft, entry, ids.get(entry) ?? "", feed.format, options.asOf);
    if (reason !== undefined) refused.push({ ref: entry.ref, reason });
  }
  const parsed = parseCatalog(documentOf(draft, base, feed.format), options.adapters, options.addresses);
  if (!parsed.ok) return err(parsed.error);
  const held: string[] = [];
  const catalog = settled(base, parsed.value, options.holdAboveBps, held);
  const imported = feed.entries.length + feed.refused.length - refused.length;
  return ok({ catalog, imported, refused, held, brought: draft.brought.size, lost: draft.brought.size - draft.kept });
}

/** True when the list has lost so much of what it had brought that it is rather broken than new. */
export function isBroken({ lost, brought }: Pick<Import, "lost" | "brought">): boolean {
  return lost > brought * LOST_SHARE_MAX;
}

/** Entries that have a host which can be routed to; the rest is refused. */
function admitted(base: Catalog, feed: Feed, options: ImportOptions): { entries: FeedEntry[]; refused: Refusal[] } {
  const entries: FeedEntry[] = [];
  const refused = [...feed.refused];
  const seen = new Map<string, string>();
  const providers = new Map<string, Provider>(base.providers.map((provider) => [provider.slug, provider]));
  for (const named of feed.entries) {
    const entry = asKnown(named, providers);
    const at = placeOf(entry.host.slug, entry.upstreamModel);
    const twin = seen.get(at);
    const reason =
      options.only?.has(entry.host.slug) === false
        ? "is at a provider that was not asked for"
        : twin === undefined
          ? hostFault(entry, providers.get(entry.host.slug), options)
          : `is the same as ${twin}`;
    if (reason === undefined) {
      seen.set(at, entry.ref);
      entries.push(entry);
    } else {
      refused.push({ ref: entry.ref, reason });
    }
  }
  return { entries, refused };
}

/** The entry at the provider that the catalog has by the name of before. */
function asKnown(entry: FeedEntry, providers: ReadonlyMap<string, Provider>): FeedEntry {
  const { formerly, slug } = entry.host;
  if (formerly === undefined || !providers.has(formerly) || providers.has(slug)) return entry;
  return { ...entry, host: { ...entry.host, slug: formerly } };
}

function hostFault(
  { host, upstreamModel }: FeedEntry,
  known: Provider | undefined,
  { adapters, addresses }: ImportOptions,
): string | undefined {
  if (LEFT_OUT[host.slug]?.test(upstreamModel) === true)
    return "is answered on another path than its provider's others";
  if (known !== undefined) return undefined;
  if (!SLUG.test(host.slug)) return `is at "${host.slug}", which is no slug`;
  if (host.adapter === null || host.baseUrl === null) return `cannot be reached: ${host.lack}`;
  const { adapter } = host;
  if (!adapters.some(({ name }) => name === adapter)) return `cannot be reached: there is no adapter "${adapter}"`;
  const url = publicUrl(host.baseUrl, addresses);
  return url.ok ? undefined : `cannot be reached: its address ${url.error}`;
}

/** The catalog while entries are placed in it. */
interface Draft {
  readonly providers: Map<string, unknown>;
  readonly models: Map<string, DraftModel>;
  /** Endpoints that the list had brought before and that are meant by this import, by place. */
  readonly brought: Map<string, Endpoint>;
  /** All other endpoints, by place. */
  readonly others: Map<string, Endpoint>;
  /** How many of `brought` the list still has. */
  kept: number;
}

interface DraftModel {
  readonly facts: unknown;
  readonly endpoints: Map<string, unknown>;
  /** Tags of before, in their order: nobody else may have them, and endpoints keep their places. */
  readonly tags: readonly string[];
}

function draftOf(base: Catalog, format: string, only: ReadonlySet<string> | null): Draft {
  const draft: Draft = {
    providers: new Map(base.providers.map((provider) => [provider.slug, provider])),
    models: new Map(),
    brought: new Map(),
    others: new Map(),
    kept: 0,
  };
  for (const model of base.models) {
    const endpoints = new Map<string, unknown>();
    for (const endpoint of model.endpoints) {
      const at = placeOf(endpoint.provider, endpoint.upstream_model);
      const isBrought = isFrom(endpoint.price_source, format) && only?.has(endpoint.provider) !== false;
      if (isBrought) draft.brought.set(at, endpoint);
      else {
        draft.others.set(at, endpoint);
        endpoints.set(endpoint.tag, endpoint);
      }
    }
    draft.models.set(model.id, { facts: model, endpoints, tags: model.endpoints.map(({ tag }) => tag) });
  }
  return draft;
}

/** Puts one entry into the draft. @returns why it cannot be. */
function place(draft: Draft, entry: FeedEntry, id: string, format: string, asOf: string): string | undefined {
  const at = placeOf(entry.host.slug, entry.upstreamModel);
  const source = `${format} ${entry.ref} (read ${asOf})`;
  const model = draft.models.get(id) ?? {
    facts: modelFacts(id, entry),
    endpoints: new Map<string, unknown>(),
    tags: [],
  };
  const other = draft.others.get(at);
  if (other === undefined && model.endpoints.size >= ENDPOINTS_MAX) return `has ${ENDPOINTS_MAX} endpoints already`;
  const before = draft.brought.get(at);
  if (before !== undefined) draft.kept += 1;
  draft.models.set(id, model);
  if (!draft.providers.has(entry.host.slug)) draft.providers.set(entry.host.slug, providerOf(entry, format, asOf));
  if (other !== undefined) {
    model.endpoints.set(other.tag, repriced(other, entry.price, source));
    return undefined;
  }
  const tag = before?.tag ?? freeTag(entry, new Set([...model.tags, ...model.endpoints.keys()]));
  model.endpoints.set(tag, { ...before, ...endpointOf(entry, source), tag });
  return undefined;
}

/** Somebody else's endpoint with the list's price; what the list does not price stays. */
function repriced(endpoint: Endpoint, price: ListedPrice, source: string): unknown {
  const next = { ...endpoint.price, ...withOwnSteps(price, endpoint.price) };
  if (JSON.stringify(sorted(next)) === JSON.stringify(sorted({ ...endpoint.price }))) return endpoint;
  const own = endpoint.price_source.replace(/; price of .*$/, "");
  return { ...endpoint, price: next, price_source: `${own}; price of ${source}`.slice(-SOURCE_CHARS_MAX) };
}

/**
 * Steps "from 200,000 tokens" and "over 200,000 tokens" are told apart by whoever wrote the endpoint, not by lists: a step
 * that lies one token beside one of his is his.
 */
function withOwnSteps(price: ListedPrice, own: ListedPrice | null): ListedPrice {
  if (price.overrides === undefined) return price;
  const steps = new Set(own?.overrides?.map((step) => step.min_prompt_tokens));
  const overrides = price.overrides.map((step) => {
    const before = (step.min_prompt_tokens ?? 0) - 1;
    return steps.has(before) ? { ...step, min_prompt_tokens: before } : step;
  });
  return { ...price, overrides };
}

function endpointOf(entry: FeedEntry, source: string): Readonly<Record<string, unknown>> {
  return {
    provider: entry.host.slug,
    upstream_model: entry.upstreamModel,
    price: entry.price,
    price_source: source.slice(0, SOURCE_CHARS_MAX),
    context_length: entry.contextLength,
    max_completion_tokens: entry.maxCompletionTokens,
    max_prompt_tokens: entry.maxPromptTokens,
    quantization: modelKey(entry.upstreamModel).quantization,
    supported_parameters: entry.supportedParameters,
    input_modalities: entry.inputModalities,
    ...hostHardware(entry.host.slug),
  };
}

/** The provider's slug, with what tells it from its other endpoints of the model. */
function freeTag(entry: FeedEntry, taken: ReadonlySet<string>): string {
  const { slug } = entry.host;
  if (!taken.has(slug)) return slug;
  const spelled =
    modelKey(entry.upstreamModel).suffix || entry.upstreamModel.slice(entry.upstreamModel.lastIndexOf("/") + 1);
  const suffix =
    spelled
      .toLowerCase()
      .replaceAll(/[^a-z0-9._-]+/g, "-")
      .replace(/^[^a-z0-9]+/, "") || "other";
  for (let at = 1; ; at++) {
    const tail = at === 1 ? "" : `-${at}`;
    const tag = `${slug}/${suffix.slice(0, TAG_CHARS_MAX - tail.length)}${tail}`;
    if (!taken.has(tag)) return tag;
  }
}

function modelFacts(id: string, entry: FeedEntry): Readonly<Record<string, unknown>> {
  return {
    id,
    canonical_slug: id,
    name: entry.name,
    created_s: entry.createdS,
    description: entry.description,
    hugging_face_id: entry.huggingFaceId,
    input_modalities: entry.inputModalities,
    output_modalities: entry.outputModalities,
    knowledge_cutoff: entry.knowledgeCutoff,
    expiration_date: entry.expirationDate,
    open_weights: entry.openWeights,
  };
}

/** Nothing is known of a new provider but its address: it counts as the worst, until the operator knows better. */
function providerOf({ host }: FeedEntry, format: string, asOf: string): Readonly<Record<string, unknown>> {
  const source = `${format} (read ${asOf})`;
  return {
    slug: host.slug,
    name: host.name,
    adapter: host.adapter,
    base_url: host.baseUrl,
    regions: [
      { id: "global", latitude: null, longitude: null, jurisdiction: null, source: `${source} names no region` },
    ],
    data_policy: {
      training: true,
      retains_prompts: true,
      retention_days: null,
      zdr: false,
      source: `${source} has no policies; treated as retaining and training`,
    },
    cancellation: { policy: "bills_all", source: `${source} has no policies; treated as billing the whole answer` },
    quirks: host.quirks,
  };
}

/** The draft as a document: the models of before in their order, new ones by name, nothing that is empty. */
function documentOf(draft: Draft, base: Catalog, format: string): unknown {
  const rank = new Map(base.models.map((model, at) => [model.id as string, at]));
  const models = [...draft.models]
    .filter(([, { endpoints }]) => endpoints.size > 0)
    .toSorted(([a], [b]) => (rank.get(a) ?? rank.size) - (rank.get(b) ?? rank.size) || compareText(a, b))
    .map(([, { facts, endpoints, tags }]) => {
      const places = new Map(tags.map((tag, at) => [tag, at]));
      const rows = [...endpoints].toSorted(
        ([a], [b]) => (places.get(a) ?? tags.length) - (places.get(b) ?? tags.length),
      );
      return { ...Object(facts), endpoints: rows.map(([, row]) => row) };
    });
  const used = new Set(models.flatMap(({ endpoints }) => endpoints.map((row: { provider: string }) => row.provider)));
  const providers = [...draft.providers.values()].filter((row) => {
    const { slug, data_policy: policy } = row as Pick<Provider, "slug" | "data_policy">; // ours, or parsed before
    return used.has(slug) || !isFrom(policy.source, format);
  });
  return { version: base.version, providers, models };
}

/** The new catalog with each row of before that says the same, and each that may not change so much. */
function settled(base: Catalog, next: Catalog, holdAboveBps: number | null, held: string[]): Catalog {
  const before = new Map<string, Model>(base.models.map((model) => [model.id, model]));
  const models = next.models.map((model) => {
    const known = new Map(before.get(model.id)?.endpoints.map((endpoint) => [endpoint.tag, endpoint]));
    const endpoints = model.endpoints.map((endpoint) => {
      const old = known.get(endpoint.tag);
      if (old === undefined || old.upstream_model !== endpoint.upstream_model) return endpoint;
      if (holdAboveBps !== null && isBeyond(old.price, endpoint.price, holdAboveBps)) {
        held.push(`${model.id} at ${endpoint.tag}`);
        return old;
      }
      return undated(old) === undated(endpoint) ? old : endpoint;
    });
    return { ...model, endpoints };
  });
  return { ...next, models };
}

function undated(endpoint: Endpoint): string {
  const price = endpoint.price === null ? null : sorted(endpoint.price);
  return JSON.stringify(
    sorted({ ...endpoint, price, price_source: endpoint.price_source.replace(/\(read [\d-]+\)/, "") }),
  );
}

function sorted<T extends object>(row: T): T {
  return Object.fromEntries(Object.entries(row).toSorted(([a], [b]) => compareText(a, b))) as T; // the same keys
}

function isFrom(source: string, format: string): boolean {
  return source.startsWith(`${format} `);
}
