/**
 * The border of the catalog: a body that an operator sends (or the build writes) becomes a `Catalog`, or a list of
 * faults, each with its path. Schema faults and cross faults (dangling providers and regions, double names, unordered
 * overrides) are reported together when the schema allows it. At most FAULTS_MAX are reported; nothing is repaired.
 */
import type * as z from "zod";
import type { JsonObject } from "../core/json.ts";
import { publicUrl, type AddressRule } from "../core/public-url.ts";
import { err, ok, type Result } from "../core/result.ts";
import { CatalogSchema, type Catalog, type Endpoint, type Model, type Provider } from "./schema.ts";

/** One thing that is wrong: where (`models[3].endpoints[0].provider`) and what. */
export interface Fault {
  readonly path: string;
  readonly message: string;
}

/** The most faults in one report. */
export const FAULTS_MAX = 200;

/** What is known here of an adapter: its name, and what is wrong with the quirks of a provider that uses it. */
export interface KnownAdapter {
  readonly name: string;
  quirkFaults(quirks: JsonObject): readonly { readonly path: readonly PropertyKey[]; readonly message: string }[];
}

/**
 * Reads and checks a whole catalog. `adapters` are those that a provider may name, `addresses` where it may be: on the
 * public internet, unless the operator has opted in to its own network. Never throws.
 */
export function parseCatalog(
  body: unknown,
  adapters: readonly KnownAdapter[],
  addresses?: AddressRule,
): Result<Catalog, Fault[]> {
  const parsed = CatalogSchema.safeParse(body);
  if (!parsed.success) return err(schemaFaults(parsed.error.issues).slice(0, FAULTS_MAX));
  const faults: Fault[] = [];
  const report = (path: string, message: string): void => {
    if (faults.length < FAULTS_MAX) faults.push({ path, message });
  };
  const providers = checkProviders(parsed.data.providers, adapters, addresses, report);
  checkModels(parsed.data, providers, report);
  return faults.length === 0 ? ok(parsed.data) : err(faults);
}

type Report = (path: string, message: string) => void;

/** `["models", 3, "endpoints", 0]` is `models[3].endpoints[0]`; the whole document is `$`. */
function pathText(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>(
    (before, part) =>
      typeof part === "number" ? `${before}[${part}]` : `${before}${before === "" ? "" : "."}${String(part)}`,
    "",
  );
  return text === "" ? "$" : text;
}

function schemaFaults(issues: readonly z.core.$ZodIssue[]): Fault[] {
  return issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ path: pathText([...issue.path, key]), message: "is not a field of the catalog" }))
      : [{ path: pathText(issue.path), message: issue.message }],
  );
}

function checkProviders(
  providers: readonly Provider[],
  adapters: readonly KnownAdapter[],
  addresses: AddressRule | undefined,
  report: Report,
): ReadonlyMap<string, Provider> {
  const bySlug = new Map<string, Provider>();
  for (const [at, provider] of providers.entries()) {
    const path = `providers[${at}]`;
    if (bySlug.has(provider.slug)) report(`${path}.slug`, `"${provider.slug}" is already the slug of another provider`);
    else bySlug.set(provider.slug, provider);
    checkAdapter(provider, path, adapters, report);
    checkAddress(provider.base_url, `${path}.base_url`, addresses, report);
    const seen = new Set<string>();
    for (const [regionAt, region] of provider.regions.entries()) {
      const regionPath = `${path}.regions[${regionAt}]`;
      if (seen.has(region.id)) report(`${regionPath}.id`, `"${region.id}" is already a region of this provider`);
      seen.add(region.id);
      if (region.base_url !== undefined) checkAddress(region.base_url, `${regionPath}.base_url`, addresses, report);
      if ((region.latitude === null) !== (region.longitude === null)) {
        report(regionPath, "latitude and longitude must both be given or both be null");
      }
    }
  }
  return bySlug;
}

function checkAddress(text: string, path: string, addresses: AddressRule | undefined, report: Report): void {
  const url = publicUrl(text, addresses);
  if (!url.ok) report(path, url.error);
}

