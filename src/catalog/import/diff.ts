/**
 * What differs between two catalogs, for a person to read before it is published: providers, models and endpoints that
 * come and go, and prices that move, each change over a share flagged. Prices are compared by what they charge: a key that
 * is absent costs what `ledger/cost.ts` takes in its place.
 */
import type { ListedPrice, SomePriceKeys } from "../../core/price.ts";
import type { PicoUsd } from "../../core/money.ts";
import type { Catalog, Endpoint } from "../schema.ts";

/** One price of one endpoint that moved. */
export interface PriceChange {
  readonly model: string;
  readonly tag: string;
  /** The key, with its condition before it: `completion`, `over 200000 tokens: prompt`. */
  readonly key: string;
  readonly fromPusd: PicoUsd;
  readonly toPusd: PicoUsd;
  /** Null where it was nothing. */
  readonly changeBps: number | null;
  readonly isFlagged: boolean;
}

export interface CatalogDiff {
  readonly providersAdded: readonly string[];
  readonly providersRemoved: readonly string[];
  readonly providersChanged: readonly string[];
  readonly modelsAdded: readonly string[];
  readonly modelsRemoved: readonly string[];
  /** `model at tag`, of models that are in both. */
  readonly endpointsAdded: readonly string[];
  readonly endpointsRemoved: readonly string[];
  /** Endpoints of which something else than the price changed. */
  readonly endpointsChanged: readonly string[];
  readonly prices: readonly PriceChange[];
}

/** A change of price over this share is flagged: 20%. */
export const FLAG_BPS = 2_000;

/** What is charged where a key is absent, as `ledger/cost.ts` does it; all others cost nothing. */
const FALLBACKS: Readonly<Record<string, keyof SomePriceKeys>> = {
  internal_reasoning: "completion",
  audio: "prompt",
  audio_output: "completion",
  image_token: "prompt",
  image_output: "completion",
  input_audio_cache: "input_cache_read",
  input_cache_read: "prompt",
  input_cache_write: "prompt",
  input_cache_write_1h: "input_cache_write",
};

/** Compares two parsed catalogs. */
export function diffCatalogs(before: Catalog, after: Catalog, flagBps: number = FLAG_BPS): CatalogDiff {
  const providers = changesOf(before.providers, after.providers, ({ slug }) => slug);
  const models = changesOf(before.models, after.models, ({ id }) => id);
  const added: string[] = [];
  const removed: string[] = [];
  const changed: string[] = [];
  const prices: PriceChange[] = [];
  for (const [id, old, fresh] of models.both) {
    const endpoints = changesOf(old.endpoints, fresh.endpoints, ({ tag }) => tag);
    const label = (tag: string): string => `${id} at ${tag}`;
    added.push(...endpoints.added.map(label));
    removed.push(...endpoints.removed.map(label));
    for (const [tag, one, other] of endpoints.both) {
      if (factsOf(one) !== factsOf(other)) changed.push(label(tag));
      prices.push(...priceChanges(one.price, other.price, flagBps).map((row) => ({ model: id, tag, ...row })));
    }
  }
  return {
    providersAdded: providers.added,
    providersRemoved: providers.removed,
    providersChanged: providers.both.filter(([, one, other]) => !isSame(one, other)).map(([slug]) => slug),
    modelsAdded: models.added,
    modelsRemoved: models.removed,
    endpointsAdded: added,
    endpointsRemoved: removed,
    endpointsChanged: changed,
    prices,
  };
}

/** True when some price moves by more than that share, or a price comes or goes. */
export function isBeyond(before: ListedPrice | null, after: ListedPrice | null, flagBps: number): boolean {
  return priceChanges(before, after, flagBps).some(({ isFlagged }) => isFlagged);
}

function changesOf<T>(
  before: readonly T[],
  after: readonly T[],
  nameOf: (row: T) => string,
): { added: string[]; removed: string[]; both: [string, T, T][] } {
  const old = new Map(before.map((row) => [nameOf(row), row]));
  const names = new Set(after.map(nameOf));
  const added: string[] = [];
  const both: [string, T, T][] = [];
  for (const row of after) {
    const name = nameOf(row);
    const known = old.get(name);
    if (known === undefined) added.push(name);
    else both.push([name, known, row]);
  }
  return { added, removed: [...old.keys()].filter((name) => !names.has(name)), both };
}

function factsOf({ price: _price, price_source: _source, ...facts }: Endpoint): string {
  return JSON.stringify(facts);
}

function isSame(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

function priceChanges(
  before: ListedPrice | null,
  after: ListedPrice | null,
  flagBps: number,
): Omit<PriceChange, "model" | "tag">[] {
  if (before === after) return [];
  const old = before === null ? new Map<string, PicoUsd>() : flat(before);
  const fresh = after === null ? new Map<string, PicoUsd>() : flat(after);
  return [...new Set([...old.keys(), ...fresh.keys()])].flatMap((key) => {
    const fromPusd = charged(old, key);
    const toPusd = charged(fresh, key);
    if (fromPusd === toPusd) return [];
    const changeBps = fromPusd === 0 ? null : Math.round(((toPusd - fromPusd) / fromPusd) * 10_000);
    // Exactly, in integers: over the share, not at it.
    const moved = BigInt(Math.abs(toPusd - fromPusd)) * 10_000n;
    return [{ key, fromPusd, toPusd, changeBps, isFlagged: moved > BigInt(fromPusd) * BigInt(flagBps) }];
  });
}

const STEP = ": ";

/** A price as a row of keys; those of its steps after their condition. */
function flat({ overrides, ...base }: ListedPrice): Map<string, PicoUsd> {
  const keys = new Map<string, PicoUsd>();
  const add = (before: string, row: SomePriceKeys): void => {
    for (const [name, value] of Object.entries(row)) if (typeof value === "number") keys.set(`${before}${name}`, value);
  };
  add("", base);
  for (const { min_prompt_tokens, utc_start, utc_end, ...row } of overrides ?? []) {
    const conditions = [
      ...(min_prompt_tokens === undefined ? [] : [`over ${min_prompt_tokens} tokens`]),
      ...(utc_start === undefined || utc_end === undefined
        ? []
        : [`from ${clock(utc_start)} to ${clock(utc_end)} UTC`]),
    ];
    add(`${conditions.join(", ")}${STEP}`, row);
  }
  return keys;
}

function clock(time: number): string {
  const text = String(time).padStart(4, "0");
  return `${text.slice(0, 2)}:${text.slice(2)}`;
}

/** What is charged under a key: its own price, that of the step's base, that of the key that stands in for it. */
function charged(prices: ReadonlyMap<string, PicoUsd>, key: string): PicoUsd {
  let name = key;
  for (let steps = 0; steps < 8; steps++) {
    const found = prices.get(name);
    if (found !== undefined) return found;
    const at = name.indexOf(STEP);
    const standIn = at === -1 ? FALLBACKS[name] : name.slice(at + STEP.length);
    if (standIn === undefined) return 0;
    name = standIn;
  }
  return 0;
}
