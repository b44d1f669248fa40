/**
 * GET /admin/providers: what the operator knows of each provider of the catalog: switch, credentials (whether there are
 * any, never which), and each region's health as its gate has it now. PATCH /admin/providers/{slug}: switch and credential.
 * A change is in D1 and in every region's gate before it is answered; isolates have it with their next snapshot.
 * A credential goes in, is sealed, and never comes out.
 */
import type { Hono } from "hono";
import * as z from "zod";
import {
  changeProviderSetting,
  listProviderSettings,
  type ProviderSetting,
  type ProviderSettingChange,
} from "../../accounts/provider-settings.ts";
import { sealCredential } from "../../accounts/seal.ts";
import type { Provider } from "../../catalog/schema.ts";
import type { RouterError } from "../../core/error.ts";
import { err, ok, type Result } from "../../core/result.ts";
import { CREDENTIALS_MAX, STORED_SEPARATOR } from "../../gates/provider-credentials.ts";
import { fail, json, type AppContext, type AppEnv } from "../context.ts";
import type { Deps } from "../deps-port.ts";
import type { Operation } from "../operation.ts";
import { configureProvider, someAtATime } from "../provider-switch.ts";
import { stored } from "../stored.ts";
import { readStrict } from "../strict-body.ts";
import { ProviderView, providerView, type RegionSnapshot } from "./admin-provider-view.ts";

/** A page ends with the provider that brings it to so many regions: one call to a gate each. */
const REGIONS_PER_PAGE = 200;

const Credential = z
  .string()
  .min(1)
  .max(16_384)
  // It goes out as a header: what a header cannot hold would fail with every request.
  .regex(/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/);

const ProviderChange = z.strictObject({
  disabled: z.boolean().optional(),
  /** One, or several that take turns. Null removes the stored ones, so that the environment's count again. */
  credential: z
    .union([Credential, z.array(Credential).min(1).max(CREDENTIALS_MAX)])
    .nullable()
    .optional(),
});

export const listAdminProvidersOperation: Operation = {
  id: "listProvidersForOperator",
  method: "get",
  path: "/admin/providers",
  summary: "List the catalog's providers with switch, credentials and each region's health",
  auth: "operator",
  query: z.object({ cursor: z.string().optional().describe("The cursor of the page before") }),
  responses: {
    200: {
      description: "A page",
      body: z.object({ data: z.array(ProviderView), cursor: z.string().nullable() }),
    },
  },
};

export const updateProviderOperation: Operation = {
  id: "updateProvider",
  method: "patch",
  path: "/admin/providers/{slug}",
  summary: "Switch a provider off or on, or store its credential, which is sealed and never shown",
  auth: "operator",
  request: ProviderChange,
  responses: { 200: { description: "The provider as it is now", body: z.object({ data: ProviderView }) } },
};

export function registerAdminProviders(admin: Hono<AppEnv>): void {
  admin.get("/providers", getProviders);
  admin.patch("/providers/:slug", patchProvider);
}

async function getProviders(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const providers = await deps.catalog.providers(deps.waitUntil);
  if (!providers.ok) return fail(context, providers.error);
  const page = pageOf(providers.value, context.req.query("cursor") ?? "");
  if (!page.ok) return fail(context, page.error);
  const settings = await stored(listProviderSettings(deps.books.main));
  if (!settings.ok) return fail(context, settings.error);
  const snapshots = await snapshotsOf(deps, page.value.providers);
  return json({
    data: await Promise.all(
      page.value.providers.map((provider) =>
        view(
          deps,
          provider,
          settings.value.find(({ slug }) => slug === provider.slug),
          snapshots.get(provider.slug) ?? [],
        ),
      ),
    ),
    cursor: page.value.cursor,
  });
}

async function patchProvider(context: AppContext): Promise<Response> {
  const deps = context.get("deps");
  const receivedAtMs = context.get("receivedAtMs");
  const body = await readStrict(context.req.raw, ProviderChange);
  if (!body.ok) return fail(context, body.error);
  const { disabled, credential } = body.value;
  if (disabled === undefined && credential === undefined) {
    const message = "The body changes nothing: give disabled, credential or both.";
    return fail(context, { kind: "bad_request", message });
  }
  const provider = await providerOf(context);
  if (!provider.ok) return fail(context, provider.error);
  const { slug } = provider.value;
  const change: ProviderSettingChange = {
    isDisabled: disabled,
    credentialSealed:
      credential === null || credential === undefined
        ? credential
        : await sealCredential(
            [credential].flat().join(STORED_SEPARATOR),
            slug,
            deps.settings.sealingSecret,
            deps.randomBytes,
          ),
  };
  const kept = await stored(changeProviderSetting(deps.books.main, slug, change, receivedAtMs));
  if (!kept.ok) return fail(context, kept.error);
  const told = await configureProvider(deps, provider.value);
  if (!told.ok) return fail(context, told.error);
  const snapshots = await snapshotsOf(deps, [provider.value]);
  return json({ data: await view(deps, provider.value, told.value ?? undefined, snapshots.get(slug) ?? []) });
}

async function view(
  deps: Deps,
  provider: Provider,
  setting: ProviderSetting | undefined,
  regions: readonly RegionSnapshot[],
): Promise<ProviderView> {
  return providerView(provider, {
    credentialIds: await deps.credentialIds(provider.slug, setting?.credentialSealed ?? null),
    isDisabled: setting?.isDisabled ?? false,
    isStored: setting?.credentialSealed != null,
    isInEnvironment: deps.hasEnvironmentCredential(provider.slug),
    regions,
  });
}

/** @returns `not_found`, `overloaded` when the catalog cannot be read. */
async function providerOf(context: AppContext): Promise<Result<Provider, RouterError>> {
  const deps = context.get("deps");
  const wanted = context.req.param("slug");
  // Published a moment ago by another isolate, it must be found here, too.
  deps.catalog.forgetIndex();
  const providers = await deps.catalog.providers(deps.waitUntil);
  if (!providers.ok) return providers;
  const found = providers.value.find(({ slug }) => slug === wanted);
  return found === undefined
    ? err({ kind: "not_found", message: "There is no provider with this slug in the catalog" })
    : ok(found);
}

interface Page {
  readonly providers: readonly Provider[];
  readonly cursor: string | null;
}

/** The providers after the one that `cursor` names, in the catalog's order. */
function pageOf(providers: readonly Provider[], cursor: string): Result<Page, RouterError> {
  const before = providers.findIndex(({ slug }) => slug === cursor);
  if (cursor !== "" && before === -1) {
    return err({ kind: "bad_request", message: "cursor must be the cursor of the page before", path: "cursor" });
  }
  const page: Provider[] = [];
  let regions = 0;
  for (const provider of providers.slice(before + 1)) {
    if (regions >= REGIONS_PER_PAGE) return ok({ providers: page, cursor: page.at(-1)?.slug ?? null });
    page.push(provider);
    regions += provider.regions.length;
  }
  return ok({ providers: page, cursor: null });
}

/** What the gates of these providers say, by slug; null for a gate that did not answer. */
async function snapshotsOf(
  deps: Deps,
  providers: readonly Provider[],
): Promise<ReadonlyMap<string, readonly RegionSnapshot[]>> {
  const places = providers.flatMap((provider) => provider.regions.map((region) => ({ slug: provider.slug, region })));
  const found = await someAtATime(places, async ({ slug, region }) => {
    const answer = await stored(deps.providerGate(slug, region.id).snapshot());
    return { slug, region, snapshot: answer.ok ? answer.value : null };
  });
  return Map.groupBy(found, ({ slug }) => slug);
}
