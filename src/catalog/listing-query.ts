/**
 * The filters of `GET /models`: query string -> `ModelQuery` -> page of rows. Pure.
 * Prices are USD per million. Benchmarks, categories and typical speeds are those of the catalog; a model without the
 * value comes last in a sort and is left out by a filter. Filters and sorts that need statistics of traffic are
 * accepted and reported as a warning, because nothing of the kind is kept per model.
 */
import { err, ok, type Result } from "../core/result.ts";
import type { ListingRow, PublicModel } from "./listing.ts";
import { compareText } from "../core/compare.ts";
import { CATEGORIES } from "./schema.ts";

const SORTS = [
  "newest",
  "pricing-low-to-high",
  "pricing-high-to-low",
  "context-high-to-low",
  "latency-low-to-high",
  "intelligence-high-to-low",
  "coding-high-to-low",
  "agentic-high-to-low",
  "design-arena-elo-high-to-low",
] as const;
export type ModelSort = (typeof SORTS)[number];

/** Benchmarks with a filter of their own. */
const INDEXES = ["intelligence_index", "coding_index", "agentic_index"] as const;
type IndexName = (typeof INDEXES)[number];

interface Bounds {
  readonly min: number | null;
  readonly max: number | null;
}

export interface ModelQuery {
  readonly supportedParameters: readonly string[];
  /** Every one must be taken. */
  readonly inputModalities: readonly string[];
  /** Any one must be given; null: all models. */
  readonly outputModalities: readonly string[] | null;
  readonly words: readonly string[];
  readonly contextMinTokens: number | null;
  readonly promptPriceMinUsdPerM: number | null;
  readonly promptPriceMaxUsdPerM: number | null;
  readonly outputPriceMinUsdPerM: number | null;
  readonly outputPriceMaxUsdPerM: number | null;
  readonly arch: string | null;
  readonly authors: readonly string[];
  readonly providers: readonly string[];
  readonly distillable: boolean | null;
  readonly zdr: boolean;
  readonly region: "eu" | "us" | null;
  readonly ageMinDays: number | null;
  readonly ageMaxDays: number | null;
  readonly category: string | null;
  readonly priceTiers: readonly string[];
  readonly indexes: { readonly [name in IndexName]: Bounds };
  readonly sort: ModelSort | null;
  /** Null: neither offset nor limit was given, so the whole list is wanted. */
  readonly page: { readonly offset: number; readonly limit: number } | null;
}

export interface ParsedModelQuery {
  readonly query: ModelQuery;
  readonly warnings: readonly string[];
}

/** One page of models, as `GET /models` answers. */
export interface ModelPage {
  readonly data: readonly PublicModel[];
  readonly total_count: number;
  readonly links: { readonly next: string | null };
}

const UNMEASURED_SORTS = ["most-popular", "top-weekly", "throughput-high-to-low"] as const;
const UNMEASURED_FILTERS: readonly string[] = ["min_tool_success_rate", "max_tool_success_rate"];
const LIMIT_DEFAULT = 500;
const LIMIT_MAX = 1_000;
const DAY_S = 86_400;

/** A query parameter that cannot be read. */
export interface QueryFault {
  readonly path: string;
  readonly message: string;
}

