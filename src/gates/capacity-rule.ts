/** The operator's limits of a provider's credentials, from the catalog's words to those of the rule that keeps them. */
import type { Capacity } from "../catalog/schema.ts";
import type { CapacityRule } from "../limits/capacity.ts";

// Rules by what the catalog says; they leave with its entries.
const rules = new WeakMap<Capacity, CapacityRule>();

/** Null where the operator has set no limit. */
export function capacityRuleOf(capacity: Capacity | undefined): CapacityRule | null {
  if (capacity === undefined) return null;
  const known = rules.get(capacity);
  if (known !== undefined) return known;
  const { requests_per_min: requestsPerMin, tokens_per_min: tokensPerMin, concurrency } = capacity;
  if (requestsPerMin === undefined && tokensPerMin === undefined && concurrency === undefined) return null;
  const rule: CapacityRule = { requestsPerMin, tokensPerMin, concurrency };
  rules.set(capacity, rule);
  return rule;
}
