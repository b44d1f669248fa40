/**
 * Which rows of the menu a request may be served by: the same rules as for endpoints (filter.ts), asked of a whole model.
 * A row that passes may still fail at every single endpoint, and then the plan says why; a row that is left out here has
 * no endpoint that could serve. Lists of the client's and of its key are hard. Pure.
 */
import type { MenuRow } from "../catalog/menu.ts";
import type { EpochMs } from "../core/clock.ts";
import type { ChatRequest } from "../core/chat.ts";
import type { Home, ProviderId } from "../core/ids.ts";
import type { AutoWishes } from "../dialects/plugins.ts";
import { isAllowed } from "../limits/tenant-limits.ts";
import { isHardware, type RequestFacts } from "./filter.ts";
import { isReasoningOff } from "./mandatory-reasoning.ts";
import type { Preferences } from "./preferences.ts";

export interface MenuRules {
  readonly request: ChatRequest;
  readonly facts: RequestFacts;
  readonly preferences: Preferences;
  /** Of a plugin of the request; undefined: none. */
  readonly wishes: AutoWishes | undefined;
  /** What the key may use; null: everything. */
  readonly allowedModels: readonly string[] | null;
  readonly allowedProviders: readonly string[] | null;
  readonly accountHome: Home;
  readonly isFree: boolean;
  /** Chosen before, to no avail. */
  readonly tried: ReadonlySet<string>;
  readonly nowMs: EpochMs;
}

/** Why a row is left out, in a few words; null when it may be chosen. */
export function menuRefusal(row: MenuRow, rules: MenuRules): string | null {
  return (
    listRefusal(row, rules) ?? policyRefusal(row, rules) ?? capabilityRefusal(row, rules) ?? priceRefusal(row, rules)
  );
}

function listRefusal(
  row: MenuRow,
  { wishes, allowedModels, allowedProviders, preferences, ...rules }: MenuRules,
): string | null {
  if (row.id.endsWith(":free") !== rules.isFree) return rules.isFree ? "not free" : "free";
  if (rules.tried.has(row.id)) return "no endpoint can serve";
  if (!isAllowed(row.id, allowedModels)) return "not for this API key";
  const hasProvider = (list: readonly string[]): boolean => row.places.some(({ provider }) => list.includes(provider));
  if (allowedProviders !== null && !hasProvider(allowedProviders)) return "not for this API key";
  const { allowed = null, excluded = [] } = wishes ?? {};
  if (allowed !== null && !allowed.some((pattern) => matches(pattern, row.id))) return "not in allowed_models";
  if (excluded.some((pattern) => matches(pattern, row.id))) return "in excluded_models";
  const { only, ignore, order, allowFallbacks } = preferences;
  const isNamed = (list: readonly string[]): boolean => row.names.some((name) => list.includes(name));
  if (only !== null && !isNamed(only)) return "not in provider.only";
  if (!allowFallbacks && order !== null && !isNamed(order)) return "not in provider.order";
  const isIgnored = (provider: ProviderId): boolean => ignore?.includes(provider) === true;
  if (row.places.every(({ provider }) => isIgnored(provider))) return "in provider.ignore";
  return null;
}

function policyRefusal(row: MenuRow, { preferences, accountHome }: MenuRules): string | null {
  if (preferences.zdr && !row.zdr) return "no zero data retention";
  if (preferences.denyDataCollection && !row.keepsNothing) return "may keep prompts";
  if (preferences.distillableOnly && !row.isDistillable) return "not for distillation";
  const { hardware } = preferences;
  if (hardware !== null && !hardware.some((name) => row.hardware?.some((found) => isHardware(name, found)) === true)) {
    return "not on provider.hardware";
  }
  for (const pin of [preferences.region, accountHome]) {
    if (pin !== null && pin !== "gl" && !row.regions.includes(pin)) return `not in ${pin}`;
  }
  return null;
}

/** The parameters without which the answer would be another one; what a model ignores of others is said in a warning. */
const NEEDED: readonly { readonly asked: string; readonly by: readonly string[] }[] = [
  { asked: "tools", by: ["tools"] },
  { asked: "structured_outputs", by: ["structured_outputs", "response_format"] },
  { asked: "response_format", by: ["response_format", "structured_outputs"] },
];

function capabilityRefusal(row: MenuRow, { facts, request, nowMs }: MenuRules): string | null {
  for (const kind of facts.modalities) if (!row.inputs.includes(kind)) return `takes no ${kind} input`;
  // Who asks for text is not given a model that paints.
  if (facts.outputModalities === null && row.outputs.some((kind) => kind !== "text"))
    return "answers with more than text";
  for (const kind of facts.outputModalities ?? []) if (!row.outputs.includes(kind)) return `gives no ${kind} output`;
  for (const { asked, by } of NEEDED) {
    if (facts.parameters.includes(asked) && !by.some((name) => row.parameters.includes(name)))
      return `takes no ${asked}`;
  }
  const isOff = isReasoningOff(request.reasoning);
  if (isOff && row.isReasoningMandatory) return "cannot do without reasoning";
  if (request.reasoning !== undefined && !isOff && !row.parameters.includes("reasoning")) return "does not reason";
  if (row.contextLength < facts.promptTokensEstimate + (facts.maxOutputTokens ?? 1)) return "context too short";
  if (facts.maxOutputTokens !== null && row.maxOutput !== null && row.maxOutput < facts.maxOutputTokens) {
    return "answers too short";
  }
  return row.expirationDate !== null && row.expirationDate <= dayOf(nowMs) ? "switched off" : null;
}

function priceRefusal(row: MenuRow, { preferences: { maxPrice } }: MenuRules): string | null {
  if (maxPrice?.prompt !== undefined && row.promptPusd > maxPrice.prompt) return "above max_price";
  if (maxPrice?.completion !== undefined && row.completionPusd > maxPrice.completion) return "above max_price";
  return null;
}

function dayOf(atMs: EpochMs): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** Whether a pattern, in which a star stands for anything, means the whole name; in time proportional to both. */
export function matches(pattern: string, name: string): boolean {
  const [first = "", ...rest] = pattern.toLowerCase().split("*");
  const text = name.toLowerCase();
  if (!text.startsWith(first)) return false;
  const last = rest.pop();
  if (last === undefined) return text === first;
  let from = first.length;
  for (const piece of rest) {
    const at = text.indexOf(piece, from);
    if (at === -1) return false;
    from = at + piece.length;
  }
  return text.length - last.length >= from && text.endsWith(last);
}
