/**
 * How the measured form of answers orders a plan. Pure; depends on the request, the seed and the endpoint alone.
 *
 * With `sort: "exacto"` (or `:exacto`): endpoints that are proven good, then those of which too little is known, then weak
 * and poor ones; requests without tools and structured output are ordered by tool calls. In the default order the same,
 * for requests with tools or structured output alone; but there a tenth of the seeds takes what is unproven for good.
 * Without that an endpoint that is new, or was set back two hours ago, would never be asked and never be proven. The
 * client's own `order` and every other `sort` leave quality aside.
 * Sources: section "Ordering" of the public routing documentation, https://openrouter.ai/docs/guides/routing/auto-exacto and
 * https://openrouter.ai/docs/guides/routing/model-variants/exacto (read 2026-11-21). The share of seeds is ours.
 */
import type { Health } from "../limits/health.ts";
import { QUALITY_TIERS, qualityTier, type QualityTier } from "../limits/quality.ts";
import type { RequestFacts } from "./filter.ts";
import type { Preferences, SortKey } from "./preferences.ts";
import { drawOf, drawUniform } from "./score.ts";

/** What quality a request's order looks at. */
export interface QualityWish {
  readonly toolCalls: boolean;
  readonly structured: boolean;
  /** What is unproven stands with what is good. */
  readonly isExploring: boolean;
}

/** How many of the seeds try what is not proven. */
const EXPLORING_SHARE = 0.1;

/** Null for most requests: quality plays no part in their order. */
export function qualityWish(
  { parameters }: Pick<RequestFacts, "parameters">,
  { order }: Pick<Preferences, "order">,
  sort: SortKey | null,
  seedHash: number,
): QualityWish | null {
  const isExacto = sort === "exacto";
  if (!isExacto && (sort !== null || order !== null)) return null;
  const structured = parameters.includes("response_format");
  const toolCalls = parameters.includes("tools") || (isExacto && !structured);
  if (!toolCalls && !structured) return null;
  const isExploring = !isExacto && drawUniform(drawOf(seedHash, ""), "unproven") < EXPLORING_SHARE;
  return { toolCalls, structured, isExploring };
}

/** The tier of an endpoint by what its regions have counted together: they run the same model. The worse of two kinds. */
export function tierOfEndpoint(known: readonly (Health | undefined)[], wish: QualityWish): QualityTier {
  let at = 0;
  if (wish.toolCalls) at = Math.max(at, QUALITY_TIERS.indexOf(tierBy(known, "toolCalls")));
  if (wish.structured) at = Math.max(at, QUALITY_TIERS.indexOf(tierBy(known, "structured")));
  return QUALITY_TIERS[at] ?? "unproven";
}

function tierBy(known: readonly (Health | undefined)[], kind: "toolCalls" | "structured"): QualityTier {
  let good = 0;
  let bad = 0;
  for (const health of known) {
    const tally = health?.[kind];
    if (tally === undefined) continue;
    good += tally.good;
    bad += tally.bad;
  }
  return qualityTier(good, bad);
}

/** The tier's place in the order; 0 first. */
export function qualityPlace(tier: QualityTier, { isExploring }: QualityWish): number {
  return isExploring && tier === "unproven" ? 0 : QUALITY_TIERS.indexOf(tier);
}
