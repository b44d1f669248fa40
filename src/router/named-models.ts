/**
 * The models behind the names of a request: each looked up in the catalog, a router's name replaced by what it chooses.
 * Reads one value per name, and for a router the menu and one value per model chosen.
 */
import type { MenuRow } from "../catalog/menu.ts";
import { entryFacts } from "../catalog/entry.ts";
import type { ResolvedModel } from "../catalog/resolve.ts";
import { routerNameOf, type RouterName } from "../catalog/router-names.ts";
import type { RouterError } from "../core/error.ts";
import type { ProviderId } from "../core/ids.ts";
import { err, ok, type Result } from "../core/result.ts";
import { byokRules } from "./byok.ts";
import { chooseModels, type Chosen } from "./choose.ts";
import { classify, type Classified } from "./classify.ts";
import { sessionKey, startKey } from "./conversation.ts";
import type { RequestFacts } from "./filter.ts";
import { menuRefusal, type MenuRules } from "./menu-filter.ts";
import type { RouterPorts } from "./ports.ts";
import type { Preferences } from "./preferences.ts";
import { qualityWish, tierOfEndpoint } from "./quality.ts";
import type { RouteInput } from "./route.ts";
import { standingOf, STANDINGS } from "./score.ts";

/** What a router did for a request, for those who ask why. */
export interface RouterChoice extends Chosen {
  readonly router: RouterName;
  readonly classified: Classified;
}

export interface NamedModels {
  /** In the order to be tried, without repeats. */
  readonly models: readonly ResolvedModel[];
  /** Of the first router among the names; null: there is none. */
  readonly choice: RouterChoice | null;
}

/** What the choice depends on beside the names. */
export interface NamedScene {
  readonly preferences: Preferences;
  readonly facts: RequestFacts;
  /** Models that an earlier choice for the same request has named. */
  readonly tried: ReadonlySet<string>;
}

/** Providers of which a router asks the gate whether the operator has stored a credential, where none is at hand. */
const ASKED_MAX = 24;

/** @returns `unknown_model`, `free_variant_ended`, `overloaded`; of a router `no_endpoints`, and `bad_request` for a task. */
export async function namedModels(
  input: RouteInput,
  scene: NamedScene,
  ports: RouterPorts,
): Promise<Result<NamedModels, RouterError>> {
  const models: ResolvedModel[] = [];
  let choice: RouterChoice | null = null;
  for (const name of input.parsed.models) {
    const router = routerNameOf(name);
    if (router === null) {
      const found = await ports.resolve(name);
      if (!found.ok) return found;
      models.push(found.value);
      continue;
    }
    const chosen = await choose(router, input, scene, ports);
    if (!chosen.ok) return chosen;
    const resolved = await resolveChosen(chosen.value, ports);
    if (!resolved.ok) return resolved;
    for (const model of resolved.value) {
      if (!models.some(({ entry }) => entry.model.id === model.entry.model.id)) models.push(model);
    }
    choice ??= chosen.value;
  }
  return ok({ models, choice });
}

async function choose(
  router: RouterName,
  input: RouteInput,
  { preferences, facts, tried }: NamedScene,
  ports: RouterPorts,
): Promise<Result<RouterChoice, RouterError>> {
  const { parsed, account, restriction } = input;
  const { request } = parsed;
  if (request.task !== undefined) {
    const message = `model: ${router.name} chooses among models for conversations; name a model for this`;
    return err({ kind: "bad_request", path: "model", message });
  }
  const menu = await ports.menu();
  if (!menu.ok) return menu;
  const classified = classify(request, facts.promptTokensEstimate);
  const rules: MenuRules = {
    request,
    facts,
    preferences,
    wishes: router.kind === "auto" ? parsed.auto : undefined,
    allowedModels: restriction?.allowedModels ?? null,
    allowedProviders: restriction?.allowedProviders ?? null,
    accountHome: input.home,
    isFree: router.kind === "free",
    tried,
    nowMs: ports.clock(),
  };
  // A conversation keeps its model; what is free has no prompt cache to keep, and is shared out evenly.
  const session = sessionKey(parsed, account);
  const seed = session ?? (router.kind === "free" ? input.requestId : startKey(request, account));
  const ask = { kind: router.kind, menu: menu.value, rules, classified, seed };
  let chosen = chooseModels({ ...ask, isReachable: reachable(menu.value, input, ports) });
  if (chosen.models.length === 0 && (await meetProviders(menu.value, rules, ports))) {
    chosen = chooseModels({ ...ask, isReachable: reachable(menu.value, input, ports) });
  }
  if (chosen.models.length > 0) return ok({ ...chosen, router, classified });
  return err({ kind: "no_endpoints", models: [router.name], exclusions: [], retryAfterS: null, why: whyNone(chosen) });
}

