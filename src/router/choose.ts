/**
 * What a router model is for one request: at most CHOSEN_MAX models of the menu, in the order in which they will be tried.
 * Pure and replayable: the same menu, request and seed give the same models.
 *
 * `auto`: of the models that could serve, cheapest first, the band of prices that the task calls for (or that the request
 * names); of these the POOL_MAX that are best by published results of the task's area, by category and by age where
 * nobody measured; of these a draw by quality. `free`: an even draw among the free models that could serve.
 * The draw is that of score.ts: a model's place depends on the seed and itself alone, so that what leaves or joins the
 * pool never reorders the others.
 */
import type { MenuRow } from "../catalog/menu.ts";
import type { RouterKind } from "../catalog/router-names.ts";
import { hash32 } from "../core/clock.ts";
import type { ModelId } from "../core/ids.ts";
import type { AutoWishes, CostTier } from "../dialects/plugins.ts";
import { TRAITS, type Classified, type TaskTraits } from "./classify.ts";
import { menuRefusal, type MenuRules } from "./menu-filter.ts";
import { drawOf, drawUniform } from "./score.ts";

export interface ChooseInput {
  readonly kind: RouterKind;
  /** Cheapest first. */
  readonly menu: readonly MenuRow[];
  readonly rules: MenuRules;
  readonly classified: Classified;
  /** Whether a credential for one of its providers is at hand. */
  readonly isReachable: (row: MenuRow) => boolean;
  readonly seed: string;
}

/** A band of the models that could serve, in percent of their number, cheapest first. */
export interface Band {
  readonly name: CostTier | "tradeoff";
  readonly fromPercent: number;
  readonly toPercent: number;
}

export interface Chosen {
  /** At most CHOSEN_MAX; none when nothing could serve. */
  readonly models: readonly ModelId[];
  /** Null: price plays no part. */
  readonly band: Band | null;
  /** Models that could serve, of any price. */
  readonly ableCount: number;
  /** Why the others were left out, and how many each. */
  readonly refusals: ReadonlyMap<string, number>;
}

/** Values that a cold isolate reads beside index and menu. */
export const CHOSEN_MAX = 4;
const POOL_MAX = 8;
const OUT_OF_REACH = "without a provider to call";

const BANDS: { readonly [name in CostTier]: Band } = {
  low: { name: "low", fromPercent: 0, toPercent: 20 },
  medium: { name: "medium", fromPercent: 20, toPercent: 40 },
  high: { name: "high", fromPercent: 40, toPercent: 60 },
  xhigh: { name: "xhigh", fromPercent: 60, toPercent: 80 },
  max: { name: "max", fromPercent: 80, toPercent: 100 },
};
/** `cost_quality_tradeoff` 10 keeps the cheapest tenth, 0 all but the dearest tenth (openrouter.ai/docs, auto router). */
const TRADEOFF_STEPS = 10;
const CEILING_PERCENT = 90;

/** Quality of a model that nobody measured, of 1: old and new. What is measured mostly lies between 0.2 and 0.7. */
const UNMEASURED_MIN = 0.2;
const UNMEASURED_MAX = 0.35;
/** How long ago a release counts half as new. */
const HALF_LIFE_S = 365 * 86_400;
/** What a model gains that was made for the task, and what one loses that was made for others. */
const CATEGORY_BONUS = 0.15;
/** How much better goes before good: with 4, of two models with 0.6 and 0.3 the better one is first 16 times of 17. */
const QUALITY_POWER = 4;

/** The models for one request. */
export function chooseModels(input: ChooseInput): Chosen {
  const { menu, rules, classified, kind } = input;
  const refusals = new Map<string, number>();
  const able: MenuRow[] = [];
  for (const row of menu) {
    const refusal = menuRefusal(row, rules) ?? (input.isReachable(row) ? null : OUT_OF_REACH);
    if (refusal === null) able.push(row);
    else refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
  }
  const band = kind === "free" ? null : bandOf(classified, rules.wishes, rules.request.reasoning?.effort);
  const seedHash = hash32(input.seed);
  const draw = ({ id }: MenuRow, weight: number): number => -Math.log(drawUniform(drawOf(seedHash, id), "")) / weight;
  const pool = band === null ? able.map((row) => ({ row, quality: 1 })) : bestOf(within(able, band), classified);
  const models = pool
    .map(({ row, quality }) => ({ id: row.id, key: draw(row, quality ** QUALITY_POWER) }))
    .toSorted((a, b) => a.key - b.key)
    .slice(0, CHOSEN_MAX)
    .map(({ id }) => id);
  return { models, band, ableCount: able.length, refusals };
}

/** The band that the request names, else the cheapest, else, where the task is hard or thorough thought asked for, the next. */
export function bandOf({ task }: Classified, wishes: AutoWishes | undefined, effort: string | undefined): Band {
  if (wishes?.costTier !== null && wishes?.costTier !== undefined) return BANDS[wishes.costTier];
  if (wishes?.costTradeoff !== null && wishes?.costTradeoff !== undefined) {
    const step = (CEILING_PERCENT - CEILING_PERCENT / 9) / TRADEOFF_STEPS;
    return { name: "tradeoff", fromPercent: 0, toPercent: CEILING_PERCENT - step * wishes.costTradeoff };
  }
  const isThorough = effort === "high" || effort === "xhigh" || effort === "max";
  return TRAITS[task].isHard || isThorough ? BANDS.medium : BANDS.low;
}

/** The rows of a band; never empty unless `able` is. */
function within(able: readonly MenuRow[], { fromPercent, toPercent }: Band): readonly MenuRow[] {
  const from = Math.min(Math.floor((able.length * fromPercent) / 100), Math.max(0, able.length - 1));
  const to = Math.ceil((able.length * toPercent) / 100);
  return able.slice(from, Math.max(from + 1, to));
}

interface Rated {
  readonly row: MenuRow;
  readonly quality: number;
}

function bestOf(rows: readonly MenuRow[], { task }: Classified): readonly Rated[] {
  const newestS = Math.max(0, ...rows.map(({ createdS }) => createdS));
  return rows
    .map((row) => ({ row, quality: qualityOf(row, TRAITS[task], newestS) }))
    .toSorted((a, b) => b.quality - a.quality || (a.row.id < b.row.id ? -1 : 1))
    .slice(0, POOL_MAX);
}

/** How well a model is expected to do the task, above 0 and about 1 at most. */
export function qualityOf(row: MenuRow, { area, category }: TaskTraits, newestS: number): number {
  const measured = row.scores?.[area] ?? row.scores?.intelligence ?? null;
  const age = 2 ** ((row.createdS - newestS) / HALF_LIFE_S);
  const base = measured === null ? UNMEASURED_MIN + (UNMEASURED_MAX - UNMEASURED_MIN) * age : measured / 100;
  const isMadeFor = category !== null && row.categories.includes(category);
  const fit = isMadeFor ? CATEGORY_BONUS : row.categories.length > 0 ? -CATEGORY_BONUS : 0;
  return Math.max(0.01, base + fit);
}
