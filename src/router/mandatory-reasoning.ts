/**
 * Models that cannot do without reasoning, and requests that switch it off. Such a model would answer the request
 * otherwise than it was asked, so it is left out; where none remains the request is refused. Pure.
 * The refusal is worded as at OpenRouter.
 */
import type { ResolvedModel } from "../catalog/resolve.ts";
import type { ReasoningRequest } from "../core/chat.ts";
import type { RouterError } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";

export interface Reasonable {
  /** At least one. */
  readonly models: readonly ResolvedModel[];
  /** One sentence per model that was left out. */
  readonly warnings: readonly string[];
}

/** The models that can do what `reasoning` says. @returns `bad_request` when it switches off what every model must do. */
export function reasonableModels(
  models: readonly ResolvedModel[],
  reasoning: ReasoningRequest | undefined,
): Result<Reasonable, RouterError> {
  if (!isReasoningOff(reasoning)) return ok({ models, warnings: [] });
  const able = models.filter(({ entry }) => !entry.model.reasoning_mandatory);
  if (able.length === 0 && models.length > 0) {
    const message = "Reasoning is mandatory for this endpoint and cannot be disabled.";
    return err({ kind: "bad_request", message, path: "reasoning" });
  }
  const left = models.filter((model) => !able.includes(model));
  return ok({
    models: able,
    warnings: left.map(({ entry }) => `${entry.model.id} was not tried: it cannot do without reasoning.`),
  });
}

/** Whether the client wants none. An effort says more than the switch. */
export function isReasoningOff(reasoning: ReasoningRequest | undefined): boolean {
  return reasoning?.effort === undefined ? reasoning?.enabled === false : reasoning.effort === "none";
}
