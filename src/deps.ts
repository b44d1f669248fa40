/**
 * The one place where bindings become ports. Everything of an isolate's memory (catalog reader, clients of the gates,
 * verified keys) is made here once; a request gets it together with its own `waitUntil`.
 */
import { importKeySecrets, verifyKey, type KeySecrets } from "./accounts/keys.ts";
import { openCredential } from "./accounts/seal.ts";
import { BOUND_PROVIDER } from "./catalog/data/bound-provider.ts";
import { resolveModel } from "./catalog/resolve.ts";
import { createCatalogReader, type CatalogReader } from "./catalog/store.ts";
import type { AccountId, KeyHash, ProviderId, RegionId } from "./core/ids.ts";
import { createGathering } from "./core/gathered-lines.ts";
import type { AddressRule } from "./core/public-url.ts";
import type { Result } from "./core/result.ts";
import { systemClock, systemRandomBytes } from "./core/system.ts";
import { createAccountRoutes } from "./gates/account-branches.ts";
import { capacityRuleOf } from "./gates/capacity-rule.ts";
import { createAccountClient, type AccountClient } from "./gates/account-client.ts";
import { accountBranchOf, accountGateOf } from "./gates/account-stub.ts";
import { createByokClient, type ByokClient } from "./gates/byok-client.ts";
import { createPresetClient, type PresetClient } from "./gates/presets-client.ts";
import { openPayments, type Payments } from "./gates/payments.ts";
import { createProviderClient, type EnvironmentProvider, type ProviderClient } from "./gates/provider-client.ts";
import { splitCredentials } from "./gates/provider-credentials.ts";
import { createProviderStateClient, type ProviderStateClient } from "./gates/provider-state-client.ts";
import type { ProviderGate } from "./gates/provider-gate.ts";
import { createSnapshotSharing } from "./gates/snapshot-sharing.ts";
import { createColoCache, createStanding } from "./gates/standing.ts";
import type { VoucherGate } from "./gates/voucher-gate.ts";
import type { Deps, Settings } from "./http/deps-port.ts";
import type { JobPorts, RefreshPorts } from "./jobs/ports.ts";
import { openBooks, type Books } from "./ledger/shards.ts";
import { aiBindingIn, BOUND, withAiBinding } from "./providers/ai-binding.ts";
import { createAccessTokens, type AccessTokens } from "./providers/access-tokens.ts";
import { DEADLINES, type Deadlines } from "./router/deadlines.ts";
import { openPublicMedia } from "./router/open-media.ts";
import type { Fetch, RouterPorts } from "./router/ports.ts";

/** Verified keys that an isolate remembers; a key's own gate still decides whether it may be used. */
const KEYS_MAX = 10_000;

/** All vouchers are in one gate: they are few, and each is worth money only once per account. */
const VOUCHERS = "all";

/** A walk over all accounts begins at most so often, unless WAYPOST_RECONCILE_EVERY_S says otherwise. */
const RECONCILE_EVERY_MS = 3_600_000;
/** A list of models is read again so often, unless WAYPOST_CATALOG_EVERY_S says otherwise. */
const REFRESH_EVERY_MS = 86_400_000;

/** What an isolate keeps between requests. */
interface Isolate {
  readonly settings: Settings;
  readonly books: Books;
  readonly catalog: CatalogReader;
  readonly accounts: AccountClient;
  readonly byok: ByokClient;
  readonly providerState: ProviderStateClient;
  readonly presets: PresetClient;
  readonly providers: ProviderClient;
  readonly environment: (provider: ProviderId) => EnvironmentProvider;
  readonly network: Fetch;
  readonly accessTokens: AccessTokens;
  readonly publicNetwork: Fetch;
  /** For addresses that tenants name: nothing private, whatever the operator has opted in to. */
  readonly tenantNetwork: Fetch;
  /** Null for what was sealed with another secret. */
  readonly unseal: (sealed: string, provider: ProviderId) => Promise<string | null>;
  readonly secrets: KeySecrets;
  readonly payments: Payments | null;
  /** Key text -> whose it is; at most KEYS_MAX, the oldest leave first. */
  readonly verified: Map<string, { readonly account: AccountId; readonly hash: KeyHash }>;
}

// One per isolate, made with its first request and never stale: bindings don't change while an isolate lives.
let isolate: Isolate | null = null;

/**
 * What the launcher of `npm start` binds for calls to the network: all of it, and that which refuses private addresses,
 * also those that a public name resolves to. On Cloudflare there is neither: there `fetch` is as short, and reaches nothing
 * but the public internet.
 */
