/**
 * Waypost as its user starts it (`src/cli/start.ts`, an empty data folder, a provider pointed at the bench's upstream),
 * with a small catalog and two accounts: one whose every request is known, and a spare one for readers that leave.
 */
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runningIn } from "../../src/cli/data-dir.ts";
import { isObject } from "../../src/core/json.ts";
import { COMPLETION_PUSD, PROMPT_PUSD } from "./answers.ts";
import { freePort, servingPids, spawnServer } from "./children.ts";
import { decimalToNusd } from "./money.ts";
import { CATALOG_MODELS, UPSTREAM_MODELS, targetAt, type Role, type Target } from "./target.ts";

/** What was paid, as the account itself says. */
export interface Ledger {
  /** `total_usage` of the account, once it is `expectedNusd` or has been asked for 15 s. */
  paidNusd(expectedNusd: bigint): Promise<bigint | undefined>;
  /** What the audit of the books says: true, false, or why it could not be asked. */
  audit(): Promise<boolean | string>;
}

export interface Waypost {
  readonly target: Target;
  readonly spare: Target;
  readonly pids: readonly number[];
  readonly ledger: Ledger;
  /** Publishes the bench's catalog with so many models; it is served within PUBLISHED_MS. */
  publish(models: number): Promise<void>;
  /** A key with credits, of an account of its own. */
  newKey(name: string): Promise<string>;
}

/** The model that has an endpoint at each of PROVIDERS; the others have one. */
export const WIDE_MODEL = "bench/wide";
const PROVIDERS = 60;
/** The bench's own models, and a few more. */
export const MODELS_MIN = 10;
/** A new catalog reaches an isolate that is asked within this: its index is read anew every 30 s. */
export const PUBLISHED_MS = 32_000;

const OPERATOR_KEY = "bench-operator-key-0123456789";
/** Installing and building included. */
const READY_MS = 240_000;
/** The outbox reaches the books within this. */
const SETTLED_MS = 15_000;
const SOURCE = "test/bench";

/**
 * Starts Waypost against `upstreamUrl` and fills it. Throws a sentence when a step is refused.
 * @param bundlePath is served in the production bundle's place.
 */
export async function startWaypost(upstreamUrl: string, bundlePath?: string): Promise<Waypost> {
  const directory = mkdtempSync(path.join(os.tmpdir(), "waypost-bench-data-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const server = await spawnServer({
    name: "Waypost",
    args: [path.join(import.meta.dirname, "..", "..", "src", "cli", "start.ts")],
    env: {
      PORT: String(port),
      HOST: "127.0.0.1",
      DATA_DIR: directory,
      OPERATOR_KEY,
      // Not the credentials of whoever works in this checkout.
      WAYPOST_DEV_VARS: path.join(directory, "none"),
      ...Object.fromEntries(
        Array.from({ length: PROVIDERS }, (_, index) => {
          const prefix = providerSlug(index).toUpperCase().replaceAll("-", "_");
          return [
            [`${prefix}_BASE_URL`, `${upstreamUrl}/v1`],
            [`${prefix}_API_KEY`, "sk-bench"],
          ];
        }).flat(),
      ),
      // Counted: nothing runs that nobody asked for.
      ...(bundlePath === undefined ? {} : { WAYPOST_BUNDLE: bundlePath, WAYPOST_SCHEDULE_S: "0" }),
    },
    port,
    readyMs: READY_MS,
    // Not /healthz: the launcher publishes its own catalog after that.
    isReady: () => Promise.resolve(runningIn(directory) !== undefined),
  });
  const publish = async (models: number): Promise<void> => {
    // What is more than one request may write is sent again until nothing of it is left.
    let answer: string;
    do answer = await ask(origin, "PUT", "/api/v1/admin/catalog", OPERATOR_KEY, catalogOf(models));
    while (!/"values_left":0\b/.test(answer));
  };
  await publish(MODELS_MIN);
  const main = await createAccount(origin, "bench");
  const spare = await createAccount(origin, "bench-spare");
  const targetOf = (key: string): Target =>
    targetAt("waypost", `${origin}/api/v1/chat/completions`, {
      headers: { authorization: `Bearer ${key}` },
      models: CATALOG_MODELS,
      isPriced: true,
    });
  await untilServed(targetOf(spare.key));
  return {
    target: targetOf(main.key),
    spare: targetOf(spare.key),
    pids: servingPids(server.pid),
    ledger: ledgerOf(origin, main.managementKey),
    publish,
    newKey: async (name) => (await createAccount(origin, name)).key,
  };
}

