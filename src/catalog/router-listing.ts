/**
 * Router models as the list of models shows them, as OpenRouter shows its own: what some model that may be chosen can do,
 * the router can. The price of `auto` is the chosen model's and stands as "-1"; `free` costs nothing. A router that has
 * nothing to choose from is not listed. Pure.
 */
import { publicParameters, type ListingRow, type PublicModel } from "./listing.ts";
import { compareText } from "../core/compare.ts";
import { ROUTER_NAMES, type RouterKind } from "./router-names.ts";

/** What stands for a price that depends on the model that is chosen. */
export const CHOSEN_PRICE = "-1";

const TEXTS: { readonly [kind in RouterKind]: { readonly name: string; readonly description: string } } = {
  auto: {
    name: "Auto Router",
    description:
      "Each conversation is served by a model that fits its task, its needs and the price band. " +
      "The answer names the model; its price is charged.",
  },
  free: {
    name: "Free Models Router",
    description: "Each request is served by one of the free models that can serve it. The answer names the model.",
  },
};

/** The rows behind those of the models: each router under its own name, then under the other names it has. */
export function routerRows(rows: readonly ListingRow[]): readonly ListingRow[] {
  return Object.entries(ROUTER_NAMES).flatMap(([id, kind]) => {
    const able = rows.filter((row) => mayBeChosen(row, kind));
    if (able.length === 0) return [];
    const own = `waypost/${kind}`;
    const row = routerRow(kind, own, able);
    if (id === own) return [row];
    const target = { name: row.model.name, slug: own };
    return [{ ...row, model: { ...row.model, id, canonical_slug: id, alias_target: target } }];
  });
}

function mayBeChosen({ model }: ListingRow, kind: RouterKind): boolean {
  if (model.alias_target !== undefined || !model.architecture.output_modalities.includes("text")) return false;
  return kind === "free" ? model.id.endsWith(":free") : !model.id.includes(":");
}

function routerRow(kind: RouterKind, id: string, able: readonly ListingRow[]): ListingRow {
  const price = kind === "free" ? 0 : null;
  return {
    model: routerModel(kind, id, able),
    promptPusd: price,
    completionPusd: price,
    providers: union(able, (row) => row.providers),
    regions: union(able, (row) => row.regions).toSorted(compareText),
    zdr: able.some((row) => row.zdr),
    distillable: able.some((row) => row.distillable),
    typicalTtftMs: null,
  };
}

function routerModel(kind: RouterKind, id: string, able: readonly ListingRow[]): PublicModel {
  const inputs = union(able, ({ model }) => model.architecture.input_modalities);
  const outputs = union(able, ({ model }) => model.architecture.output_modalities);
  const parameters = new Set(able.flatMap(({ model }) => model.supported_parameters));
  const contextLength = Math.max(...able.map(({ model }) => model.context_length));
  const price = kind === "free" ? "0" : CHOSEN_PRICE;
  return {
    id,
    canonical_slug: id,
    hugging_face_id: null,
    ...TEXTS[kind],
    created: 0,
    context_length: contextLength,
    architecture: {
      modality: `${inputs.join("+")}->${outputs.join("+")}`,
      input_modalities: inputs,
      output_modalities: outputs,
      tokenizer: "Router",
      instruct_type: null,
    },
    pricing: { prompt: price, completion: price },
    top_provider: { context_length: contextLength, max_completion_tokens: null, is_moderated: false },
    per_request_limits: null,
    supported_parameters: publicParameters(parameters),
    default_parameters: null,
    supported_voices: null,
    ...(parameters.has("reasoning") ? { reasoning: { mandatory: false } } : {}),
    price_tier: kind === "free" ? "free" : null,
    categories: [],
    knowledge_cutoff: null,
    expiration_date: null,
    links: { details: `/api/v1/models/${id}/endpoints` },
  };
}

function union<T>(rows: readonly ListingRow[], valuesOf: (row: ListingRow) => readonly T[]): readonly T[] {
  return [...new Set(rows.flatMap(valuesOf))];
}