const NETWORK = "NETWORK";
const PUBLIC_NETWORK = "PUBLIC_NETWORK";

/** Ports for one request. Throws an Error that names the variable when the deployment lacks one. */
export async function depsOf(env: Cloudflare.Env, context: ExecutionContext): Promise<Deps> {
  const own = (isolate ??= await openIsolate(env));
  const { settings, books, catalog, providers, environment, secrets } = own;
  const waitUntil = (work: Promise<unknown>): void => context.waitUntil(work);
  return {
    settings,
    clock: systemClock,
    randomBytes: systemRandomBytes,
    catalog,
    store: env.CATALOG,
    books,
    secrets,
    waitUntil,
    log: env.PLACE === "cf" ? logLine : (line) => gather(line, systemClock(), waitUntil),
    accountGate: (account) => accountGateOf(env, account),
    providerGate: (provider, region) => providerGateOf(env, provider, region),
    voucherGate: () => voucherGateOf(env),
    presets: own.presets,
    payments: own.payments,
    providers,
    hasEnvironmentCredential: (provider) => environment(provider).secret !== null,
    credentialIds: (provider, sealed) => credentialIds(own, provider, sealed),
    verify: (text) => verifyCached(text, own),
    publicNetwork: own.publicNetwork,
    router: routerPorts(own, waitUntil),
  };
}

/** Ports of the scheduled jobs; `app` answers requests as the Worker does. */
export function jobPortsOf(env: Cloudflare.Env, app: (request: Request) => Promise<Response>): JobPorts {
  return {
    clock: systemClock,
    books: openBooks({ ...env }),
    auditAccount: async (account) => await accountGateOf(env, account).audit(),
    log: logLine,
    reconcileEveryMs: secondsOf(env, "WAYPOST_RECONCILE_EVERY_S") ?? RECONCILE_EVERY_MS,
    refresh: refreshPortsOf(env, app),
  };
}

function refreshPortsOf(env: Cloudflare.Env, app: (request: Request) => Promise<Response>): RefreshPorts | null {
  const url = variable(env, "WAYPOST_CATALOG_URL");
  if (url === undefined) return null;
  return {
    url,
    everyMs: secondsOf(env, "WAYPOST_CATALOG_EVERY_S") ?? REFRESH_EVERY_MS,
    fetch: publicNetworkOf(env, addressesOf(env).allowsPrivate),
    addresses: addressesOf(env),
    store: env.CATALOG,
    publish: (body) =>
      app(
        new Request("https://waypost/api/v1/admin/catalog", {
          method: "PUT",
          headers: { authorization: `Bearer ${env.OPERATOR_KEY}`, "content-type": "application/json" },
          body,
        }),
      ),
  };
}

/** A variable in whole seconds, as milliseconds; undefined when it is none. */
function secondsOf(env: Cloudflare.Env, name: string): number | undefined {
  const seconds = Number(variable(env, name) ?? Number.NaN);
  return Number.isSafeInteger(seconds) && seconds > 0 ? seconds * 1_000 : undefined;
}

async function openIsolate(env: Cloudflare.Env): Promise<Isolate> {
  const settings = settingsOf(env);
  const environment = environmentOf(env);
  const secrets = await importKeySecrets(env.WAYPOST_SECRET, variable(env, "WAYPOST_SECRET_PREVIOUS"));
  const payments = openPayments(env);
  if (!payments.ok) throw new Error(payments.error);
  const sealing = openingSecrets(env);
  const unseal = async (sealed: string, context: string): Promise<string | null> => {
    const opened = await openCredential(sealed, context, sealing);
    return opened.ok ? opened.value : null;
  };
  const reporter = crypto.randomUUID();
  const gate = (account: AccountId) => accountGateOf(env, account);
  return {
    settings,
    books: openBooks({ ...env }),
    secrets,
    payments: payments.value,
    catalog: createCatalogReader(env.CATALOG, systemClock),
    accounts: createAccountClient({
      clock: systemClock,
      gate: createAccountRoutes({
        clock: systemClock,
        gate,
        branch: (account, branch) => accountBranchOf(env, account, branch),
        reporter,
      }),
      reporter,
      standing: createStanding(systemClock, env.PLACE === "cf" ? createColoCache((name) => caches.open(name)) : null),
    }),
    byok: createByokClient({ clock: systemClock, gate, unseal }),
    providerState: createProviderStateClient({ clock: systemClock, random: systemRandomBytes, gate, settings }),
    presets: createPresetClient({ clock: systemClock, gate }),
    providers: createProviderClient({
      clock: systemClock,
      gate: (provider, region, branch) => providerGateOf(env, provider, region, branch),
      environment,
      unseal,
      // One machine has one isolate: nobody to share with.
      sharing: env.PLACE === "cf" ? createSnapshotSharing((name) => caches.open(name)) : null,
      reporter,
    }),
    environment,
    unseal,
    network: withAiBinding(networkOf(env), aiBindingIn(env), variable(env, "WAYPOST_AI_GATEWAY")),
    publicNetwork: publicNetworkOf(env, addressesOf(env).allowsPrivate),
    tenantNetwork: publicNetworkOf(env, false),
    accessTokens: createAccessTokens(systemClock),
    verified: new Map(),
  };
}

