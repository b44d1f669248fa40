/** The tenants' side of worker tests: accounts with their keys' texts, calls as a client makes them, a published catalog. */
import { env, exports } from "cloudflare:workers";
import { createAccount } from "../../src/accounts/accounts.ts";
import { importKeySecrets, issueKey } from "../../src/accounts/keys.ts";
import { parseCatalog } from "../../src/catalog/parse.ts";
import { publish } from "../../src/catalog/publish.ts";
import { newAccountId } from "../../src/core/ids.ts";
import type { NanoUsd } from "../../src/core/money.ts";
import { ADAPTERS } from "../../src/providers/registry.ts";
import { systemRandomBytes } from "../../src/core/system.ts";
import type { ProviderGate } from "../../src/gates/provider-gate.ts";
import { gateOf, type TestAccount } from "./account-setup.ts";

export interface Tenant extends TestAccount {
  readonly key: string;
  readonly managementKey: string;
}

/** A new account with an inference key and a management key. */
export async function newTenant(creditNusd: NanoUsd = 0n): Promise<Tenant> {
  const id = newAccountId("gl", 1, systemRandomBytes);
  const secrets = await importKeySecrets(env.WAYPOST_SECRET);
  const key = await issueKey(id, secrets, systemRandomBytes);
  const managementKey = await issueKey(id, secrets, systemRandomBytes);
  const createdAtMs = Date.now();
  await createAccount(env.DB, { id, name: "Tenant", isSuspended: false, createdAtMs }, [
    { hash: key.hash, kind: "inference", name: "first", label: key.label, createdAtMs },
    { hash: managementKey.hash, kind: "management", name: "manager", label: managementKey.label, createdAtMs },
  ]);
  const gate = gateOf(id);
  if (creditNusd !== 0n) await gate.credit({ idempotencyKey: "start", amountNusd: creditNusd, reason: "test" });
  return {
    id,
    keyHash: key.hash,
    managementHash: managementKey.hash,
    gate,
    key: key.text,
    managementKey: managementKey.text,
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed body; null when there is none. Tests look into it with matchers. */
  readonly body: unknown;
}

/** A call to `/api/v1` + `path`. A string body goes out as it is. */
export async function ask(method: string, path: string, bearer: string | null = null, body?: unknown): Promise<Answer> {
  return await askAt(`/api/v1${path}`, method, bearer, body);
}

/** A call to any path. */
export async function askAt(
  path: string,
  method: string,
  bearer: string | null = null,
  body?: unknown,
): Promise<Answer> {
  const response = await exports.default.fetch(
    new Request(`https://waypost.test${path}`, {
      method,
      headers: {
        ...(bearer === null ? {} : { Authorization: `Bearer ${bearer}` }),
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" ? null : (JSON.parse(text) as unknown),
  };
}

/** `data` of an answer, as the test says that it is. */
export function dataOf<T>(answer: Answer): T {
  return (answer.body as { readonly data: T }).data; // the test's own claim, which its matchers check
}

export function providerGateOf(provider: string, region: string): DurableObjectStub<ProviderGate> {
  // wrangler's types don't know the class behind the binding.
  const namespace = env.PROVIDER_GATE as unknown as DurableObjectNamespace<ProviderGate>;
  return namespace.getByName(`${provider} ${region}`);
}

const SOURCE = "test/worker";

/** Publishes three models at three providers: `elm` keeps nothing, `fir` trains, `oak` runs in two regions. */
export async function publishForest(): Promise<void> {
  const policy = (zdr: boolean) => ({
    training: !zdr,
    retains_prompts: !zdr,
    retention_days: zdr ? 0 : 30,
    zdr,
    source: SOURCE,
  });
  const provider = (slug: string, regions: readonly string[], zdr: boolean) => ({
    slug,
    name: slug.toUpperCase(),
    adapter: "openai-compatible",
    base_url: `https://${slug}.test/v1`,
    regions: regions.map((id) => ({
      id,
      latitude: 50.11,
      longitude: 8.68,
      country: "DE",
      jurisdiction: "eu",
      source: SOURCE,
    })),
    data_policy: policy(zdr),
    cancellation: { policy: "stops", source: SOURCE },
    headquarters: "DE",
  });
  const endpoint = (slug: string, prompt: number, more: Record<string, unknown> = {}) => ({
    tag: slug,
    provider: slug,
    upstream_model: "wood",
    price: { prompt, completion: prompt * 2 },
    price_source: SOURCE,
    context_length: 32_000,
    max_completion_tokens: 4_000,
    supported_parameters: ["temperature", "max_tokens", "tools"],
    input_modalities: ["text"],
    ...more,
  });
  const model = (id: string, endpoints: readonly unknown[], more: Record<string, unknown> = {}) => ({
    id,
    canonical_slug: `${id}-2026-11-01`,
    name: id,
    created_s: 1_790_000_000,
    input_modalities: ["text"],
    output_modalities: ["text"],
    endpoints,
    ...more,
  });
  const parsed = parseCatalog(
    {
      version: 1,
      providers: [
        provider("elm", ["fra"], true),
        provider("fir", ["fra"], false),
        provider("oak", ["fra", "par"], true),
      ],
      models: [
        model("forest/leaf", [endpoint("elm", 100_000), endpoint("fir", 50_000)], { aliases: ["forest/leaf-latest"] }),
        model("forest/root", [endpoint("oak", 3_000_000, { context_length: 200_000 })]),
        model("grove/bark", [endpoint("fir", 280_000), endpoint("elm", 1, { price: null })], {
          output_modalities: ["text", "image"],
        }),
      ],
    },
    ADAPTERS,
  );
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  await publish(parsed.value, env.CATALOG, Date.now());
}