/** Reads the query string. @returns the first parameter that is not what it must be. */
export function parseModelQuery(search: URLSearchParams): Result<ParsedModelQuery, QueryFault> {
  const faults: QueryFault[] = [];
  const warnings = UNMEASURED_FILTERS.filter((name) => search.has(name)).map(
    (name) => `${name}: nothing of the kind was measured yet, so it was not applied`,
  );
  const number = (name: string, integer: boolean, min: number, max: number): number | null => {
    const text = search.get(name);
    if (text === null || text === "") return null;
    const value = Number(text);
    if (Number.isFinite(value) && value >= min && value <= max && (!integer || Number.isInteger(value))) return value;
    faults.push({ path: name, message: `must be ${integer ? "an integer" : "a number"} from ${min} to ${max}` });
    return null;
  };
  const oneOf = <T extends string>(name: string, allowed: readonly T[]): T | null => {
    const text = search.get(name);
    if (text === null || text === "") return null;
    const found = allowed.find((value) => value === text);
    if (found === undefined) faults.push({ path: name, message: `must be one of ${allowed.join(", ")}` });
    return found ?? null;
  };
  const bounds = (name: IndexName): Bounds => ({
    min: number(`min_${name}`, false, 0, 1e6),
    max: number(`max_${name}`, false, 0, 1e6),
  });
  const outputs = listOf(search, "output_modalities");
  const sort = oneOf("sort", [...SORTS, ...UNMEASURED_SORTS]);
  if (sort !== null && !isMeasuredSort(sort)) {
    warnings.push(`sort=${sort}: nothing of the kind was measured yet, so the default order was used`);
  }
  const distillable = oneOf("distillable", ["true", "false"]);
  const offset = number("offset", true, 0, 1_000_000);
  const limit = number("limit", true, 1, LIMIT_MAX);
  const query: ModelQuery = {
    supportedParameters: listOf(search, "supported_parameters"),
    inputModalities: listOf(search, "input_modalities"),
    outputModalities: outputs.includes("all") ? null : outputs.length === 0 ? ["text"] : outputs,
    words: (search.get("q") ?? "")
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== ""),
    contextMinTokens: number("context", true, 1, Number.MAX_SAFE_INTEGER),
    promptPriceMinUsdPerM: number("min_price", false, 0, 1e9),
    promptPriceMaxUsdPerM: number("max_price", false, 0, 1e9),
    outputPriceMinUsdPerM: number("min_output_price", false, 0, 1e9),
    outputPriceMaxUsdPerM: number("max_output_price", false, 0, 1e9),
    arch: search.get("arch")?.toLowerCase() ?? null,
    authors: listOf(search, "model_authors"),
    providers: listOf(search, "providers"),
    distillable: distillable === null ? null : distillable === "true",
    zdr: oneOf("zdr", ["true"]) === "true",
    region: oneOf("region", ["eu", "us"]),
    ageMinDays: number("min_age_days", true, 0, 100_000),
    ageMaxDays: number("max_age_days", true, 0, 100_000),
    category: oneOf("category", CATEGORIES),
    priceTiers: listOf(search, "price_tier"),
    indexes: {
      intelligence_index: bounds("intelligence_index"),
      coding_index: bounds("coding_index"),
      agentic_index: bounds("agentic_index"),
    },
    sort: sort !== null && isMeasuredSort(sort) ? sort : null,
    page: offset === null && limit === null ? null : { offset: offset ?? 0, limit: limit ?? LIMIT_DEFAULT },
  };
  const fault = faults[0];
  return fault === undefined ? ok({ query, warnings }) : err(fault);
}

function isMeasuredSort(sort: string): sort is ModelSort {
  return SORTS.some((known) => known === sort);
}

function listOf(search: URLSearchParams, name: string): readonly string[] {
  return search
    .getAll(name)
    .flatMap((text) => text.toLowerCase().split(","))
    .map((text) => text.trim())
    .filter((text) => text !== "");
}

/**
 * The page of models that a query asks for. `search` is the client's query string, kept in `links.next`; `path` is the
 * route's own path, such as `/api/v1/models`.
 */
export function filterModels(
  rows: readonly ListingRow[],
  query: ModelQuery,
  request: { readonly nowMs: number; readonly path: string; readonly search: URLSearchParams },
): ModelPage {
  const found = sorted(
    rows.filter((row) => matches(row, query, request.nowMs / 1000)),
    query.sort,
  );
  if (query.page === null)
    return { data: found.map((row) => row.model), total_count: found.length, links: { next: null } };
  const { offset, limit } = query.page;
  const search = new URLSearchParams(request.search);
  search.set("offset", String(offset + limit));
  search.set("limit", String(limit));
  return {
    data: found.slice(offset, offset + limit).map((row) => row.model),
    total_count: found.length,
    links: { next: offset + limit < found.length ? `${request.path}?${search.toString()}` : null },
  };
}

/** How many listed models give any of these output modalities (`/models/count`); null: all models. */
export function countModels(rows: readonly ListingRow[], outputModalities: readonly string[] | null): number {
  return rows.filter(({ model }) => givesAny(model, outputModalities)).length;
}