async function credentialIds(
  { environment, unseal }: Isolate,
  provider: ProviderId,
  sealed: string | null,
): Promise<readonly string[]> {
  const opened = sealed === null ? null : await unseal(sealed, provider);
  const { secret } = environment(provider);
  const found =
    opened !== null
      ? splitCredentials("stored", opened)
      : secret === null
        ? []
        : splitCredentials("environment", secret);
  return found.map(({ id }) => id);
}

function settingsOf(env: Cloudflare.Env): Settings {
  if (typeof env.WAYPOST_SECRET !== "string" || env.WAYPOST_SECRET.length < 16) {
    throw new Error("WAYPOST_SECRET must be set to at least 16 characters");
  }
  if (typeof env.OPERATOR_KEY !== "string" || env.OPERATOR_KEY.length < 16) {
    throw new Error("OPERATOR_KEY must be set to at least 16 characters");
  }
  return {
    operatorKey: env.OPERATOR_KEY,
    sealingSecret: env.WAYPOST_SECRET,
    openingSecrets: openingSecrets(env),
    trustsPlace: env.PLACE !== "none",
    addresses: addressesOf(env),
    deadlines: deadlinesOf(env),
  };
}

/** The present secret, and the one before while rotating. */
function openingSecrets(env: Cloudflare.Env): readonly string[] {
  return [env.WAYPOST_SECRET, variable(env, "WAYPOST_SECRET_PREVIOUS") ?? ""].filter((text) => text !== "");
}

/** Deadlines of the environment, e.g. WAYPOST_DEADLINE_IDLE_MS; whole milliseconds, else the default. */
function deadlinesOf(env: Cloudflare.Env): Deadlines {
  const read = (name: string, standard: number): number => {
    const value = Number(variable(env, `WAYPOST_DEADLINE_${name}_MS`) ?? Number.NaN);
    return Number.isSafeInteger(value) && value > 0 ? value : standard;
  };
  return {
    headersMs: read("HEADERS", DEADLINES.headersMs),
    firstTokenMs: read("FIRST_TOKEN", DEADLINES.firstTokenMs),
    idleMs: read("IDLE", DEADLINES.idleMs),
    totalMs: read("TOTAL", DEADLINES.totalMs),
  };
}

/** `<PROVIDER>_API_KEY` and `<PROVIDER>_BASE_URL`: slug in capitals, everything else as `_`; or the platform's binding. */
function environmentOf(env: Cloudflare.Env): (provider: ProviderId) => EnvironmentProvider {
  // Provider -> what the environment says; bindings don't change, so never stale; as large as the catalog.
  const known = new Map<ProviderId, EnvironmentProvider>();
  return (provider) => {
    const found = known.get(provider);
    if (found !== undefined) return found;
    const prefix = provider.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
    const secret = variable(env, `${prefix}_API_KEY`) ?? null;
    const baseUrl = variable(env, `${prefix}_BASE_URL`) ?? null;
    // Where the operator sends its traffic itself, the binding is not asked.
    const isBound = provider === BOUND_PROVIDER && baseUrl === null && aiBindingIn(env) !== null;
    const made = isBound ? BOUND : { secret, baseUrl };
    known.set(provider, made);
    return made;
  };
}

