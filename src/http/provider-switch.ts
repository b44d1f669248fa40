/**
 * The operator's settings of providers on their way from D1, which keeps them, to the ProviderGates, which make them
 * felt. A gate that is new reads D1 by itself; one that exists must be told.
 */
import { listProviderSettings, readProviderSetting, type ProviderSetting } from "../accounts/provider-settings.ts";
import type { Provider } from "../catalog/schema.ts";
import type { RouterError } from "../core/error.ts";
import { err, ok, type Result } from "../core/result.ts";
import type { Deps } from "./deps-port.ts";
import { stored } from "./stored.ts";

/** Gates that are called at the same time. */
const GATES_AT_ONCE = 20;
/** Rounds in which a setting that others change meanwhile is told again. */
const ROUNDS_MAX = 5;

type Place = Pick<Provider, "slug"> & { readonly regions: readonly Pick<Provider["regions"][number], "id">[] };

/** Calls `work` for each item, some at a time; results in order. Rejects as soon as one does. */
export async function someAtATime<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += GATES_AT_ONCE) {
    results.push(...(await Promise.all(items.slice(at, at + GATES_AT_ONCE).map(work))));
  }
  return results;
}

/**
 * Tells every region's gate of `provider` what D1 says. Two operators may change a provider at once and tell the gates in
 * another order than D1 heard them, so it is told until D1 says what was told.
 * @returns the setting that every gate has; `storage` when D1 or a gate cannot be reached.
 */
export async function configureProvider(
  deps: Deps,
  provider: Place,
): Promise<Result<ProviderSetting | null, RouterError>> {
  let told: ProviderSetting | null | undefined;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const read = await stored(readProviderSetting(deps.books.main, provider.slug));
    if (!read.ok) return read;
    const setting = read.value ?? null;
    if (told !== undefined && isSame(told, setting)) return ok(setting);
    const done = await tell(deps, provider, setting);
    if (!done.ok) return done;
    told = setting;
  }
  return err({ kind: "storage", message: "the provider's settings change faster than its gates can be told" });
}

/**
 * Tells the regions that the live catalog lacks: their gates may be left over from an earlier one, with the settings of
 * then.
 * @returns `storage` when D1 or a gate cannot be reached.
 */
export async function configureNewRegions(deps: Deps, next: readonly Place[]): Promise<Result<null, RouterError>> {
  deps.catalog.forgetIndex();
  const live = await deps.catalog.providers(deps.waitUntil);
  const known = new Set(
    (live.ok ? live.value : []).flatMap(({ slug, regions }) => regions.map((region) => `${slug} ${region.id}`)),
  );
  const settings = await stored(listProviderSettings(deps.books.main));
  if (!settings.ok) return settings;
  const isSet = new Set(settings.value.map(({ slug }) => slug));
  for (const { slug, regions } of next) {
    if (!isSet.has(slug)) continue;
    const fresh = regions.filter((region) => !known.has(`${slug} ${region.id}`));
    const done = fresh.length === 0 ? ok(null) : await configureProvider(deps, { slug, regions: fresh });
    if (!done.ok) return done;
  }
  return ok(null);
}

async function tell(
  deps: Deps,
  { slug, regions }: Place,
  setting: ProviderSetting | null,
): Promise<Result<readonly void[], RouterError>> {
  const isDisabled = setting?.isDisabled ?? false;
  const credentialSealed = setting?.credentialSealed ?? null;
  return await stored(
    someAtATime(regions, async ({ id }) => {
      await deps.providerGate(slug, id).configure({ isDisabled, credentialSealed });
    }),
  );
}

function isSame(left: ProviderSetting | null, right: ProviderSetting | null): boolean {
  return left?.isDisabled === right?.isDisabled && left?.credentialSealed === right?.credentialSealed;
}
