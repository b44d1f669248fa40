/**
 * A catalog as it is published: many small content-addressed values and one small index that names them.
 * Pure: the same catalog always gives the same keys and bytes. A cold isolate that routes one request reads the index
 * and one model value, never more; for a router model the menu and the few values that it has chosen. Prices in a model value are the charged ones, margin included.
 */
import { withMarkup, type ListedPrice } from "../core/price.ts";
import { aliasRow, newestOf } from "./family-alias.ts";
import { listingRow, type ListingRow } from "./listing.ts";
import { zdrEndpoints, type PublicEndpoint } from "./listing-endpoints.ts";
import { menuOf } from "./menu.ts";
import type { Catalog, Endpoint, ListedEndpoint, ListedModel, Model, ModelEntry, Provider } from "./schema.ts";

/** What the live index says. Keys of values are made by `valueKey`. */
export interface CatalogIndex {
  readonly format: 1;
  /** Hash of everything that the publication says; the same content has the same version. */
  readonly version: string;
  /** Model id -> hash of its value. */
  readonly models: Readonly<Record<string, string>>;
  /** Other lookup names (canonical slugs, aliases; all in lower case) -> model id. */
  readonly aliases: Readonly<Record<string, string>>;
  /** Hashes of the lists of models, of providers and of endpoints with zero data retention, and the catalog as sent. */
  readonly listing: string;
  readonly providers: string;
  /** Undefined in an index that was published before there was such a list. */
  readonly zdr?: string | undefined;
  /** Hash of what router models choose from; undefined as above. */
  readonly menu?: string | undefined;
  readonly source: string;
  readonly counts: { readonly models: number; readonly providers: number; readonly endpoints: number };
}

export type ValueKind = "model" | "listing" | "providers" | "zdr" | "menu" | "source";

/** One content-addressed value. */
export interface PublishedValue {
  readonly key: string;
  readonly text: string;
}

export interface Snapshot {
  readonly index: CatalogIndex;
  readonly values: readonly PublishedValue[];
}

/** The KV key of a value. */
export function valueKey(kind: ValueKind, hash: string): string {
  return `${kind}:${hash}`;
}

/** The first 128 bits of SHA-256 as 32 hexadecimal digits. */
async function contentHash(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest).subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Everything that publishing this catalog writes, except the history around the index. */
export async function snapshotOf(catalog: Catalog): Promise<Snapshot> {
  const values = new Map<string, string>();
  const add = async (kind: ValueKind, content: unknown): Promise<string> => {
    const text = JSON.stringify(content);
    const hash = await contentHash(text);
    values.set(valueKey(kind, hash), text);
    return hash;
  };
  const models: Record<string, string> = {};
  const aliases: Record<string, string> = {};
  const rows: ListingRow[] = [];
  const zdr: PublicEndpoint[] = [];
  const entries: ModelEntry[] = [];
  let endpoints = 0;
  for (const model of catalog.models) {
    const entry = entryOf(model, catalog.providers);
    entries.push(entry);
    models[model.id] = await add("model", entry);
    for (const name of new Set([model.id, model.canonical_slug, ...model.aliases].map((text) => text.toLowerCase()))) {
      if (name !== model.id) aliases[name] = model.id;
    }
    endpoints += model.endpoints.length;
    const row = listingRow(entry);
    if (row !== undefined) rows.push(row);
    zdr.push(...zdrEndpoints(entry));
  }
  for (const alias of catalog.family_aliases) {
    const target = newestOf(alias, rows);
    if (target === undefined) continue;
    aliases[alias.slug.toLowerCase()] = target.model.id;
    rows.push(aliasRow(alias, target));
  }
  const named = {
    models,
    aliases,
    listing: await add("listing", rows),
    providers: await add("providers", catalog.providers),
    zdr: await add("zdr", zdr),
    menu: await add("menu", menuOf(entries)),
    source: await add("source", catalog),
    counts: { models: catalog.models.length, providers: catalog.providers.length, endpoints },
  };
  const version = await contentHash(JSON.stringify(named));
  return {
    index: { format: 1, version, ...named },
    values: [...values].map(([key, text]) => ({ key, text })),
  };
}

/** One model as readers get it, with charged prices and the providers that its endpoints name. */
export function entryOf(model: Model, providers: readonly Provider[]): ModelEntry {
  const named = providers.filter((provider) => model.endpoints.some((endpoint) => endpoint.provider === provider.slug));
  const listed: ListedModel = {
    ...model,
    endpoints: model.endpoints.map((endpoint) =>
      listedEndpoint(endpoint, named.find((provider) => provider.slug === endpoint.provider)?.markup_bps ?? 0),
    ),
  };
  return { model: listed, providers: named.map((provider) => ({ ...provider, markup_bps: 0 })) };
}

function listedEndpoint(endpoint: Endpoint, providerMarkupBps: number): ListedEndpoint {
  const { markup_bps: ownMarkupBps, ...rest } = endpoint;
  const markupBps = ownMarkupBps ?? providerMarkupBps;
  const price = endpoint.price === null ? null : withMarkup<ListedPrice>(endpoint.price, markupBps);
  return { ...rest, price, upstream_price: endpoint.price };
}
