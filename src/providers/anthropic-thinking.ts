/**
 * What a request's reasoning wish becomes at Anthropic: a budget in tokens up to Claude 4.5, `adaptive` with an effort
 * from 4.6 on (4.7 and later refuse a budget). Whatever has to give way is named in a warning; a limit that the client
 * set is never raised.
 * Sources: https://platform.claude.com/docs/en/build-with-claude/extended-thinking and .../adaptive-thinking and
 * .../effort (accessed 2026-11-21). Budgets are tokens.
 */
import type { ChatRequest, ReasoningEffort, ReasoningRequest } from "../core/chat.ts";
import type { Target } from "./adapter.ts";
import type { Turn } from "./anthropic-messages.ts";
import { leftOut, SHARE_OF_EFFORT, wantsReasoning, type Notes, type WireObject } from "./echo.ts";

const BUDGET_TOKENS_MIN = 1024;
const BUDGET_TOKENS_MAX = 128_000;
/** What is asked for when neither the client nor the catalog names a limit: Anthropic requires one. */
const MAX_TOKENS_DEFAULT = 4096;

export interface ThinkingPlan {
  readonly thinking: WireObject | null;
  /** For `output_config`; null when nothing was asked. */
  readonly effort: string | null;
  readonly maxTokens: number;
}

/** Claude's version as a number, 407 for "claude-opus-4-7"; null for models that do not say. */
export function versionOf(model: string): number | null {
  const found = /claude-(?:[a-z]+-)?(\d)(?:[-.](\d{1,2}))?(?!\d)/.exec(model);
  return found === null ? null : Number(found[1]) * 100 + Number(found[2] ?? 0);
}

/** What excludes thinking. */
export interface ThinkingLimits {
  /** The answer must be a tool call. */
  readonly forcesTool: boolean;
  /** The last turn of the assistant goes on without thinking at its head, which a budget does not allow. */
  readonly lacksThinking: boolean;
}

/** How this request thinks. */
export function thinkingPlanOf(
  request: ChatRequest,
  target: Target,
  limits: ThinkingLimits,
  notes: Notes,
): ThinkingPlan {
  const maxTokens = request.maxOutputTokens ?? target.maxCompletionTokens ?? MAX_TOKENS_DEFAULT;
  const without: ThinkingPlan = { thinking: null, effort: null, maxTokens };
  const reasoning = request.reasoning;
  const isSupported = target.supportedParameters.includes("reasoning");
  if (reasoning === undefined) return without;
  if (!wantsReasoning(reasoning)) {
    const isRefused = reasoning.enabled === false || reasoning.effort === "none";
    return isRefused && isSupported ? { ...without, thinking: { type: "disabled" } } : without;
  }
  if (!isSupported) {
    leftOut(notes, "reasoning");
    return without;
  }
  if (limits.forcesTool) {
    notes.warnings.add("reasoning cannot be combined with a forced tool call here and was left out.");
    return without;
  }
  const version = versionOf(target.upstreamModel);
  const isAdaptive = version !== null && version >= 406 && !(version === 406 && reasoning.maxTokens !== undefined);
  return isAdaptive
    ? adaptivePlan(reasoning, version, maxTokens, notes)
    : budgetPlan(request, reasoning, target, limits.lacksThinking, notes);
}

function adaptivePlan(reasoning: ReasoningRequest, version: number, maxTokens: number, notes: Notes): ThinkingPlan {
  const wanted =
    reasoning.effort ?? (reasoning.maxTokens === undefined ? "medium" : effortOfShare(reasoning.maxTokens / maxTokens));
  const effort = effortOf(wanted, version);
  if (reasoning.maxTokens !== undefined) {
    notes.warnings.add(`reasoning.max_tokens cannot be set for this model; effort ${effort} was sent instead.`);
  } else if (effort !== wanted) {
    notes.warnings.add(`Reasoning effort ${wanted} is not known here; ${effort} was sent instead.`);
  }
  // Newer models leave the text of their thinking out unless it is asked for.
  const display = reasoning.exclude === true ? "omitted" : "summarized";
  return { thinking: { type: "adaptive", display }, effort, maxTokens };
}

/** The nearest effort that the model knows; `xhigh` came with 4.7. */
export function effortOf(effort: string, version: number | null): string {
  if (effort === "minimal") return "low";
  if (effort === "xhigh" && version !== null && version < 407) return "high";
  return effort;
}

function effortOfShare(share: number): ReasoningEffort {
  if (share <= 0.35) return "low";
  if (share <= 0.65) return "medium";
  return "high";
}

function budgetPlan(
  request: ChatRequest,
  reasoning: ReasoningRequest,
  target: Target,
  isUnthought: boolean,
  notes: Notes,
): ThinkingPlan {
  const limit = request.maxOutputTokens ?? target.maxCompletionTokens;
  const fallback = Math.max(MAX_TOKENS_DEFAULT, (reasoning.maxTokens ?? 0) + MAX_TOKENS_DEFAULT);
  const maxTokens = limit ?? fallback;
  const without: ThinkingPlan = { thinking: null, effort: null, maxTokens };
  if (maxTokens <= BUDGET_TOKENS_MIN) {
    notes.warnings.add(`reasoning needs more than ${BUDGET_TOKENS_MIN} max_tokens here and was left out.`);
    return without;
  }
  if (isUnthought) {
    notes.warnings.add("reasoning was left out: the last assistant message does not carry its own signed reasoning.");
    return without;
  }
  const share =
    SHARE_OF_EFFORT[reasoning.effort === undefined || reasoning.effort === "none" ? "medium" : reasoning.effort];
  const wanted = reasoning.maxTokens ?? Math.floor(maxTokens * share);
  let budget = Math.min(Math.max(wanted, BUDGET_TOKENS_MIN), BUDGET_TOKENS_MAX);
  // The budget is part of max_tokens, and some of that must be left for the answer.
  if (budget >= maxTokens) budget = Math.max(BUDGET_TOKENS_MIN, Math.floor(maxTokens * SHARE_OF_EFFORT.max));
  if (reasoning.maxTokens !== undefined && budget !== reasoning.maxTokens) {
    notes.warnings.add(
      `reasoning.max_tokens ${reasoning.maxTokens} does not fit max_tokens ${maxTokens}; ${budget} was sent.`,
    );
  }
  return { thinking: { type: "enabled", budget_tokens: budget }, effort: null, maxTokens };
}

/**
 * With a budget the API refuses a conversation whose last assistant turn goes on without thinking at its head: a tool
 * loop begun at another provider, or a prefilled answer.
 */
export function lacksThinking(turns: readonly Turn[]): boolean {
  const last = turns.at(-1);
  const isToolLoop = last?.role === "user" && last.content[0]?.["type"] === "tool_result";
  if (last?.role === "user" && !isToolLoop) return false;
  const answer = turns.findLast((turn) => turn.role === "assistant");
  const head = answer?.content[0]?.["type"];
  return answer !== undefined && head !== "thinking" && head !== "redacted_thinking";
}
