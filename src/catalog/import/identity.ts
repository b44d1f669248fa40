/**
 * Which model of ours an entry of a list is. Every provider spells its models in its own way; spellings of one model have
 * one key (`build/naming.ts`). The model of a key is, in this order: what the catalog already has under that key; the name
 * in a list that has authors in its names; the base model that the list says; the author that most spellings name; the
 * author that the name gives away; the provider itself. An entry that was imported before stays where it is.
 */
import { modelKey } from "../build/naming.ts";
import { AUTHOR_PATTERNS, AUTHORS, OPEN_NAMES, OPENROUTER } from "../data/import-hosts.ts";
import { compareText } from "../../core/compare.ts";
import type { Catalog } from "../schema.ts";
import type { FeedEntry } from "./feed.ts";

const FREE = ":free";
const LISTED = /^[a-z0-9][\w.-]{0,63}\/[\w.-]{1,96}$/;
const SLUG_CHARS_MAX = 96;
const AUTHOR_CHARS_MAX = 64;
/** Another way to serve open weights, and another model where the weights are not open. */
const SPEED = /^(turbo|lite|basic)$/;

const AUTHOR = /^[a-z0-9][\w.-]*$/;
/** Parts of a provider's paths, which stand where an author would. */
const NO_AUTHORS = new Set(["accounts", "models", "pro", "free", "lora", "public", "hf", "workers-ai", "fal-ai"]);
const KNOWN_AUTHORS = new Set([...Object.values(AUTHORS), ...AUTHOR_PATTERNS.map(([, author]) => author)]);

/** The model id of each entry. Pure: the same catalog and entries give the same ids. */
export function modelIds(entries: readonly FeedEntry[], catalog: Catalog): ReadonlyMap<FeedEntry, string> {
  const known = knownNames(catalog);
  const groups = new Map<string, FeedEntry[]>();
  for (const entry of entries) {
    const key = keyOf(entry.upstreamModel);
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  const ids = new Map<FeedEntry, string>();
  for (const [key, group] of groups) {
    const made = known.byKey.get(key) ?? newId(key, group);
    const id = known.byName.get(made.toLowerCase()) ?? made;
    for (const entry of group) {
      const own = entry.isFree ? `${id}${FREE}` : id;
      ids.set(entry, known.byPlace.get(placeOf(entry.host.slug, entry.upstreamModel)) ?? own);
    }
  }
  return ids;
}

/** One model at one provider. Lists and providers differ in capitals, and none has two models that differ in nothing else. */
export function placeOf(provider: string, upstreamModel: string): string {
  return `${provider} ${upstreamModel.toLowerCase()}`;
}

interface KnownNames {
  /** Model ids by key; `:free` listings are found through their model. */
  readonly byKey: ReadonlyMap<string, string>;
  /** By every name that resolves, in lower case. */
  readonly byName: ReadonlyMap<string, string>;
  readonly byPlace: ReadonlyMap<string, string>;
}

function knownNames(catalog: Catalog): KnownNames {
  const byKey = new Map<string, string>();
  const byName = new Map<string, string>();
  const byPlace = new Map<string, string>();
  for (const model of catalog.models) {
    for (const endpoint of model.endpoints) byPlace.set(placeOf(endpoint.provider, endpoint.upstream_model), model.id);
    if (model.id.endsWith(FREE) || model.id.startsWith("~")) continue;
    const key = keyOf(model.id);
    if (!byKey.has(key)) byKey.set(key, model.id);
    for (const name of [model.id, model.canonical_slug, ...model.aliases]) byName.set(name.toLowerCase(), model.id);
  }
  return { byKey, byName, byPlace };
}

/** Equal for all spellings of one model. */
function keyOf(spelled: string): string {
  const plain = withoutVariant(spelled);
  const { key, suffix } = modelKey(plain);
  const speed = suffix
    .split("-")
    .filter((part) => SPEED.test(part))
    .join("-");
  if (key === "") return plain.toLowerCase();
  return speed === "" || OPEN_NAMES.test(key) ? key : `${key}-${speed}`;
}

function withoutVariant(spelled: string): string {
  return (spelled.endsWith(FREE) ? spelled.slice(0, -FREE.length) : spelled).replaceAll(":", "-");
}

function newId(key: string, group: readonly FeedEntry[]): string {
  const listed = group.find((entry) => entry.host.slug === OPENROUTER.slug);
  const spelled = listed === undefined ? "" : withoutVariant(listed.upstreamModel);
  if (LISTED.test(spelled)) return spelled;
  const base = group.find((entry) => entry.baseModel?.includes("/") === true)?.baseModel;
  if (typeof base === "string") return idFrom(authorIn(base) ?? "", lastPart(base));
  const named = group.flatMap((entry) => namedAuthor(entry.upstreamModel));
  const known = mostNamed(named.filter(({ author }) => KNOWN_AUTHORS.has(author)));
  if (known !== undefined) return known;
  const [shortest = key] = group
    .map((entry) => lastPart(withoutVariant(entry.upstreamModel)))
    .toSorted((a, b) => a.length - b.length || compareText(a, b));
  const author = AUTHOR_PATTERNS.find(([pattern]) => pattern.test(shortest))?.[1];
  if (author !== undefined) return idFrom(author, shortest);
  return mostNamed(named) ?? idFrom(group[0]?.host.slug ?? "", shortest);
}

interface NamedModel {
  readonly author: string;
  readonly id: string;
}

/** `deepseek-ai/DeepSeek-V3` names an author; `pro/deepseek-v3` and `deepseek-v3` do not. */
function namedAuthor(spelled: string): readonly NamedModel[] {
  const author = authorIn(spelled);
  if (author === undefined || !AUTHOR.test(author) || NO_AUTHORS.has(author)) return [];
  return [{ author, id: idFrom(author, lastPart(withoutVariant(spelled))) }];
}

/** The author before the last slash, as we spell it. */
function authorIn(spelled: string): string | undefined {
  const [author] = spelled.split("/").slice(-2, -1);
  if (author === undefined) return undefined;
  const lower = author.toLowerCase().replace(/^hf:/, "");
  return Object.hasOwn(AUTHORS, lower) ? AUTHORS[lower] : lower;
}

function mostNamed(named: readonly NamedModel[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { id } of named) counts.set(id, (counts.get(id) ?? 0) + 1);
  const [most] = [...counts].toSorted(
    ([a, one], [b, other]) => other - one || a.length - b.length || compareText(a, b),
  );
  return most?.[0];
}

function lastPart(spelled: string): string {
  return spelled.slice(spelled.lastIndexOf("/") + 1).toLowerCase();
}

function idFrom(author: string, slug: string): string {
  const clean = (text: string): string => text.replaceAll(/[^\w.-]+/g, "-");
  const first = clean(author).replace(/^[^a-z0-9]+/i, "") || "unknown";
  return `${first.slice(0, AUTHOR_CHARS_MAX)}/${(clean(slug) || "unknown").slice(0, SLUG_CHARS_MAX)}`;
}
