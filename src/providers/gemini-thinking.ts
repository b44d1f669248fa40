/**
 * What a request's reasoning wish becomes at Gemini: a level for Gemini 3, a budget in tokens before. Thoughts count
 * towards maxOutputTokens in either case, so no limit of the client's has to move.
 * Source: https://ai.google.dev/gemini-api/docs/thinking (accessed 2026-11-21), with the table of budgets per model.
 */
import type { ChatRequest, ReasoningEffort, ReasoningRequest } from "../core/chat.ts";
import type { Target } from "./adapter.ts";
import { leftOut, SHARE_OF_EFFORT, wantsReasoning, type Notes, type WireObject } from "./echo.ts";

/** -1: the model decides by itself. */
const BUDGET_DYNAMIC = -1;
/** Largest answer of the Gemini 2.5 family, for the share when nobody names a limit. */
const MAX_TOKENS_DEFAULT = 65_536;

/** @returns null when nothing has to be said about thinking. `generation` is 3 for Gemini 3.x, 0 when unknown. */
export function thinkingConfigOf(
  request: ChatRequest,
  target: Target,
  generation: number,
  notes: Notes,
): WireObject | null {
  const reasoning = request.reasoning;
  if (reasoning === undefined) return null;
  const isRefused = reasoning.enabled === false || reasoning.effort === "none";
  if (!target.supportedParameters.includes("reasoning")) {
    if (wantsReasoning(reasoning)) leftOut(notes, "reasoning");
    return null;
  }
  const amount =
    generation >= 3
      ? levelOf(reasoning, target.upstreamModel, isRefused, notes)
      : budgetOf(
          reasoning,
          request.maxOutputTokens ?? target.maxCompletionTokens ?? MAX_TOKENS_DEFAULT,
          target,
          isRefused,
          notes,
        );
  const isShown = !isRefused && reasoning.exclude !== true;
  return { ...(isShown ? { includeThoughts: true } : {}), ...amount };
}

const LEVEL: Readonly<Record<ReasoningEffort, string>> = {
  none: "minimal",
  minimal: "minimal",
  low: "low",
  medium: "medium",
  high: "high",
  xhigh: "high",
  max: "high",
};

/** The others answer 400: https://ai.google.dev/gemini-api/docs/thinking#thinking-levels (accessed 2026-11-21). */
const KNOWS_MINIMAL = /gemini-3-flash|flash-lite/;

function levelOf(reasoning: ReasoningRequest, model: string, isRefused: boolean, notes: Notes): WireObject {
  if (!isRefused && reasoning.maxTokens !== undefined) return { thinkingBudget: reasoning.maxTokens };
  if (!isRefused && reasoning.effort === undefined) return {};
  const wanted = isRefused ? "minimal" : LEVEL[reasoning.effort ?? "medium"];
  const level = wanted === "minimal" && !KNOWS_MINIMAL.test(model) ? "low" : wanted;
  if (isRefused) notes.warnings.add(`Reasoning cannot be turned off for this model; level ${level} was sent.`);
  else if (level !== reasoning.effort) {
    notes.warnings.add(`Reasoning effort ${reasoning.effort ?? ""} is not known here; ${level} was sent instead.`);
  }
  return { thinkingLevel: level };
}

function budgetOf(
  reasoning: ReasoningRequest,
  maxTokens: number,
  target: Target,
  isRefused: boolean,
  notes: Notes,
): WireObject {
  const [least, most] = rangeOf(target.upstreamModel);
  if (isRefused) {
    if (least === 128) notes.warnings.add("Reasoning cannot be turned off for this model; the least budget was sent.");
    return { thinkingBudget: least === 128 ? least : 0 };
  }
  if (reasoning.maxTokens === undefined && reasoning.effort === undefined) {
    return reasoning.enabled === true ? { thinkingBudget: BUDGET_DYNAMIC } : {};
  }
  const effort = reasoning.effort === undefined || reasoning.effort === "none" ? "medium" : reasoning.effort;
  const wanted = reasoning.maxTokens ?? Math.floor(maxTokens * SHARE_OF_EFFORT[effort]);
  const budget = Math.min(Math.max(wanted, least), most);
  if (reasoning.maxTokens !== undefined && budget !== wanted) {
    notes.warnings.add(`reasoning.max_tokens ${wanted} is out of this model's range; ${budget} was sent.`);
  }
  return { thinkingBudget: budget };
}

/** Least and largest budget, in tokens, that a 2.5 model takes besides 0. */
function rangeOf(model: string): readonly [number, number] {
  if (model.includes("flash-lite")) return [512, 24_576];
  if (model.includes("flash")) return [1, 24_576];
  return [128, 32_768];
}
