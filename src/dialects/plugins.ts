/**
 * The `plugins` of a body, in every dialect that has them: the one that is here, `auto-router`, says what `waypost/auto`
 * may choose from; the others are named in a warning. Limits: PLUGINS_MAX plugins, PATTERNS_MAX patterns of a list.
 */
import * as z from "zod";
import type { Warn } from "./body.ts";

/** From the cheapest fifth of the models that could answer to the dearest. */
const COST_TIERS = ["low", "medium", "high", "xhigh", "max"] as const;
export type CostTier = (typeof COST_TIERS)[number];

/** What the client wants of the choice among models. In a pattern a star stands for anything. */
export interface AutoWishes {
  /** Null: all. */
  readonly allowed: readonly string[] | null;
  readonly excluded: readonly string[];
  readonly costTier: CostTier | null;
  /** 0 (any price) to 10 (the very cheapest), where no tier is given; null: not said. */
  readonly costTradeoff: number | null;
}

const PLUGINS_MAX = 32;
const PATTERNS_MAX = 256;
const PATTERN_CHARS_MAX = 256;
const AUTO_ROUTER = "auto-router";

const patterns = z.array(z.string().min(1).max(PATTERN_CHARS_MAX)).max(PATTERNS_MAX).nullish();

export const plugins = z
  .array(
    z.looseObject({
      id: z.string().min(1).max(64),
      enabled: z.boolean().nullish(),
      allowed_models: patterns,
      excluded_models: patterns,
      cost_tier: z.enum(COST_TIERS).nullish(),
      cost_quality_tradeoff: z.number().min(0).max(10).nullish(),
    }),
  )
  .max(PLUGINS_MAX)
  .nullish();

type Plugins = z.infer<typeof plugins>;

/** What the request says of `waypost/auto`; undefined: nothing. */
export function autoWishesOf(wire: Plugins): AutoWishes | undefined {
  const found = (wire ?? []).find(({ id, enabled }) => id === AUTO_ROUTER && enabled !== false);
  if (found === undefined) return undefined;
  const allowed = found.allowed_models ?? [];
  return {
    allowed: allowed.length === 0 ? null : allowed,
    excluded: found.excluded_models ?? [],
    costTier: found.cost_tier ?? null,
    costTradeoff: found.cost_quality_tradeoff ?? null,
  };
}

/** Names the plugins that are not there, and what this one cannot do. */
export function warnOfPlugins(wire: Plugins, warn: Warn): void {
  for (const plugin of wire ?? []) {
    if (plugin.enabled === false) continue;
    if (plugin.id !== AUTO_ROUTER) warn(`The plugin ${JSON.stringify(plugin.id)} is not available and was left out`);
    else if (plugin["pin_model"] === true)
      warn("pin_model is not available: a conversation keeps its model by its start");
  }
}
