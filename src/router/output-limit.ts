/**
 * Limits of output that a client had to name. In some formats no request goes without one (Messages: `max_tokens`), so that
 * clients send a guess for models that they know nothing of: the AI SDK's Anthropic provider 128,000 for each Claude whose
 * name is new to it, here all of them. A guess beyond the longest answer that anybody gives is cut to that, with a warning;
 * a limit that was the client's choice leaves out the endpoints that cannot give so much (`max_output`). Pure.
 */
import type { ResolvedModel } from "../catalog/resolve.ts";
import type { ChatRequest } from "../core/chat.ts";
import type { ModelId, ProviderId } from "../core/ids.ts";
import type { ParsedBody } from "../dialects/dialect.ts";
import type { PlanInput } from "./plan.ts";

export interface Reachable {
  readonly request: ChatRequest;
  /** At most one. */
  readonly warnings: readonly string[];
}

/** The longest answer to be had counts where there is a credential, the shared one or an own; without any, everywhere. */
export function reachableLimit(
  request: ChatRequest,
  { mustNameLimit }: Pick<ParsedBody, "mustNameLimit">,
  models: readonly ResolvedModel[],
  { credentials, byok }: Pick<PlanInput, "credentials" | "byok">,
): Reachable {
  const { maxOutputTokens: asked } = request;
  if (asked === undefined || mustNameLimit !== true) return { request, warnings: [] };
  const maySend = (provider: ProviderId, model: ModelId): boolean =>
    credentials.has(provider) || (byok?.choose(provider, model) ?? null) !== null;
  const limits = (isOpen: typeof maySend): number[] =>
    models.flatMap(({ entry: { model } }) =>
      model.endpoints
        .filter(({ provider }) => isOpen(provider, model.id))
        .map((endpoint) => endpoint.max_completion_tokens ?? endpoint.context_length),
    );
  const open = limits(maySend);
  const longest = Math.max(0, ...(open.length === 0 ? limits(() => true) : open));
  if (longest === 0 || asked <= longest) return { request, warnings: [] };
  return {
    request: { ...request, maxOutputTokens: longest },
    warnings: [`max_tokens: ${longest} was used, the longest answer to be had; ${asked} were asked for.`],
  };
}
