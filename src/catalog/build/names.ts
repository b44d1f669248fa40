/**
 * Which model of ours a name means, and what the packages know about it. Ids are those of OpenRouter's catalog as the
 * packages list it, and those that the overlay adds.
 */
import { AUTHOR_NAMES, EXTRA_IDS, FAMILY_AUTHORS, LEFT_OUT, OTHER_KEYS } from "../overlay/models.ts";
import { modelFacts, type ModelFacts } from "./facts.ts";
import { modelKey } from "./naming.ts";
import { pricedModels } from "./prices.ts";

/** What is known of a model, whoever serves it. */
export interface KnownModel {
  readonly name: string | null;
  readonly description: string;
  readonly contextTokens: number | null;
  readonly facts: ModelFacts | null;
}

export interface ModelNames {
  /**
   * The id that a name at some provider means; a name that no list has gets one, equal for all its spellings. `author`
   * is whose it is when its name does not say so; undefined for a name that tells no author.
   */
  idOf(spelled: string, author?: string): string | undefined;
  known(id: string): KnownModel;
}

/** Feeds of facts that are not bound to a provider of ours, best first. */
const FACT_FEEDS = [
  "openrouter",
  "openai",
  "anthropic",
  "google",
  "xai",
  "mistral",
  "deepseek",
  "zai",
  "moonshotai",
  "groq",
  "vercel",
];

/** Reads the packages' lists once. */
export function createModelNames(asOf: string): ModelNames {
  const listed = pricedModels("openrouter", asOf);
  const facts = new Map<string, ModelFacts>();
  for (const feed of FACT_FEEDS) {
    for (const model of modelFacts(feed)) {
      const { key } = modelKey(model.upstreamModel);
      if (!model.upstreamModel.includes(":") && !facts.has(key)) facts.set(key, model);
    }
  }
  const ids = new Map<string, string>(Object.entries(OTHER_KEYS));
  const candidates = [
    ...EXTRA_IDS,
    ...listed.map((model) => model.upstreamModel),
    ...modelFacts("openrouter").map((model) => model.upstreamModel),
  ];
  const isLeftOut = (id: string): boolean => LEFT_OUT.some((pattern) => pattern.test(id));
  const named = candidates.filter((id) => /^[a-z0-9][\w.-]*\/[\w.-]+$/.test(id));
  // Names of models that are not listed are known, too, so that no host lists them by another.
  for (const id of [...named.filter((each) => !isLeftOut(each)), ...named.filter(isLeftOut)]) {
    const { key } = modelKey(id);
    if (!ids.has(key)) ids.set(key, id);
  }
  return {
    idOf(spelled, author) {
      const { key } = modelKey(spelled);
      const id = ids.get(key) ?? ownId(spelled, key, author);
      if (id !== undefined) ids.set(key, id);
      return id;
    },
    known(id) {
      const row = listed.find((model) => model.upstreamModel === id);
      const found = facts.get(modelKey(id).key) ?? null;
      return {
        name: found?.name ?? row?.name ?? null,
        description: row?.description ?? "",
        contextTokens: row?.contextTokens ?? found?.contextTokens ?? null,
        facts: found,
      };
    },
  };
}

/** The id of a model that no list names: by the author in its spelling, by its family's name, else by the seed's author. */
function ownId(spelled: string, key: string, author: string | undefined): string | undefined {
  const parts = spelled.replace(/^(hf:|@cf\/)/, "").split("/");
  const written = parts.length > 1 ? parts.at(-2)?.toLowerCase() : undefined;
  const maker =
    (written === undefined ? undefined : (AUTHOR_NAMES[written] ?? written)) ??
    FAMILY_AUTHORS.find(([pattern]) => pattern.test(key))?.[1] ??
    author;
  if (maker === undefined) return undefined;
  const slug = (parts.at(-1) ?? "")
    .toLowerCase()
    .replace(/(\d)p(\d)/g, "$1.$2")
    .replace(/[^\w.-]/g, "-");
  // A precision or a "turbo" is a way to serve a model, not another model.
  const { suffix } = modelKey(slug);
  return `${maker}/${suffix === "" ? slug : key}`;
}
