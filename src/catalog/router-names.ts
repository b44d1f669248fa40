/**
 * Models that are no models: names whose request is served by a model that the router chooses. Pure; looks nothing up.
 * Variants that order endpoints (`:nitro`, `:floor`, `:exacto`) hold for whatever is chosen; the others name listings, of
 * which a router has none.
 */
import { readVariants, type VariantSort } from "./variants.ts";

/** `auto` takes what fits the task, `free` one of the models that cost nothing. */
export type RouterKind = "auto" | "free";

export interface RouterName {
  readonly kind: RouterKind;
  /** Its own name, whatever alias was used. */
  readonly name: string;
  readonly sort?: VariantSort | undefined;
}

/** Each under its own name, and under the one that clients of OpenRouter know. */
export const ROUTER_NAMES: Readonly<Record<string, RouterKind>> = {
  "waypost/auto": "auto",
  "openrouter/auto": "auto",
  "waypost/free": "free",
  "openrouter/free": "free",
};

/** Told apart at once from the names of models. */
const AUTHORS = /^\s*(?:waypost|openrouter)\//i;

/** What the name of a router asks for; null for every other name. */
export function routerNameOf(requested: string): RouterName | null {
  if (!AUTHORS.test(requested)) return null;
  const read = readVariants(requested);
  if (!read.ok) return null;
  const { base, lookups, sort } = read.value;
  const name = base.toLowerCase();
  const kind = Object.hasOwn(ROUTER_NAMES, name) ? ROUTER_NAMES[name] : undefined;
  const isPlain = lookups.length === 1 && lookups[0]?.name === base;
  return kind === undefined || !isPlain ? null : { kind, name: `waypost/${kind}`, sort };
}