function matches(row: ListingRow, query: ModelQuery, nowS: number): boolean {
  const { model } = row;
  const text = `${model.id} ${model.name}`.toLowerCase();
  const author = model.id.slice(0, model.id.indexOf("/")).toLowerCase();
  return (
    givesAny(model, query.outputModalities) &&
    query.inputModalities.every((modality) => model.architecture.input_modalities.includes(modality)) &&
    query.supportedParameters.every((name) => model.supported_parameters.includes(name)) &&
    query.words.every((word) => text.includes(word)) &&
    within(model.context_length, query.contextMinTokens, null) &&
    isBetween(usdPerM(row.promptPusd), { min: query.promptPriceMinUsdPerM, max: query.promptPriceMaxUsdPerM }) &&
    isBetween(usdPerM(row.completionPusd), { min: query.outputPriceMinUsdPerM, max: query.outputPriceMaxUsdPerM }) &&
    (query.arch === null || model.architecture.tokenizer.toLowerCase().startsWith(query.arch)) &&
    (query.authors.length === 0 || query.authors.includes(author)) &&
    (query.providers.length === 0 || query.providers.some((name) => row.providers.includes(name))) &&
    (query.distillable === null || row.distillable === query.distillable) &&
    (!query.zdr || row.zdr) &&
    (query.region === null || row.regions.includes(query.region)) &&
    (query.category === null || model.categories.some((category) => category === query.category)) &&
    (query.priceTiers.length === 0 || query.priceTiers.includes(model.price_tier ?? "")) &&
    INDEXES.every((name) => isBetween(model.benchmarks?.artificial_analysis?.[name], query.indexes[name])) &&
    hasAge(model, nowS, query)
  );
}

function givesAny(model: PublicModel, outputModalities: readonly string[] | null): boolean {
  const given: readonly string[] = model.architecture.output_modalities;
  // The public API has no word for verdicts: clients that know its list would trip over them.
  if (outputModalities === null) return given.some((modality) => modality !== "moderation");
  return outputModalities.some((modality) => given.includes(modality));
}

/** Pico-dollars per token are micro-dollars per million tokens. */
function usdPerM(pricePusd: number | null): number | null {
  return pricePusd === null ? null : pricePusd / 1_000_000;
}

function priceOf({ promptPusd, completionPusd }: ListingRow): number | null {
  return promptPusd === null || completionPusd === null ? null : promptPusd + completionPusd;
}

function within(value: number, min: number | null, max: number | null): boolean {
  return (min === null || value >= min) && (max === null || value <= max);
}

/** Without bounds anything is; with one, only a value that is known. */
function isBetween(value: number | null | undefined, { min, max }: Bounds): boolean {
  return (min === null && max === null) || (value != null && within(value, min, max));
}

/** A model whose release date is not known has no age, so a filter by age leaves it out. */
function hasAge(model: PublicModel, nowS: number, query: ModelQuery): boolean {
  if (query.ageMinDays === null && query.ageMaxDays === null) return true;
  return model.created > 0 && within((nowS - model.created) / DAY_S, query.ageMinDays, query.ageMaxDays);
}

/** Equal ones keep the catalog's order, except by id when sorted by anything. */
function sorted(rows: readonly ListingRow[], sort: ModelSort | null): readonly ListingRow[] {
  const by = (key: (row: ListingRow) => number): readonly ListingRow[] =>
    rows
      .map((row) => ({ row, value: key(row) }))
      .toSorted((a, b) => (a.value === b.value ? compareText(a.row.model.id, b.row.model.id) : a.value - b.value))
      .map(({ row }) => row);
  switch (sort) {
    case null:
      return rows;
    case "newest":
      return by((row) => -row.model.created);
    case "pricing-low-to-high":
      return by((row) => priceOf(row) ?? Number.POSITIVE_INFINITY);
    case "pricing-high-to-low":
      return by((row) => lastWithout(priceOf(row)));
    case "context-high-to-low":
      return by((row) => -row.model.context_length);
    case "latency-low-to-high":
      return by((row) => row.typicalTtftMs ?? Number.POSITIVE_INFINITY);
    case "intelligence-high-to-low":
      return by((row) => lastWithout(row.model.benchmarks?.artificial_analysis?.intelligence_index));
    case "coding-high-to-low":
      return by((row) => lastWithout(row.model.benchmarks?.artificial_analysis?.coding_index));
    case "agentic-high-to-low":
      return by((row) => lastWithout(row.model.benchmarks?.artificial_analysis?.agentic_index));
    case "design-arena-elo-high-to-low":
      return by((row) => lastWithout(bestElo(row.model)));
    default:
      return sort satisfies never;
  }
}

/** The greatest first, what is not known last. */
function lastWithout(value: number | null | undefined): number {
  return value == null ? Number.POSITIVE_INFINITY : -value;
}

/** In the category where the model is best. */
function bestElo({ benchmarks }: PublicModel): number | null {
  const elos = benchmarks?.design_arena.map(({ elo }) => elo) ?? [];
  return elos.length === 0 ? null : Math.max(...elos);
}