/** Whether a provider of the model can be called, as far as this isolate knows. */
function reachable(menu: readonly MenuRow[], input: RouteInput, ports: RouterPorts): (row: MenuRow) => boolean {
  const providers = new Set<ProviderId>();
  for (const { places } of menu) for (const { provider } of places) providers.add(provider);
  const shared = ports.providers.withCredential([...providers]);
  const off = ports.providers.switchedOff();
  const own = byokRules(input.byok, input.keyHash, ports.byok.isCooling);
  return ({ id, places }) =>
    places.some(
      ({ provider }) =>
        !off.has(provider) && (shared.has(provider) || (own?.choose(provider, id)?.usable.length ?? 0) > 0),
    );
}

/** Hears of credentials that the operator has stored, where this isolate has met no provider; false: there is none to ask. */
async function meetProviders(menu: readonly MenuRow[], rules: MenuRules, ports: RouterPorts): Promise<boolean> {
  const places = new Map<ProviderId, MenuRow["places"][number]>();
  for (const row of menu) {
    if (places.size >= ASKED_MAX) break;
    if (menuRefusal(row, rules) !== null) continue;
    for (const place of row.places) places.set(place.provider, place);
  }
  if (places.size === 0) return false;
  await ports.providers.warm([...places.values()]);
  return true;
}

function whyNone({ refusals }: Chosen): string {
  const counts = [...refusals].toSorted((a, b) => b[1] - a[1]).map(([why, count]) => `${count} ${why}`);
  const left = counts.length === 0 ? "there is no model to choose" : `left out: ${counts.join(", ")}`;
  return `No models match your request and model restrictions (${left}).`;
}

/** The chosen models at once; one whose value is not to be had yet is left out while others are there. */
async function resolveChosen(
  { models, router }: RouterChoice,
  ports: RouterPorts,
): Promise<Result<readonly ResolvedModel[], RouterError>> {
  const found = await Promise.all(models.map((id) => ports.resolve(id)));
  const there = found.flatMap((one) => (one.ok ? [one.value] : []));
  const failed = found.find((one) => !one.ok);
  if (there.length === 0 && failed !== undefined && !failed.ok) return failed;
  return ok(there.map((model) => ({ ...model, sort: router.sort })));
}

/**
 * Chosen models in their order, but for those that are measured to do badly: they go behind those that do well. Where tools
 * or structured output are asked for, an endpoint that is proven poor at it counts as degraded.
 */
export function byStanding(
  models: readonly ResolvedModel[],
  { facts, preferences }: Pick<NamedScene, "facts" | "preferences">,
  ports: RouterPorts,
): readonly ResolvedModel[] {
  const nowMs = ports.clock();
  const wish = qualityWish(facts, preferences, preferences.sort ?? models[0]?.sort ?? null, 0);
  const tierOf = ({ entry }: ResolvedModel): number => {
    const { model } = entry;
    const { bySlug } = entryFacts(entry);
    let best: number = STANDINGS.length;
    for (const { provider: slug, tag, price, regions: own } of model.endpoints) {
      const regions = price === null ? [] : (bySlug.get(slug)?.regions ?? []);
      const known = regions
        .filter(({ id }) => own?.includes(id) !== false)
        .map(({ id }) => ports.providers.health(slug, id, tag, model.id, nowMs));
      const isPoor = wish !== null && tierOfEndpoint(known, wish) === "poor";
      for (const health of known) {
        const standing = STANDINGS.indexOf(standingOf(health, nowMs));
        best = Math.min(best, isPoor ? Math.max(standing, STANDINGS.indexOf("degraded")) : standing);
      }
    }
    // One failure a moment ago moves no conversation to another model.
    return Math.max(best, STANDINGS.indexOf("failed-lately"));
  };
  return models
    .map((model) => ({ model, tier: tierOf(model) }))
    .toSorted((a, b) => a.tier - b.tier)
    .map(({ model }) => model);
}
