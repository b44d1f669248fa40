/**
 * BYOK as the router sees it: which of an account's own credentials apply where, and the part of a plan that needs no
 * credit for the models themselves. Pure.
 */
import { byokChoice, type ByokChoice, type OpenByok } from "../accounts/byok.ts";
import type { ByokId, KeyHash, ModelId, ProviderId } from "../core/ids.ts";
import type { Price } from "../core/price.ts";
import { priceShare } from "../core/price.ts";
import type { ByokView } from "../gates/byok-client.ts";
import type { Route } from "./route.ts";
import type { Candidate } from "./score.ts";

/** The account's own credentials for one request. */
export interface ByokRules {
  /** Null where the operator's shared credential alone counts. */
  choose(provider: ProviderId, model: ModelId): ByokChoice | null;
  /** It failed lately: what else may serve goes first. */
  isCooling(id: ByokId): boolean;
  readonly feeBps: number;
}

/** The credential that a candidate is pinned to. Its secret stays out of the plan (see `secretsOf`). */
export interface ByokPin {
  readonly id: ByokId;
  /** Basis points of the endpoint's price. */
  readonly feeBps: number;
}

/** Where a candidate stands against the others of its model; lower goes first. */
export const CREDENTIAL_CLASSES = { own: 0, shared: 1, ownFallback: 2, ownCooling: 3 } as const;

/** The rules for one key; undefined for an account without credentials, whose plans then cost nothing more. */
export function byokRules(view: ByokView, keyHash: KeyHash, isCooling: (id: ByokId) => boolean): ByokRules | undefined {
  if (view.credentials.length === 0) return undefined;
  return {
    choose: (provider, model) => byokChoice(view.credentials, { provider, model, keyHash }),
    isCooling,
    feeBps: view.feeBps,
  };
}

/** The class of a copy that is pinned to `credential`. */
export function classOf(credential: OpenByok, rules: ByokRules): number {
  if (rules.isCooling(credential.id)) return CREDENTIAL_CLASSES.ownCooling;
  return credential.isFallback ? CREDENTIAL_CLASSES.ownFallback : CREDENTIAL_CLASSES.own;
}

/** The secrets by id, for those who send. */
export function secretsOf(view: ByokView): ReadonlyMap<ByokId, string> {
  return new Map(view.credentials.flatMap(({ id, secret }) => (secret === null ? [] : [[id, secret]])));
}

/** What a candidate may cost the account per unit: its fee, where the account's own credential serves. */
export function payablePrice(candidate: Candidate): Price | null {
  const { price } = candidate.endpoint;
  return candidate.byok === undefined || price === null ? price : priceShare(price, candidate.byok.feeBps);
}

/** The plan without the operator's shared credentials; null when nothing or all of it would be left. */
export function ownHalf(route: Route): Route | null {
  const candidates = route.plan.candidates.filter((candidate) => candidate.byok !== undefined);
  if (candidates.length === 0 || candidates.length === route.plan.candidates.length) return null;
  const warning = "Only your own provider credentials were tried: there is not enough credit for the shared ones.";
  return { ...route, plan: { ...route.plan, candidates }, warnings: [...route.warnings, warning] };
}