/** A text binding by a name that is not known at build time. */
function variable(env: Cloudflare.Env, name: string): string | undefined {
  const value = (env as unknown as Record<string, unknown>)[name]; // providers are data, so their variables are too
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The operator's word on where the catalog's providers may be. */
function addressesOf(env: Cloudflare.Env): AddressRule {
  return { allowsPrivate: variable(env, "WAYPOST_PRIVATE_UPSTREAMS") === "1" };
}

/** Calls to providers. Where the operator's own base URLs lead, anything may be; the catalog's lead to what is public. */
function networkOf(env: Cloudflare.Env): Fetch {
  const direct = launched(env, NETWORK);
  const guarded = launched(env, PUBLIC_NETWORK);
  if (direct === undefined) return (url, init) => fetch(url, init);
  if (guarded === undefined || addressesOf(env).allowsPrivate) return (url, init) => direct.fetch(url, init);
  const own = new Set(Object.keys(env).flatMap((name) => originOf(ownBaseUrl(env, name)) ?? []));
  return (url, init) => (own.has(originOf(url) ?? "") ? direct : guarded).fetch(url, init);
}

/** Calls to addresses that others name; they go through `fetchPublic`. */
function publicNetworkOf(env: Cloudflare.Env, allowsPrivate: boolean): Fetch {
  const guarded = launched(env, allowsPrivate ? NETWORK : PUBLIC_NETWORK);
  return guarded === undefined ? (url, init) => fetch(url, init) : (url, init) => guarded.fetch(url, init);
}

/** A binding that wrangler.toml does not have. */
function launched(env: Cloudflare.Env, name: string): Fetcher | undefined {
  return (env as unknown as Record<string, Fetcher | undefined>)[name]; // only the launcher binds it
}

function ownBaseUrl(env: Cloudflare.Env, name: string): string {
  return name.endsWith("_BASE_URL") ? (variable(env, name) ?? "") : "";
}

/** Scheme, host and port as they are spelled; undefined for what is no URL. */
function originOf(url: string): string | undefined {
  return /^https?:\/\/[^/]+/.exec(url)?.[0];
}

/** The gate of a place, or a branch of it. */
function providerGateOf(
  env: Cloudflare.Env,
  provider: ProviderId,
  region: RegionId,
  branch: number | null = null,
): DurableObjectStub<ProviderGate> {
  const namespace = env.PROVIDER_GATE as DurableObjectNamespace<ProviderGate>; // `wrangler types` omits the class
  return namespace.getByName(branch === null ? `${provider} ${region}` : `${provider} ${region} ${branch}`);
}

function voucherGateOf(env: Cloudflare.Env): DurableObjectStub<VoucherGate> {
  const namespace = env.VOUCHER_GATE as DurableObjectNamespace<VoucherGate>; // `wrangler types` omits the class
  return namespace.getByName(VOUCHERS);
}

async function verifyCached(
  text: string,
  { verified, secrets }: Isolate,
): Promise<Result<{ readonly account: AccountId; readonly hash: KeyHash }, string>> {
  const known = verified.get(text);
  if (known !== undefined) return { ok: true, value: known };
  const checked = await verifyKey(text, secrets);
  if (checked.ok) {
    const oldest = verified.size >= KEYS_MAX ? verified.keys().next().value : undefined;
    if (oldest !== undefined) verified.delete(oldest);
    verified.set(text, checked.value);
  }
  return checked;
}

function routerPorts(own: Isolate, waitUntil: (work: Promise<unknown>) => void): RouterPorts {
  const { settings, catalog, providers, environment } = own;
  return {
    clock: systemClock,
    randomBytes: systemRandomBytes,
    fetch: own.network,
    openMedia: (url, signal) => openPublicMedia(url, signal, own.tenantNetwork),
    accessTokens: own.accessTokens,
    deadlines: settings.deadlines,
    waitUntil,
    byok: own.byok,
    providerState: own.providerState,
    resolve: (requested) => resolveModel(catalog, requested, waitUntil),
    menu: () => catalog.menu(waitUntil),
    accounts: own.accounts,
    providers: {
      warm: (places) => providers.warm(places, waitUntil),
      health: providers.health,
      switchedOff: providers.switchedOff,
      withCredential: providers.withCredential,
      // The binding is the operator's: an account's own credential never goes there.
      baseUrl: (provider) => (environment(provider) === BOUND ? null : environment(provider).baseUrl),
      report: (at, outcome, permit, endedAtMs) => providers.report(at, outcome, permit, waitUntil, endedAtMs),
      mayProbe: providers.mayProbe,
      permit: (at, capacity, ask) =>
        providers.permit(
          at,
          { ...ask, rule: capacityRuleOf(capacity), isShared: capacity?.scope === "credential" },
          waitUntil,
        ),
    },
  };
}

// On one machine lines go out together; what it holds is bounded there.
const gather = createGathering(logLine);

function logLine(line: string): void {
  console.log(line);
}