/** The text of a 2xx answer. */
async function ask(origin: string, method: string, at: string, key: string, body?: unknown): Promise<string> {
  const response = await fetch(`${origin}${at}`, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${at} answered ${response.status}: ${text.slice(0, 500)}`);
  return text;
}

async function createAccount(origin: string, name: string): Promise<{ key: string; managementKey: string }> {
  const created: unknown = JSON.parse(await ask(origin, "POST", "/api/v1/admin/accounts", OPERATOR_KEY, { name }));
  const account = isObject(created) && isObject(created["data"]) ? created["data"] : {};
  const { key, management_key: managementKey } = isObject(created) ? created : {};
  if (typeof account["id"] !== "string" || typeof key !== "string" || typeof managementKey !== "string") {
    throw new Error("POST /admin/accounts answered without an id or keys");
  }
  await ask(origin, "POST", `/api/v1/admin/accounts/${account["id"]}/credits`, OPERATOR_KEY, {
    amount: "100000",
    idempotency_key: `bench-${name}`,
    reason: "benchmark",
  });
  return { key, managementKey };
}

/** A published catalog reaches an isolate after a moment: waits until the last of its models answers. */
async function untilServed(target: Target): Promise<void> {
  const { host, port, path: at, headers, models } = target;
  let text = "";
  for (let attempt = 0; attempt < 150; attempt += 1) {
    const response = await fetch(`http://${host}:${port}${at}`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ model: models.brief, messages: [{ role: "user", content: "Hello" }], max_tokens: 100 }),
    });
    text = await response.text();
    if (response.ok) return;
    await sleep(200);
  }
  throw new Error(`the bench's catalog is not served after 30 s: ${text.slice(0, 500)}`);
}

function ledgerOf(origin: string, managementKey: string): Ledger {
  return {
    async paidNusd(expectedNusd) {
      let paid: bigint | undefined;
      for (let waitedMs = 0; waitedMs <= SETTLED_MS; waitedMs += 250) {
        const text = await ask(origin, "GET", "/api/v1/credits", managementKey);
        // Read from the text: a JSON number parsed to a float would hide what it is asked about.
        const usage = /"total_usage":\s*"?([-\d.eE+]+)/.exec(text)?.[1];
        paid = usage === undefined ? undefined : decimalToNusd(usage);
        if (paid === expectedNusd) return paid;
        await sleep(250);
      }
      return paid;
    },
    async audit() {
      try {
        const answer: unknown = JSON.parse(await ask(origin, "GET", "/api/v1/admin/audit", OPERATOR_KEY));
        const audit = isObject(answer) && isObject(answer["data"]) ? answer["data"] : answer;
        return isObject(audit) && audit["ok"] === true ? true : JSON.stringify(answer).slice(0, 1_000);
      } catch (error) {
        return error instanceof Error ? error.message : String(error);
      }
    },
  };
}

function providerSlug(index: number): string {
  return index === 0 ? "bench" : `bench-${index + 1}`;
}

/** Addresses of a catalog are public; where the providers really are, `<PROVIDER>_BASE_URL` says. */
const BASE_URL = "https://upstream.example.com/v1";

function catalogOf(models: number): unknown {
  const roles: Role[] = ["buffered", "fast", "brief", "slow", "big"];
  const slugs = Array.from({ length: PROVIDERS }, (_, index) => providerSlug(index));
  const others = Array.from({ length: models - roles.length - 1 }, (_, index) => `bench/other-${index}`);
  const modelOf = (id: string, upstreamModel: string, providers = slugs.slice(0, 1)): unknown => ({
    id,
    canonical_slug: `${id}-2026-11-21`,
    name: `Bench: ${id}`,
    created_s: 1_790_000_000,
    input_modalities: ["text", "image"],
    output_modalities: ["text"],
    endpoints: providers.map((slug) => ({
      tag: slug,
      provider: slug,
      upstream_model: upstreamModel,
      price: { prompt: PROMPT_PUSD, completion: COMPLETION_PUSD },
      price_source: SOURCE,
      context_length: 10_000_000,
      max_completion_tokens: 32_000,
      supported_parameters: ["temperature", "max_tokens"],
      input_modalities: ["text", "image"],
    })),
  });
  return {
    version: 1,
    providers: slugs.map((slug) => ({
      slug,
      name: slug === "bench" ? "Bench" : `Bench ${slug}`,
      adapter: "openai-compatible",
      base_url: BASE_URL,
      regions: [{ id: "local", latitude: 50.11, longitude: 8.68, jurisdiction: null, source: SOURCE }],
      data_policy: { training: false, retains_prompts: false, retention_days: 0, zdr: true, source: SOURCE },
      cancellation: { policy: "stops", source: SOURCE },
    })),
    models: [
      ...roles.map((role) => modelOf(CATALOG_MODELS[role], UPSTREAM_MODELS[role])),
      modelOf(WIDE_MODEL, UPSTREAM_MODELS.buffered, slugs),
      ...others.map((id) => modelOf(id, UPSTREAM_MODELS.buffered)),
    ],
  };
}