function checkAdapter(provider: Provider, path: string, adapters: readonly KnownAdapter[], report: Report): void {
  const adapter = adapters.find(({ name }) => name === provider.adapter);
  if (adapter === undefined) {
    const known = adapters.map(({ name }) => name).join(", ");
    return report(`${path}.adapter`, `"${provider.adapter}" is not an adapter; known are ${known}`);
  }
  // z.json() types its leaves more widely than Json.
  for (const fault of adapter.quirkFaults(provider.quirks as JsonObject)) {
    const within = pathText(["quirks", ...fault.path]);
    report(`${path}.${within}`, fault.message);
  }
}

function checkModels(
  { models, family_aliases }: Catalog,
  providers: ReadonlyMap<string, Provider>,
  report: Report,
): void {
  const claimed = new Map<string, string>();
  const claim = (name: string, owner: string, path: string): void => {
    const key = name.toLowerCase();
    const other = claimed.get(key);
    if (other !== undefined) report(path, `"${name}" is already a name of ${other}`);
    else claimed.set(key, owner);
  };
  for (const [at, model] of models.entries()) {
    const path = `models[${at}]`;
    claim(model.id, model.id, `${path}.id`);
    if (model.canonical_slug !== model.id) claim(model.canonical_slug, model.id, `${path}.canonical_slug`);
    for (const [aliasAt, alias] of model.aliases.entries()) claim(alias, model.id, `${path}.aliases[${aliasAt}]`);
    checkEndpoints(model, path, providers, report);
  }
  for (const [at, alias] of family_aliases.entries()) claim(alias.slug, alias.slug, `family_aliases[${at}].slug`);
}

function checkEndpoints(
  model: Model,
  modelPath: string,
  providers: ReadonlyMap<string, Provider>,
  report: Report,
): void {
  const tags = new Set<string>();
  for (const [at, endpoint] of model.endpoints.entries()) {
    const path = `${modelPath}.endpoints[${at}]`;
    if (tags.has(endpoint.tag)) report(`${path}.tag`, `"${endpoint.tag}" is already a tag of this model`);
    tags.add(endpoint.tag);
    const tag: string = endpoint.tag;
    if (tag !== endpoint.provider && !tag.startsWith(`${endpoint.provider}/`)) {
      report(`${path}.tag`, `must be "${endpoint.provider}" or begin with "${endpoint.provider}/"`);
    }
    const provider = providers.get(endpoint.provider);
    if (provider === undefined) {
      report(`${path}.provider`, `"${endpoint.provider}" is not a provider of this catalog`);
    } else {
      checkEndpointRegions(endpoint, provider, path, report);
    }
    if (endpoint.hardware !== undefined && endpoint.hardware_source === undefined) {
      report(`${path}.hardware_source`, "must say where the hardware is documented");
    }
    checkOverrides(endpoint, path, report);
  }
}

function checkEndpointRegions(endpoint: Endpoint, provider: Provider, path: string, report: Report): void {
  for (const [at, region] of (endpoint.regions ?? []).entries()) {
    if (!provider.regions.some((known) => known.id === region)) {
      report(`${path}.regions[${at}]`, `"${region}" is not a region of ${provider.slug}`);
    }
  }
}

/** Thresholds rise, among overrides of the same hours: one that is reached earlier must not undo one reached later. */
function checkOverrides(endpoint: Endpoint, path: string, report: Report): void {
  const reached = new Map<string, number>();
  for (const [at, override] of (endpoint.price?.overrides ?? []).entries()) {
    const hours = `${override.utc_start ?? ""}-${override.utc_end ?? ""}`;
    const tokens = override.min_prompt_tokens ?? 0;
    if (tokens <= (reached.get(hours) ?? -1)) {
      const field = override.min_prompt_tokens === undefined ? "" : ".min_prompt_tokens";
      report(`${path}.price.overrides[${at}]${field}`, "must be greater than that of the override before it");
    }
    reached.set(hours, tokens);
  }
}
